"""The calibration error, batch by batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _bases, _keras, _validation
from keras_dropout._registration import registered
from keras_dropout.metrics import calibration
from keras_dropout.metrics.streaming import labels
from keras_dropout.metrics.streaming.base import weigh


@registered
class ExpectedCalibrationError(_bases.Metric):
    r"""`expected_calibration_error` as a Keras metric, which streams over batches.

    $$\mathrm{ECE} = \sum_{b=1}^B \frac{n_b}{n} \left|\mathrm{acc}_b -
    \mathrm{conf}_b\right|$$

    It keeps two numbers for each bin, the weights and the weighted differences, so
    streaming is exact. Sample weights count (with `compile(weighted_metrics=[...])`),
    and steps that a Keras mask excludes do not. It computes in float32 under every
    dtype policy, but uses the bins of float64.

    Args:
        bins: Integer of at least 1, the number $B$ of bins of equal width on `[0, 1]`.
        norm: `"l1"` as above, `"l2"` for the root of the mean square, or `"max"` for
            the largest difference, the maximum calibration error.
        from_logits: Boolean. Whether predictions are logits or probabilities.
        name: Name of the metric.
        dtype: The dtype of the sums; `None` for that of Keras.

    Call arguments:
        y_true: Integers `(...)` or `(..., 1)`, or one-hot `(..., classes)`. An integer
            that is not a class gives NaN.
        y_pred: `(..., classes)`; for binary labels `(rows,)` or `(..., 1)`, the
            probability of 1.
        sample_weight: Weights of rows, or of single labels.

    Raises:
        TypeError: `bins` is not an integer, or `from_logits` is not a Boolean.
        ValueError: An argument is out of its range, or labels and predictions do not
            fit.

    Examples:
        >>> from keras_dropout import metrics
        >>> metric = metrics.ExpectedCalibrationError(bins=10)
        >>> metric.update_state([0, 1], [[0.9, 0.1], [0.9, 0.1]])
        >>> metric.update_state([1, 1], [[0.4, 0.6], [0.3, 0.7]])
        >>> round(float(metric.result()), 4)
        0.375

    References:
        - Naeini, Cooper and Hauskrecht, 2015, [Obtaining Well Calibrated Probabilities
          Using Bayesian Binning](https://doi.org/10.1609/aaai.v29i1.9602)
        - Guo et al., 2017, [On Calibration of Modern Neural
          Networks](https://arxiv.org/abs/1706.04599)
    """

    def __init__(
        self,
        bins: int = 15,
        norm: calibration.Norm = "l1",
        from_logits: bool = False,
        name: str = "expected_calibration_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.bins: int = _validation.integer("bins", bins, minimum=1)
        self.norm: calibration.Norm = _validation.choice(
            "norm", norm, calibration.NORMS
        )
        self.from_logits: bool = _validation.boolean("from_logits", from_logits)
        self.gaps: keras.Variable = self.add_variable(
            (self.bins,), "zeros", dtype=self.dtype, name="gaps"
        )
        self.mass: keras.Variable = self.add_variable(
            (self.bins,), "zeros", dtype=self.dtype, name="mass"
        )
        _keras.set_direction(self, "down")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch.

        Args:
            y_true: Labels.
            y_pred: Probabilities or logits.
            sample_weight: Weights of rows, or of single labels, or `None`.
        """
        confidence, correct, above = self._confidence(y_true, y_pred)
        gaps, weights = weigh(correct - confidence, y_pred, sample_weight)
        place = ops.sum(ops.cast(above, "int32"), axis=-1)
        for variable, values in ((self.gaps, gaps * weights), (self.mass, weights)):
            sums = ops.segment_sum(
                ops.reshape(values, (-1,)), ops.reshape(place, (-1,)), self.bins
            )
            variable.assign(variable + ops.cast(sums, self.dtype))

    def _confidence(self, y_true, y_pred):
        """Confidence, correctness, and which edges between bins are passed."""
        exact = calibration.edges(self.bins)[1:-1]
        y_pred = labels.classes_of(y_pred)
        y_true = labels.targets_of(y_true, y_pred)
        if y_pred.shape[-1] == 1:
            p = ops.sigmoid(y_pred) if self.from_logits else y_pred
            p, y_true = p[..., 0], y_true[..., 0]
            likely = p > 0.5
            correct = ops.where(likely, y_true, 1 - y_true)
            # The confidence 1 - p is above an edge where p is below 1 less the edge.
            above = ops.where(
                likely[..., None],
                ops.greater(p[..., None], _rounded_down(exact)),
                ops.less(p[..., None], -_rounded_down(exact - 1)),
            )
            return ops.where(likely, p, 1 - p), correct, above
        p = ops.softmax(y_pred, axis=-1) if self.from_logits else y_pred
        best = ops.argmax(p, axis=-1)
        correct = ops.take_along_axis(y_true, best[..., None], axis=-1)[..., 0]
        confidence = ops.max(p, axis=-1)
        above = ops.greater(confidence[..., None], _rounded_down(exact))
        return confidence, correct, above

    def result(self) -> Any:
        """The error over all batches since the last reset."""
        gaps, mass = ops.abs(self.gaps.value), self.mass.value
        total = ops.sum(mass)
        if self.norm == "l1":
            return ops.divide_no_nan(ops.sum(gaps), total)
        gaps = ops.divide_no_nan(gaps, mass)
        if self.norm == "max":
            return ops.max(gaps)
        return ops.sqrt(ops.divide_no_nan(ops.sum(mass * ops.square(gaps)), total))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bins": self.bins,
            "norm": self.norm,
            "from_logits": self.from_logits,
        }


def _rounded_down(exact):
    """The float32 numbers not above some float64 ones.

    A float32 number is above one of these just where it is above the exact one.
    """
    rounded = exact.astype("float32")
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > exact, below, rounded)
