"""Scores of predicted distributions of values, batch by batch."""

from __future__ import annotations

import math
import statistics
from typing import Any, Literal

from keras import ops

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Tensor
from keras_dropout.losses.data_noise import gaussian
from keras_dropout.metrics.streaming.base import StreamingMean
from keras_dropout.metrics.values import level

# Below every standard deviation that matters, so that one of 0 divides.
TINY = 1e-37


@registered
class ContinuousRankedProbabilityScore(StreamingMean):
    r"""`crps_gaussian` as a Keras metric, for predicted means and variances.

    $$\sigma \left[ z\,(2 \Phi(z) - 1) + 2 \varphi(z) - \tfrac{1}{\sqrt\pi} \right],
    \qquad z = \frac{y - \mu}{\sigma}, \quad \sigma = e^{s / 2}$$

    averaged over outputs, rows and batches, in the unit of $y$. The outputs are those
    of `losses.GaussianNLL`. Sample weights count (with
    `compile(weighted_metrics=[...])`), and steps that a Keras mask excludes do not.
    It computes in float32 under each dtype policy.

    Args:
        name: Name of the metric.
        dtype: The dtype of the sums; `None` for that of Keras.

    Call arguments:
        y_true: The values $y$, `(..., outputs)`, or `(...)` for one output.
        y_pred: The means $\mu$ and then as many log variances $s$,
            `(..., 2 * outputs)`.
        sample_weight: Weights of rows, or of single values.

    Raises:
        ValueError: Targets and predictions do not fit.

    Examples:
        >>> from keras_dropout import metrics
        >>> metric = metrics.ContinuousRankedProbabilityScore()
        >>> metric.update_state([[0.5]], [[0.0, 0.0]])
        >>> round(float(metric.result()), 4)
        0.3314

    References:
        - Gneiting and Raftery, 2007, [Strictly Proper Scoring Rules, Prediction, and
          Estimation](https://doi.org/10.1198/016214506000001437)
    """

    direction: str | None = "down"

    def __init__(
        self, name: str = "continuous_ranked_probability_score", dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y, mean, log_variance = gaussian(y_true, y_pred)
        error, std = y - mean, ops.exp(0.5 * log_variance)
        z = error / ops.maximum(std, TINY)
        density = ops.exp(-0.5 * ops.square(z)) / math.sqrt(2 * math.pi)
        spread = std * (2 * density - 1 / math.sqrt(math.pi))
        return error * ops.erf(z / math.sqrt(2)) + spread


@registered
class IntervalCoverage(StreamingMean):
    r"""The fraction of values inside the intervals that a model predicts.

    For `outputs="gaussian"` the interval is $\mu \pm z\, e^{s / 2}$, with the normal
    quantile $z$ of the level; for `"interval"` the model predicts the two ends. The
    closer to `confidence_level`, the better. Neither larger nor smaller is always
    better, so a callback that monitors it needs an explicit mode. Sample weights count
    (with `compile(weighted_metrics=[...])`), and steps that a Keras mask excludes do
    not. It computes in float32 under each dtype policy.

    Args:
        confidence_level: Float in `(0, 1)`, the coverage that the intervals promise.
            Not used for `outputs="interval"`.
        outputs: `"gaussian"`, means and then as many log variances, as in
            `losses.GaussianNLL`; or `"interval"`, lower ends and then as many upper
            ones. An interval with crossed ends covers nothing.
        name: Name of the metric.
        dtype: The dtype of the sums; `None` for that of Keras.

    Call arguments:
        y_true: The values, `(..., outputs)`, or `(...)` for one output.
        y_pred: `(..., 2 * outputs)`.
        sample_weight: Weights of rows, or of single values.

    Raises:
        TypeError: `confidence_level` is not a number.
        ValueError: An argument is out of its range, or targets and predictions do not
            fit.

    Examples:
        >>> from keras_dropout import metrics
        >>> metric = metrics.IntervalCoverage(confidence_level=0.9)
        >>> metric.update_state([[1.6], [1.7]], [[0.0, 0.0], [0.0, 0.0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        confidence_level: float = 0.9,
        outputs: Literal["gaussian", "interval"] = "gaussian",
        name: str = "interval_coverage",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.confidence_level: float = level("confidence_level", confidence_level)
        self.outputs: Literal["gaussian", "interval"] = _validation.choice(
            "outputs", outputs, ("gaussian", "interval")
        )

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y, first, second = gaussian(y_true, y_pred)
        if self.outputs == "gaussian":
            z = statistics.NormalDist().inv_cdf((1 + self.confidence_level) / 2)
            inside = ops.abs(y - first) <= z * ops.exp(0.5 * second)
        else:
            inside = ops.logical_and(first <= y, y <= second)
        # NaN is inside of nothing, which would look like an interval that missed.
        unknown = ops.isnan(y)
        for each in (first, second):
            unknown = ops.logical_or(unknown, ops.isnan(each))
        return ops.where(unknown, float("nan"), ops.cast(inside, "float32"))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "confidence_level": self.confidence_level,
            "outputs": self.outputs,
        }
