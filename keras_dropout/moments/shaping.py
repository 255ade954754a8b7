"""Layers that only move numbers, and normalisation, which shifts and scales them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from keras_dropout._typing import Tensor
from keras_dropout.moments import rules
from keras_dropout.moments.rules import operation, rule
from keras_dropout.moments.state import Moments, all_axes

L = keras.layers


def moved(
    x: Moments, move: Callable[[Tensor], Tensor], independent: Iterable[int]
) -> Moments:
    """The moments after numbers have changed their places only.

    Args:
        x: `Moments`.
        move: Function of a tensor, which is done to mean and variance alike.
        independent: The axes of the result along which its numbers are independent.
    """
    return x.becomes(
        move(x.mean),
        move(x.variance),
        exact=True,
        independent=frozenset(independent),
        gaussian=x.gaussian,
    )


def _all_or_none(x, rank):
    """Axes of a new shape: all numbers are independent, or nothing is known."""
    return range(1, rank) if x.independent_along(all_axes(x)) else ()


@rule(L.Identity, L.ActivityRegularization)
def _same(layer, x):
    return x


@rule(L.Flatten, L.Reshape)
def _reshaped(layer, x):
    rank = len(layer.call(x.mean).shape)
    return moved(x, layer.call, _all_or_none(x, rank))


@rule(L.Permute)
def _permuted(layer, x):
    order = (0, *layer.dims)
    kept = {place for place, axis in enumerate(order) if axis in x.independent}
    return moved(x, layer.call, kept)


@rule(L.RepeatVector)
def _repeated(layer, x):
    kept = {2} if x.independent_along({1}) else set()
    return moved(x, layer.call, kept)


@rule(
    *(L.Cropping1D, L.Cropping2D, L.Cropping3D),
    *(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D),
)
def _cut_or_padded(layer, x):
    y = moved(x, layer.call, x.independent)
    if x.factor is None:
        return y
    # Padding has no noise, so a common factor does not matter there.
    shared = all(
        x.factor.shape[axis] == 1
        for axis in range(1, x.rank)
        if axis in _moved(layer, x)
    )
    return dataclasses.replace(y, factor=x.factor) if shared else y


def _moved(layer, x):
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return range(2, x.rank) if first else range(1, x.rank - 1)


@rule(L.UpSampling1D, L.UpSampling2D, L.UpSampling3D)
def _upsampled(layer, x):
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise rules.unknown(layer, "it interpolates")
    return moved(x, layer.call, x.independent - set(_moved(layer, x)))


def scaled(x: Moments, scale: Any, offset: Any = 0.0) -> Moments:
    """Numbers times a constant, and a constant added.

    Args:
        x: `Moments`.
        scale: Float or tensor that broadcasts to the mean.
        offset: Float or tensor that broadcasts to the mean.
    """
    x = x.floats()
    return x.becomes(
        x.mean * scale + offset,
        ops.broadcast_to(x.variance * scale**2, x.shape),
        exact=True,
        independent=x.independent,
        gaussian=x.gaussian,
    )


@rule(L.Rescaling)
def _rescaled(layer, x):
    return scaled(x, layer.scale, layer.offset)


def _along(values, x, axis):
    shape = [1] * x.rank
    shape[axis] = -1
    return ops.reshape(ops.cast(values, "float32"), shape)


@rule(L.BatchNormalization)
def _batch_normalization(layer, x, mask=None):
    axis = layer.axis
    variance = ops.cast(layer.moving_variance, "float32")
    scale = 1.0 / ops.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * ops.cast(layer.gamma, "float32")
    offset = -ops.cast(layer.moving_mean, "float32") * scale
    if layer.center:
        offset = offset + ops.cast(layer.beta, "float32")
    return scaled(x, _along(scale, x, axis), _along(offset, x, axis))


@rule(L.LayerNormalization)
def _layer_normalization(layer, x):
    """Linearised: mean and deviation are replaced by their expectations."""
    x = x.floats()
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    middle = ops.mean(x.mean, axis=axes, keepdims=True)
    square = ops.square(x.mean - middle) + x.variance
    deviation = ops.sqrt(ops.mean(square, axis=axes, keepdims=True) + layer.epsilon)
    gamma = beta = None
    shape = [1] * x.rank
    for axis in axes:
        shape[axis] = x.shape[axis]
    if getattr(layer, "scale", True):
        gamma = ops.reshape(ops.cast(layer.gamma, "float32"), shape)
    if getattr(layer, "center", True):
        beta = ops.reshape(ops.cast(layer.beta, "float32"), shape)
    scale = 1.0 / deviation if gamma is None else gamma / deviation
    offset = -middle * scale if beta is None else beta - middle * scale
    y = scaled(x, scale, offset)
    return dataclasses.replace(y, exact=False, gaussian=False)


@operation("Reshape", "Squeeze", "ExpandDims", "Transpose")
def _reshaped_by(given, x, *args, **kwargs):
    def move(values):
        return given.call(values, *args, **kwargs)

    return moved(x, move, _all_or_none(x, len(move(x.mean).shape)))


@operation("Identity", "Cast", "StopGradient")
def _same_numbers(given, x, *args, **kwargs):
    return x
