"""The Brier score and the likelihood of classes, batch by batch."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Tensor
from keras_dropout.metrics.classes import TINY
from keras_dropout.metrics.streaming import labels
from keras_dropout.metrics.streaming.base import StreamingMean


class _OfClasses(StreamingMean):
    direction: str | None = "down"

    def __init__(
        self, from_logits: bool = False, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.from_logits: bool = _validation.boolean("from_logits", from_logits)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = labels.classes_of(y_pred)
        y_true = labels.targets_of(y_true, y_pred)
        if y_pred.shape[-1] == 1:
            return self.binary(y_true[..., 0], y_pred[..., 0])
        return self.several(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits}


@registered
class BrierScore(_OfClasses):
    r"""`brier_score` as a Keras metric, which streams over batches.

    $$\frac{\sum_i w_i \sum_c (p_{ic} - [y_i = c])^2}{\sum_i w_i}$$

    with sample weights $w$ (with `compile(weighted_metrics=[...])`) and 0 for steps
    that a Keras mask leaves out. It computes in float32 under each dtype policy.

    Args:
        from_logits: Boolean. Whether predictions are logits or probabilities.
        name: Name of the metric.
        dtype: The dtype of the sums; `None` for that of Keras.

    Call arguments:
        y_true: Integers `(...)` or `(..., 1)`, or one-hot `(..., classes)`. An integer
            of no class gives NaN.
        y_pred: `(..., classes)`; for binary labels `(rows,)` or `(..., 1)`, the
            probability of 1. Then the score is $(p - y)^2$.
        sample_weight: Weights of rows, or of single labels.

    Raises:
        TypeError: `from_logits` is not a Boolean.
        ValueError: Labels and predictions do not fit.

    Examples:
        >>> from keras_dropout import metrics
        >>> metric = metrics.BrierScore()
        >>> metric.update_state([0, 1], [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
        >>> round(float(metric.result()), 4)
        0.1

    References:
        - Brier, 1950, [Verification of Forecasts Expressed in Terms of
          Probability](https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2)
    """

    def __init__(
        self,
        from_logits: bool = False,
        name: str = "brier_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits=from_logits, name=name, dtype=dtype)

    def several(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        p = ops.softmax(y_pred, axis=-1) if self.from_logits else y_pred
        return ops.sum(ops.square(p - y_true), axis=-1)

    def binary(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        p = ops.sigmoid(y_pred) if self.from_logits else y_pred
        return ops.square(p - y_true)


@registered
class NegativeLogLikelihood(_OfClasses):
    r"""`negative_log_likelihood` as a Keras metric, which streams over batches.

    $$-\frac{\sum_i w_i \log p_{i y_i}}{\sum_i w_i}$$

    in nats, with sample weights $w$ (with `compile(weighted_metrics=[...])`) and 0 for
    steps that a Keras mask leaves out. Unlike a loss it holds no penalties, no label
    smoothing and no class weights of the model. A probability below 1e-37 counts as
    1e-37; logits have no such bound. It computes in float32 under each dtype policy.

    Args:
        from_logits: Boolean. Whether predictions are logits or probabilities.
        name: Name of the metric.
        dtype: The dtype of the sums; `None` for that of Keras.

    Call arguments:
        y_true: Integers `(...)` or `(..., 1)`, or one-hot `(..., classes)`. An integer
            of no class gives NaN.
        y_pred: `(..., classes)`; for binary labels `(rows,)` or `(..., 1)`, the
            probability of 1.
        sample_weight: Weights of rows, or of single labels.

    Raises:
        TypeError: `from_logits` is not a Boolean.
        ValueError: Labels and predictions do not fit.

    Examples:
        >>> from keras_dropout import metrics
        >>> metric = metrics.NegativeLogLikelihood()
        >>> metric.update_state([0, 1], [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
        >>> round(float(metric.result()), 4)
        0.2899

    References:
        - Good, 1952, [Rational
          Decisions](https://doi.org/10.1111/j.2517-6161.1952.tb00104.x)
    """

    def __init__(
        self,
        from_logits: bool = False,
        name: str = "negative_log_likelihood",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits=from_logits, name=name, dtype=dtype)

    def several(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.from_logits:
            log_p = ops.log_softmax(y_pred, axis=-1)
        else:
            log_p = ops.log(ops.maximum(y_pred, TINY))
        return -ops.sum(y_true * log_p, axis=-1)

    def binary(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.from_logits:
            log_0, log_1 = ops.log_sigmoid(-y_pred), ops.log_sigmoid(y_pred)
        else:
            log_0, log_1 = (ops.log(ops.maximum(p, TINY)) for p in (1 - y_pred, y_pred))
        return -(y_true * log_1 + (1 - y_true) * log_0)
