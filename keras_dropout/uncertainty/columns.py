"""What a prediction and the truth say of each label or value: flat columns.

A column has one number for each label or value that counts, whatever the shape of the
outputs. All scores are functions of these, so nothing else is kept of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout._typing import Shape
from keras_dropout.metrics import _labels
from keras_dropout.metrics.classes import brier_of_rows, nll_of_rows
from keras_dropout.metrics.values import crps_gaussian_of_values
from keras_dropout.uncertainty import classes
from keras_dropout.uncertainty.measures import elementwise
from keras_dropout.uncertainty.prediction import Prediction

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_cdf = np.vectorize(NormalDist().cdf, otypes=[np.float64])


def of(
    prediction: Prediction,
    y: ArrayLike,
    weight: ArrayLike | None,
    by: str,
    noise_variance: Any = None,
    noise_samples: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The columns of some rows.

    Args:
        prediction: A `Prediction`.
        y: The truth, an array.
        weight: Array of weights of rows or of what is in them, or `None`.
        by: The measure that ranks, as `measures.elementwise` takes it.
        noise_variance: Array or number, a known variance of the data's noise, or
            `None`.
        noise_samples: Array as `prediction.samples`, what each sample takes for the
            variance of the data's noise, or `None`.
    """
    if prediction.kind in classes.KINDS:
        return _of_classes(prediction, y, weight, by)
    return _of_values(prediction, y, weight, noise_variance, noise_samples)


def joined(parts: Iterable[Any]) -> dict[str, np.ndarray]:
    """The columns of several batches; their rows are told apart."""
    done, rows = [], 0
    for columns, count in parts:
        done.append({**columns, "row": columns["row"] + rows})
        rows += count
    return {name: np.concatenate([each[name] for each in done]) for name in done[0]}


def elements(prediction: Prediction, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels with the classes last, if they have an axis.

    Returns:
        The pair of `(elements..., classes)` and `(elements...)` or one-hot; of
        independent labels `(elements...)` for both.
    """
    p, y = np.asarray(prediction.mean, np.float64), np.asarray(y)
    axis = prediction.class_axis
    if axis not in (None, -1):
        if y.shape == p.shape:
            y = np.moveaxis(y, axis, -1)
        p = np.moveaxis(p, axis, -1)
    if prediction.kind == "binary":
        if y.shape != p.shape and y.size == p.size and len(y) == len(p):
            y = y.reshape(p.shape)
        if y.shape != p.shape:
            _refuse(y, p.shape)
        return p, y
    if y.shape == (*p.shape[:-1], 1) and p.shape[-1] > 1:
        y = y[..., 0]
    if y.shape not in (p.shape, p.shape[:-1]):
        _refuse(y, f"{p.shape[:-1]} or {p.shape}")
    return p, y


def weights(
    shape: Shape, weight: ArrayLike | None, valid: np.ndarray | None
) -> np.ndarray:
    """A weight for each element; weights and masks of rows hold for what is in them."""
    found = np.ones(shape)
    for name, factor in (("sample_weight", weight), ("valid", valid)):
        if factor is None:
            continue
        factor = np.asarray(factor, np.float64)
        if factor.ndim > 1 and factor.shape[-1] == 1 and factor.shape != shape:
            factor = factor[..., 0]
        if factor.shape != shape[: factor.ndim]:
            raise ValueError(
                f"`{name}` must have one number a row, or one for each label or value, "
                f"of shape {shape}. Received: {name} of shape {factor.shape}"
            )
        if not (factor >= 0).all():
            raise ValueError(
                f"`{name}` must hold no negative number and no NaN. Received: numbers "
                f"from {factor.min()}"
            )
        found = found * factor.reshape(factor.shape + (1,) * (len(shape) - factor.ndim))
    return found


def _refuse(y, shape):
    raise ValueError(
        "`y` must hold a label for each vector of classes, as an integer or one-hot, "
        "or a label for each probability if they are binary. Received: y of shape "
        f"{y.shape} where {shape} was expected"
    )


def _flat(shape, weight, valid):
    """Which elements count, their weights and their rows."""
    weight = weights(shape, weight, valid)
    row = np.arange(shape[0]).reshape((-1,) + (1,) * (len(shape) - 1))
    counts = weight > 0
    row = np.broadcast_to(row, shape)
    return counts, {"row": row[counts], "weight": weight[counts]}


def _of_classes(prediction, y, weight, by):
    p, y = elements(prediction, y)
    is_binary = prediction.kind == "binary"
    shape = p.shape if is_binary else p.shape[:-1]
    counts, found = _flat(shape, weight, prediction.valid)
    names = ("nll", "brier", "correct", "confidence", "uncertainty")
    if not counts.any():
        return {**found, **dict.fromkeys(names, np.zeros(0))}
    y = y[counts] if y.shape == shape else y[counts, :]
    targets, p, _ = _labels.read(y, p[counts])
    best = p.argmax(axis=-1)[:, None]
    if is_binary:
        # As `Prediction.label` has it, of equal probabilities the label is 0.
        best = (p[:, 1] > 0.5).astype(np.int64)[:, None]
    return {
        **found,
        "nll": nll_of_rows(targets, p),
        "brier": brier_of_rows(targets, p, is_binary),
        "correct": np.take_along_axis(targets, best, axis=-1)[:, 0],
        "confidence": np.take_along_axis(p, best, axis=-1)[:, 0],
        "uncertainty": elementwise(prediction, by, shape)[counts],
    }


def values(prediction: Prediction, y: ArrayLike) -> np.ndarray:
    """Targets in the shape of the means, in float64."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise TypeError(
            f"`y` must be an array of real numbers. Received: y of dtype {y.dtype}"
        )
    y, mean = y.astype(np.float64), prediction.mean
    if (*y.shape, 1) == mean.shape:
        y = y[..., None]
    if y.shape == (*mean.shape, 1):
        y = y[..., 0]
    if y.shape != mean.shape:
        raise ValueError(
            "`y` must hold a value for each output. Received: y of shape "
            f"{y.shape} for outputs of shape {mean.shape}"
        )
    return y


