"""Pooling: means over windows, and the largest of them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropout._layers._base import shapes
from keras_dropout._layers.pooling._windows import windows
from keras_dropout._typing import Tensor
from keras_dropout.moments import gaussian, rules
from keras_dropout.moments.rules import rule

L = keras.layers


def _axes(layer, x):
    return set(shapes.positions(x.rank, layer.data_format))


def _shares(x, axes):
    """Whether all numbers along these axes have one factor in common."""
    return x.factor is not None and not axes & x.independent


def _scaled(x, mean, shared):
    """What has the same random factor as before."""
    variance = ops.square(mean) * x.factor
    kept = {"independent": x.independent, "factor": x.factor, "exact": True}
    return x.becomes(mean, variance, **kept) if shared else None


@rule(L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D)
def _average(layer, x):
    x, axes = x.floats(), _axes(layer, x)
    mean = layer.call(x.mean)
    if _shares(x, axes):
        return _scaled(x, mean, True)
    # Of padded windows fewer numbers count, and how many, backends see differently.
    ones = ops.ones_like(x.mean)
    count = ops.sum(_windows(layer, ones, axes), axis=-1)
    share = layer.call(ones) / count
    apart = layer.pool_size == layer.strides
    return x.becomes(
        mean,
        layer.call(x.variance) * share,
        exact=x.independent_along(axes),
        independent=x.independent if apart else x.independent - axes,
        gaussian=x.gaussian,
    )


@rule(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D)
def _global_average(layer, x, mask=None):
    x, axes = x.floats(), _axes(layer, x)
    mask = x.mask if mask is None else mask
    weights = ops.ones_like(x.mean)
    if mask is not None:
        if layer.data_format == "channels_first":
            raise rules.unknown(layer, "it is masked, with the channels first")
        weights = weights * ops.cast(mask, "float32")[..., None]
    order = sorted(axes)
    weights = weights / ops.sum(weights, axis=order, keepdims=True)
    keep = layer.keepdims
    mean = ops.sum(x.mean * weights, axis=order, keepdims=keep)
    left = [axis for axis in range(x.rank) if keep or axis not in axes]
    kept = frozenset(left.index(axis) for axis in x.independent - axes if axis in left)
    if _shares(x, axes):
        factor = ops.broadcast_to(x.factor, x.shape)
        factor = ops.max(factor, axis=order, keepdims=keep)
        variance = ops.square(mean) * factor
        return x.becomes(mean, variance, exact=True, independent=kept, factor=factor)
    variance = ops.sum(x.variance * ops.square(weights), axis=order, keepdims=keep)
    exact = x.independent_along(axes)
    return x.becomes(mean, variance, exact=exact, independent=kept, gaussian=x.gaussian)


@rule(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D)
def _largest(layer, x):
    x, axes = x.floats(), _axes(layer, x)
    if _shares(x, axes):
        return _scaled(x, layer.call(x.mean), True)
    parts = [_windows(layer, each, axes) for each in (x.mean, x.variance)]
    real = _windows(layer, ops.ones_like(x.mean), axes) > 0
    apart = layer.pool_size == layer.strides
    kept = x.independent if apart else x.independent - axes
    return x.becomes(*largest(*parts, real), independent=kept)


@rule(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D)
def _globally_largest(layer, x):
    x, axes = x.floats(), _axes(layer, x)
    order = sorted(axes)
    left = [axis for axis in range(x.rank) if axis not in axes]

    def flat(values):
        values = ops.transpose(values, [*left, *order])
        return ops.reshape(values, (*values.shape[: len(left)], -1))

    mean, variance = largest(flat(x.mean), flat(x.variance), None)
    kept = frozenset(map(left.index, x.independent - axes))
    if layer.keepdims:
        mean, variance = (ops.expand_dims(each, order) for each in (mean, variance))
        kept = x.independent - axes
    return x.becomes(mean, variance, independent=kept)


def largest(mean: Tensor, variance: Tensor, real: Any) -> tuple[Tensor, Tensor]:
    """Moments of the largest along the last axis, pair by pair as Clark has it.

    Args:
        mean: Tensor.
        variance: Tensor.
        real: Boolean tensor, which numbers count, or `None` for all.
    """
    while mean.shape[-1] > 1:
        size = mean.shape[-1] // 2
        rest = [each[..., 2 * size :] for each in (mean, variance)]
        (a, b), (v, w) = (
            (each[..., :size], each[..., size : 2 * size]) for each in (mean, variance)
        )
        joined = gaussian.larger(a, v, b, w)
        if real is not None:
            c, d = real[..., :size], real[..., size : 2 * size]
            pairs = ((joined[0], a, b), (joined[1], v, w))
            joined = [
                ops.where(c, ops.where(d, both, one), other)
                for both, one, other in pairs
            ]
            left = real[..., 2 * size :]
            real = ops.concatenate([ops.logical_or(c, d), left], axis=-1)
        mean, variance = (
            ops.concatenate([each, left], axis=-1)
            for each, left in zip(joined, rest, strict=True)
        )
    return mean[..., 0], variance[..., 0]


def _windows(layer, values, axes):
    count = len(axes)
    sizes, strides = layer.pool_size, layer.strides
    sizes = (sizes,) * count if isinstance(sizes, int) else sizes
    strides = (strides,) * count if isinstance(strides, int) else strides
    return windows(values, sorted(axes), sizes, strides, layer.padding)
