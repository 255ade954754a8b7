"""What all streaming metrics share: weights, masks and a mean over all values."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropout import _bases, _keras


def weigh(values: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Values and a weight for each, from sample weights and the mask of `y_pred`.

    A weight of a row or step holds for all that is in it. What has weight 0 becomes 0,
    so that NaN in padding does not come through.
    """
    mask = _keras.mask_of(y_pred)
    weights = ops.ones_like(values)
    for factor in (sample_weight, mask):
        if factor is None:
            continue
        factor = ops.cast(factor, values.dtype)
        if len(factor.shape) == len(values.shape) + 1 and factor.shape[-1] == 1:
            factor = ops.squeeze(factor, axis=-1)
        for _ in range(len(values.shape) - len(factor.shape)):
            factor = ops.expand_dims(factor, axis=-1)
        weights = weights * factor
    return ops.where(weights > 0, values, ops.zeros_like(values)), weights


class StreamingMean(_bases.Metric):
    """The weighted mean of a number for each value, over all batches.

    A subclass writes `values(y_true, y_pred)`. Unlike `keras.metrics.Mean`, batches
    of sequences of different lengths count by their steps.

    Args:
        name: Name of the metric, or `None` for that of its class.
        dtype: The dtype of the sums; `None` for that of Keras.
    """

    direction: str | None = None

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total: keras.Variable = self.add_variable(
            (), "zeros", dtype=self.dtype, name="total"
        )
        self.weight: keras.Variable = self.add_variable(
            (), "zeros", dtype=self.dtype, name="weight"
        )
        if self.direction is not None:
            _keras.set_direction(self, self.direction)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """The number for each value of a batch, in float32."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights of rows, or of single values, or `None`.
        """
        values = self.values(y_true, y_pred)
        values, weights = weigh(values, y_pred, sample_weight)
        total = ops.sum(values * weights)
        self.total.assign(self.total + ops.cast(total, self.dtype))
        self.weight.assign(self.weight + ops.cast(ops.sum(weights), self.dtype))

    def result(self) -> Any:
        """The mean over all batches since the last reset."""
        return ops.divide_no_nan(self.total, self.weight)