def _of_values(prediction, y, weight, noise_variance, noise_samples):
    y = values(prediction, y)
    counts, found = _flat(y.shape, weight, prediction.valid)
    if not np.isfinite(y[counts]).all():
        raise ValueError(
            "`y` must hold neither NaN nor infinity. Give such rows a `sample_weight` "
            "of 0, or leave them out"
        )
    noise = prediction.statistics.get("noise_variance")
    if noise is None and noise_variance is not None:
        noise = np.broadcast_to(np.asarray(noise_variance, np.float64), y.shape)
    variance = np.asarray(prediction.variance, np.float64)
    variance = variance if noise is None else variance + noise
    mean, std = np.asarray(prediction.mean, np.float64), np.sqrt(variance)
    y, mean, std = y[counts], mean[counts], std[counts]
    found = {**found, "error": y - mean, "std": std}
    found["crps"] = crps_gaussian_of_values(y, mean, std)
    if noise is None:
        return found
    samples = prediction.samples
    if samples is None:
        centres, spread = mean[None], std[None] ** 2
    else:
        centres = samples[:, counts].astype(np.float64)
        spread = noise[counts][None]
        if noise_samples is not None:
            spread = noise_samples[:, counts].astype(np.float64)
    found["nll"] = mixture_nll(y, centres, spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(std > 0, (y - mean) / std, np.sign(y - mean) * np.inf)
    found["quantile"] = _cdf(np.nan_to_num(scaled)) if len(y) else np.zeros(0)
    return found


def mixture_nll(y: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    r"""$-\log \frac1T \sum_t N(y; \mu_t, \sigma_t^2)$, of each value, in nats."""
    # A variance of zero has no density; the smallest number stands for it.
    variances = np.maximum(variances, np.finfo(np.float32).tiny)
    terms = -0.5 * (y - means) ** 2 / variances - 0.5 * np.log(variances)
    most = terms.max(axis=0)
    return _HALF_LOG_2PI - most - np.log(np.exp(terms - most).mean(axis=0))
