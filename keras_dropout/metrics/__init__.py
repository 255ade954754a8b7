"""Scores of an uncertainty: of probabilities, distributions and rankings.

Functions take NumPy arrays, need no model, and compute in float64. Classes are Keras
metrics for `compile(metrics=[...])`. They stream over batches, on each backend, and
give the result of the function of the same name for all rows at once, up to the
rounding of float32. Both take the truth first, then the prediction.
"""

from keras_dropout.metrics.calibration import expected_calibration_error
from keras_dropout.metrics.classes import brier_score, negative_log_likelihood
from keras_dropout.metrics.ranking import area_under_risk_coverage, separation
from keras_dropout.metrics.streaming.calibration import ExpectedCalibrationError
from keras_dropout.metrics.streaming.classes import BrierScore, NegativeLogLikelihood
from keras_dropout.metrics.streaming.values import (
    ContinuousRankedProbabilityScore,
    IntervalCoverage,
)
from keras_dropout.metrics.values import (
    crps_gaussian,
    crps_samples,
    interval_coverage,
    interval_score,
)

__all__ = [
    "BrierScore",
    "ContinuousRankedProbabilityScore",
    "ExpectedCalibrationError",
    "IntervalCoverage",
    "NegativeLogLikelihood",
    "area_under_risk_coverage",
    "brier_score",
    "crps_gaussian",
    "crps_samples",
    "expected_calibration_error",
    "interval_coverage",
    "interval_score",
    "negative_log_likelihood",
    "separation",
]


def __dir__() -> list[str]:
    return __all__
