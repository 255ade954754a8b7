"""What a prediction says of its rows: some of them, their ranking, their quantiles."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dropout import _validation
from keras_dropout.metrics import values
from keras_dropout.uncertainty import classes

if TYPE_CHECKING:
    from keras_dropout.uncertainty.prediction import Prediction


def chosen(prediction: Prediction, rows: Any) -> dict[str, Any]:
    """The arrays for some rows, by the names of the fields."""
    places = np.atleast_1d(np.arange(len(prediction))[rows])
    if places.ndim > 1:
        raise IndexError(
            "Rows are chosen by an integer, a slice, or an array with one axis of "
            f"integers or booleans. Received: {rows!r}"
        )
    fields = {
        name: value[:, places] if name == "samples" else value[places]
        for name, value in vars(prediction).items()
        if isinstance(value, np.ndarray)
    }
    extra = {name: value[places] for name, value in prediction.statistics.items()}
    return {**fields, "statistics": extra}


def quantile(prediction: Prediction, q: Any) -> np.ndarray:
    """Quantiles of the samples; see `Prediction.quantile`."""
    for each in np.ravel(q).tolist():
        _validation.probability("q", each)
    if prediction.samples is None:
        raise ValueError(
            "Quantiles need the samples themselves: call "
            "`mc_predict(..., return_samples=True)`. Received: no samples"
        )
    return np.quantile(prediction.samples, q, axis=0).astype(prediction.mean.dtype)


def interval(prediction: Prediction, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the samples; see `Prediction.interval`."""
    level = values.level("level", level)
    lower, upper = quantile(prediction, [(1 - level) / 2, (1 + level) / 2])
    return lower, upper


def predictive_interval(
    prediction: Prediction, confidence_level: float, noise_variance: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Interval for new data; see `Prediction.predictive_interval`."""
    level = values.level("confidence_level", confidence_level)
    if prediction.kind in classes.KINDS:
        raise ValueError(
            "An interval is for values. For classes take the sets of "
            "`calibration.ConformalClassifier`. "
            f"Received: a prediction of kind {prediction.kind!r}"
        )
    if (noise_variance is None) != (prediction.kind == "gaussian"):
        received = "None" if noise_variance is None else "a variance"
        raise ValueError(
            "`noise_variance` must be the variance of the data's noise where the "
            "outputs are plain values, for example that of "
            "`calibration.ResidualNoise`; and None where they are Gaussian and tell "
            f"it. Received: {received} for outputs of kind {prediction.kind!r}"
        )
    noise = prediction.aleatoric if noise_variance is None else noise_variance
    if (np.asarray(noise) < 0).any():
        raise ValueError(
            "`noise_variance` must hold no negative number. Received: a smallest of "
            f"{np.min(noise)}"
        )
    reach = NormalDist().inv_cdf((1 + level) / 2)
    reach = reach * np.sqrt(prediction.epistemic + noise)
    reach = reach.astype(prediction.mean.dtype)
    return prediction.mean - reach, prediction.mean + reach


def array(mean: np.ndarray, dtype: Any, copy: bool | None) -> np.ndarray:
    """The mean for `numpy.asarray`."""
    if copy is False and dtype not in (None, mean.dtype):
        raise ValueError(f"A mean of {mean.dtype} needs a copy as {dtype}")
    converted = np.asarray(mean, dtype=dtype)
    return converted.copy() if copy else converted
