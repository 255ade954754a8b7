"""Measures of uncertainty by name, all larger where a prediction is less certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_dropout import _validation
from keras_dropout._typing import Shape
from keras_dropout.uncertainty import classes

if TYPE_CHECKING:
    from keras_dropout.uncertainty.prediction import Prediction

By = Literal[
    "auto",
    "entropy",
    "mutual_information",
    "expected_entropy",
    "max_probability",
    "margin",
    "variation_ratio",
    "disagreement",
    "std",
    "epistemic",
    "aleatoric",
    "total",
]
MEASURES = (
    "entropy",
    "mutual_information",
    "expected_entropy",
    "max_probability",
    "margin",
    "variation_ratio",
    "disagreement",
    "std",
    "epistemic",
    "aleatoric",
    "total",
)
# Large where a prediction is certain.
_OF_CERTAINTY = ("max_probability", "margin")
# These have a number for each class.
_OF_VALUES = ("std", "epistemic", "aleatoric", "total")
# These are zero of a single sample.
OF_SAMPLES = (
    "mutual_information",
    "variation_ratio",
    "disagreement",
    "std",
    "epistemic",
)


def resolved(prediction: Prediction, by: str, name: str = "by") -> str:
    """The measure: `"auto"` is entropy for classes, and total variance for values."""
    _validation.choice(name, by, ("auto", *MEASURES))
    has_classes = prediction.kind in classes.KINDS
    if by == "auto":
        return "entropy" if has_classes else "total"
    if by not in _OF_VALUES and not has_classes:
        raise ValueError(
            f"{name}={by!r} needs class probabilities. For values pass {name}='std'; "
            "for classes pass outputs='probabilities', 'logits' or 'binary' to "
            f"`mc_predict`. Received: a prediction of kind {prediction.kind!r}"
        )
    return by


def measured(prediction: Prediction, by: str, name: str = "by") -> np.ndarray:
    """One number for each vector of classes, or for each value.

    What has a number for each class keeps it, on the last axis.
    """
    by = resolved(prediction, by, name)
    measure = np.asarray(getattr(prediction, by), np.float64)
    if by in _OF_CERTAINTY:
        return 1 - measure
    axis = prediction.class_axis
    if by in _OF_VALUES and axis is not None:
        # Last, so that what is left is as `valid`.
        return np.moveaxis(measure, axis, -1)
    return measure


def elementwise(prediction: Prediction, by: str, shape: Shape) -> np.ndarray:
    """As `measured`, one number for each label of this shape.

    Independent labels have one each where they are asked for by probability alone.
    """
    by = resolved(prediction, by)
    if prediction.kind == "binary" and by in ("entropy", *_OF_CERTAINTY):
        p = np.asarray(prediction.mean, np.float64)
        p = (
            p
            if prediction.class_axis is None
            else np.moveaxis(p, prediction.class_axis, -1)
        )
        return 1 - np.maximum(p, 1 - p)
    measure = measured(prediction, by)
    if measure.ndim == len(shape) + 1:
        return measure.mean(axis=-1)
    if measure.ndim == len(shape) - 1:
        measure = measure[..., None]
    return np.broadcast_to(measure, shape)


def of_rows(prediction: Prediction, by: str, name: str = "by") -> np.ndarray:
    """One number a row, the mean over what is real in it.

    Rows without a real step have NaN.
    """
    measure, real = measured(prediction, by, name), prediction.valid
    axes = tuple(range(1, measure.ndim))
    if real is None:
        return measure.mean(axis=axes)
    real = real.reshape(real.shape + (1,) * (measure.ndim - real.ndim))
    real = np.broadcast_to(real, measure.shape)
    count = real.sum(axis=axes)
    total = np.where(real, measure, 0).sum(axis=axes)
    return np.divide(total, count, out=np.full(len(measure), np.nan), where=count > 0)
