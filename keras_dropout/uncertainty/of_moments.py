"""Makes the arrays of a `Prediction` from means and variances."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropout import _validation
from keras_dropout._validation import invalid
from keras_dropout.uncertainty import classes, statistics
from keras_dropout.uncertainty import samples as of_samples

KINDS = ("values", "probabilities", "binary", "gaussian")


def fields(
    mean: Any, variance: Any, kind: str, axis: int, valid: Any, noise_variance: Any
) -> dict[str, Any]:
    """The arrays; arguments as in `Prediction.from_moments`."""
    _validation.choice("kind", kind, KINDS)
    mean = of_samples.numbers("mean", mean)
    if not mean.ndim:
        raise ValueError(invalid("mean", "an array (rows, ...)", mean.shape))
    variance = _as_mean("variance", variance, mean)
    if (noise_variance is None) == (kind == "gaussian"):
        expected = "an array as `mean` for kind='gaussian', and None else"
        raise ValueError(invalid("noise_variance", expected, noise_variance))
    # As if there were one sample, for what they are to share.
    measure = of_samples.measure_of(kind, axis, mean[None])
    extra = {}
    if noise_variance is not None:
        extra["noise_variance"] = _as_mean("noise_variance", noise_variance, mean)
    if measure.has_classes:
        information = _information(mean.astype("float64"), variance, measure)
        none = np.zeros_like(information)
        extra["information"] = information
        extra |= {"information_bias": none, "information_error": none}
    arrays = {"mean": mean, "variance": variance, "standard_error": 0 * variance}
    return {
        **{name: array.astype(np.float32) for name, array in arrays.items()},
        "count": np.zeros(len(mean), int),
        "class_axis": measure.axis,
        "valid": of_samples.validity(valid, mean.shape, measure),
        "statistics": {name: x.astype(np.float32) for name, x in extra.items()},
    }


def _information(mean, variance, measure):
    """The mutual information to second order, at most the entropy."""
    share = variance / np.maximum(mean, 1e-30)
    if measure.kind == "binary":
        share = share + variance / np.maximum(1.0 - mean, 1e-30)
    told = 0.5 * statistics.over_classes(share, measure, np)
    return np.minimum(told, classes.entropy(mean, measure))


def _as_mean(name, array, mean):
    array = of_samples.numbers(name, array)
    if array.shape != mean.shape or (array < 0).any():
        expected = f"numbers that are not negative, of shape {mean.shape}"
        raise ValueError(invalid(name, expected, array))
    return array
