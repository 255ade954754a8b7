"""Makes the arrays of a `Prediction` from samples that are there all at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropout import _validation
from keras_dropout._typing import Shape
from keras_dropout._validation import invalid
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.uncertainty import pooling, statistics
from keras_dropout.uncertainty.statistics import Measure

KINDS = ("values", "probabilities", "logits", "binary", "gaussian")


def fields(
    samples: Any,
    kind: str,
    axis: int,
    valid: Any,
    noise_variance: Any,
    masks: str,
    block: int | None,
) -> dict[str, Any]:
    """The arrays; arguments as in `Prediction.from_samples`."""
    _validation.choice("kind", kind, KINDS)
    _validation.choice("masks", masks, SCHEMES)
    samples = numbers("samples", samples)
    if samples.ndim < 2 or not samples.shape[0]:
        expected = "an array (samples, rows, ...) with one sample or more"
        raise ValueError(invalid("samples", expected, samples.shape))
    measure = measure_of(kind, axis, samples)
    if kind == "logits" and measure.kind == "binary":
        kind, samples = "binary", _sigmoid(samples)
    elif kind == "logits":
        samples = _softmax(samples, measure.axis)
    if measure.has_classes and (samples < 0).any():
        raise ValueError(
            "Probabilities are never negative. Say kind='logits' for what comes before "
            f"a softmax. Received: kind={kind!r} and samples down to {samples.min()}"
        )
    if (noise_variance is None) == (kind == "gaussian"):
        expected = "an array as `samples` for kind='gaussian', and None else"
        raise ValueError(invalid("noise_variance", expected, noise_variance))
    noise_variance = _as_samples("noise_variance", noise_variance, samples)
    summary = statistics.summarise(
        samples.astype(np.float64),
        np.ones(len(samples), bool),
        measure,
        np,
        block=_block(block, masks, len(samples)),
        noise_variance=noise_variance,
    )
    return {
        **pooling.fields([summary], measure),
        "kind": kind,
        "class_axis": measure.axis,
        "samples": samples,
        "valid": validity(valid, samples.shape[1:], measure),
    }


def numbers(name: str, array: Any) -> np.ndarray:
    """`array` as an array of floats, refused where it is none."""
    array = np.asarray(array)
    if array.dtype.kind in "biu":
        array = array.astype(np.float32)
    # Half precision of JAX and TensorFlow has a kind of its own.
    if array.dtype.kind == "V":
        array = array.astype(np.float32)
    if array.dtype.kind != "f":
        raise TypeError(invalid(name, "an array of real numbers", array.dtype))
    return array


def measure_of(kind: str, axis: int, samples: Any) -> Measure:
    """Which statistics hold for samples of a kind, their classes on `axis`."""
    if kind in ("values", "gaussian"):
        return Measure("values")
    if samples.ndim == 2 and kind in ("binary", "logits"):
        return Measure("binary")
    expected = "an axis of `samples` after that of the rows, for the classes"
    axis = _validation.integer("axis", axis, minimum=-samples.ndim)
    from_last = axis - samples.ndim if axis >= 0 else axis
    if not 2 - samples.ndim <= from_last < 0:
        received = f"{axis} for samples of shape {samples.shape}"
        raise ValueError(invalid("axis", expected, received))
    # One logit is that of a label: a softmax of one number is 1.
    is_one = kind == "logits" and samples.shape[from_last] == 1
    is_binary = kind == "binary" or is_one
    return Measure("binary" if is_binary else "probabilities", from_last)


def _sigmoid(logits):
    # Without a power that overflows.
    return np.exp(-np.logaddexp(0, -logits))


def _softmax(logits, axis):
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _as_samples(name, array, samples):
    if array is None:
        return None
    array = numbers(name, array)
    if array.shape != samples.shape or (array < 0).any():
        expected = f"numbers that are not negative, of shape {samples.shape}"
        raise ValueError(invalid(name, expected, array))
    return array.astype(np.float64)


def _block(block, masks, samples):
    if block is None:
        block = {"antithetic": 2, "stratified": samples}.get(masks, 1)
    block = _validation.integer("block", block, minimum=1)
    if samples % block:
        expected = f"a number that divides that of the samples, {samples}"
        raise ValueError(invalid("block", expected, block))
    return block


def validity(valid: Any, shape: Shape, measure: Measure) -> np.ndarray | None:
    """`valid` as an array of Booleans that fits a mean of this shape, or `None`."""
    if valid is None:
        return None
    valid = np.asarray(valid)
    if measure.axis is not None:
        shape = tuple(np.delete(shape, measure.axis).tolist())
    if valid.dtype != bool or not valid.ndim or valid.shape != shape[: valid.ndim]:
        expected = f"a boolean array of the first axes of {shape}"
        raise ValueError(invalid("valid", expected, valid))
    return valid
