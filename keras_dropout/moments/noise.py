r"""Noise that multiplies, replaces or adds: layers of ours and Keras's twins.

With a factor $f$ that is independent of $x$,

$$\mathrm{E}[f x] = \mathrm{E}[f]\,\mathrm{E}[x], \qquad
\mathrm{Var}[f x] = \mathrm{Var}[f]\,(\mathrm{Var}[x] + \mathrm{E}[x]^2)
+ \mathrm{E}[f]^2\,\mathrm{Var}[x],$$

for dropout of rate $p$ so $(v + p\,m^2) / (1 - p)$.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_dropout import layers, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._typing import Shape, Tensor
from keras_dropout.moments import rules
from keras_dropout.moments.rules import rule
from keras_dropout.moments.state import (
    Moments,
    independent_of_each_other,
    joined_sources,
)

L = keras.layers


def own_axes(x: Moments, shape: Shape) -> frozenset[int]:
    """The axes along which both a noise of this shape and `x` are independent."""
    own = set(range(1, x.rank))
    own = {axis for axis in own if shape[axis] == x.shape[axis]}
    return frozenset(own if x.is_certain else own & x.independent)


def source() -> frozenset[object]:
    """A set with one new noise."""
    return frozenset({object()})


def multiplied(
    x: Moments,
    mean: Tensor,
    variance: Tensor,
    shape: Shape,
    *,
    positive: bool = True,
    gaussian: bool = False,
) -> Moments:
    """`x` times a random factor that is independent of it.

    Args:
        x: `Moments`.
        mean: Float or tensor that broadcasts to `x`, the mean of the factor.
        variance: Float or tensor, the variance of the factor.
        shape: The shape of what is drawn, with 1 along axes that share a draw.
        positive: Whether the factor is never negative.
        gaussian: Whether the factor is normal.
    """
    x = x.floats()
    square = ops.square(x.mean)
    spread = variance * (x.spread + square) + mean**2 * x.spread
    y = Moments(
        x.mean * mean,
        ops.broadcast_to(spread, x.shape),
        x.exact,
        own_axes(x, shape),
        gaussian=gaussian and x.is_certain,
        sources=x.sources | source(),
        mask=x.mask,
    )
    if not (positive and x.is_certain):
        return y
    relative = ops.convert_to_tensor(variance, "float32")
    relative = ops.divide_no_nan(relative, ops.convert_to_tensor(mean**2, "float32"))
    if len(relative.shape) < x.rank:
        missing = x.rank - len(relative.shape)
        relative = ops.reshape(relative, (*[1] * missing, *relative.shape))
    return dataclasses.replace(y, factor=relative)


def dropped(x: Moments, rate: Any, shape: Shape, *, is_scaled: bool = True) -> Moments:
    """Dropout of `x`: the mean is kept if what is left is scaled."""
    keep = random.keep_probability(random.plain(rate))
    scale = formulas.inverse(keep) if is_scaled else 1.0
    return multiplied(x, keep * scale, keep * (1.0 - keep) * scale**2, shape)


@rule(
    *(layers.Dropout, layers.ChannelDropout, layers.LockedDropout, layers.DropPath),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
)
def _dropout(layer, x):
    shape = layer.mask_shape(x.shape)
    kept = getattr(layer, "scaling", "train") == "train"
    kept = kept and getattr(layer, "scale_by_keep", True)
    return dropped(x, layer.current("rate"), shape, is_scaled=kept)


@rule(L.Dropout)
def _keras_dropout(layer, x):
    return dropped(x, layer.rate, shapes.resolve(layer.noise_shape, x.shape))


@rule(L.SpatialDropout1D, L.SpatialDropout2D, L.SpatialDropout3D)
def _keras_spatial(layer, x):
    axes = shapes.positions(x.rank, getattr(layer, "data_format", "channels_last"))
    return dropped(x, layer.rate, shapes.shared_over(x.shape, axes))


def alpha_dropped(x: Moments, rate: Any, shape: Shape) -> Moments:
    """Alpha dropout: SELU's saturation where dropped, then the affine map."""
    x, keep = x.floats(), random.keep_probability(random.plain(rate))
    slope = formulas.alpha_slope(keep)
    gap = formulas.SELU_SATURATION - x.mean
    spread = slope**2 * keep * (x.spread + (1.0 - keep) * ops.square(gap))
    return Moments(
        slope * keep * x.mean,
        spread,
        x.exact,
        own_axes(x, shape),
        sources=x.sources | source(),
        mask=x.mask,
    )


@rule(layers.AlphaDropout, layers.FeatureAlphaDropout)
def _alpha(layer, x):
    return alpha_dropped(x, layer.current("rate"), layer.mask_shape(x.shape))


@rule(L.AlphaDropout)
def _keras_alpha(layer, x):
    shape = shapes.resolve(layer.noise_shape, x.shape)
    return alpha_dropped(x, layer.rate, shape)


@rule(layers.GaussianDropout)
def _gaussian_dropout(layer, x):
    rate = random.plain(layer.current("rate"))
    shape = shapes.resolve(layer.noise_shape, x.shape)
    alpha = rate / (1.0 - rate)
    return multiplied(x, 1.0, alpha, shape, positive=False, gaussian=True)


@rule(L.GaussianDropout)
def _keras_gaussian_dropout(layer, x):
    alpha = layer.rate / (1.0 - layer.rate)
    return multiplied(x, 1.0, alpha, x.shape, positive=False, gaussian=True)


@rule(layers.GaussianNoise)
def _gaussian_noise(layer, x):
    return noisier(x, random.plain(layer.current("stddev")) ** 2)


@rule(L.GaussianNoise)
def _keras_gaussian_noise(layer, x):
    return noisier(x, layer.stddev**2)


def noisier(x: Moments, variance: Tensor) -> Moments:
    """`x` and independent normal noise of this variance."""
    x = x.floats()
    return Moments(
        x.mean,
        x.spread + variance,
        x.exact,
        own_axes(x, x.shape),
        gaussian=x.is_certain or x.gaussian,
        sources=x.sources | source(),
        mask=x.mask,
    )


@rule(layers.VariationalDropout)
def _variational(layer, x):
    alpha = ops.exp(layer.source("rate").raw())
    return multiplied(x, 1.0, alpha, x.shape, positive=False, gaussian=True)


@rule(layers.UOut)
def _uout(layer, x):
    beta = random.plain(layer.current("beta"))
    return multiplied(x, 1.0, beta**2 / 3.0, x.shape, positive=False)


@rule(layers.ShakeDrop)
def _shake_drop(layer, x):
    keep = random.keep_probability(random.plain(layer.current("rate")))
    low, high = layer.alpha_range
    mean = keep + (1.0 - keep) * (low + high) / 2.0
    square = keep + (1.0 - keep) * (low * low + low * high + high * high) / 3.0
    # The gate is one for each row.
    return multiplied(x, mean, square - mean**2, (1,) * x.rank, positive=False)


@rule(layers.ShakeShake)
def _shake_shake(layer, parts):
    first, second = (part.floats() for part in parts)
    mean = 0.5 * (first.mean + second.mean)
    if layer.is_silent:
        variance = 0.25 * (first.spread + second.spread)
    else:
        # The weight has the mean square 1/3 and the variance 1/12.
        gap = ops.square(first.mean - second.mean) / 12.0
        variance = gap + (first.spread + second.spread) / 3.0
    return _paths(parts, mean, variance)


@rule(layers.StochasticDepth)
def _stochastic_depth(layer, parts):
    shortcut, residual = (part.floats() for part in parts)
    keep = random.keep_probability(random.plain(layer.current("rate")))
    square = ops.square(residual.mean)
    variance = shortcut.spread + keep * residual.spread
    variance = variance + keep * (1.0 - keep) * square
    return _paths(parts, shortcut.mean + keep * residual.mean, variance)


def _paths(parts, mean, variance):
    """What is made of two paths by one draw for each row."""
    exact = independent_of_each_other(parts) and all(part.exact for part in parts)
    sources = joined_sources(parts) | source()
    return Moments(mean, variance, exact, sources=sources, mask=parts[0].mask)


@rule(layers.Masksembles)
def _masksembles(layer, x):
    masks = ops.cast(layer.masks, "float32")
    shape = [1] * x.rank
    shape[layer.axis] = -1
    mean = ops.reshape(ops.mean(masks, axis=0), shape)
    # A member has all of its mask: nothing is independent.
    y = multiplied(x, mean, mean * (1.0 - mean), (1,) * x.rank)
    return dataclasses.replace(y, factor=None)


@rule(layers.EmbeddingDropout)
def _embedding(layer, x):
    vectors = Moments(layer.infer(x.mean), mask=layer.compute_mask(x.mean))
    # A word that occurs twice is dropped twice.
    rank = vectors.rank
    y = dropped(vectors, layer.current("rate"), (1,) * rank)
    return dataclasses.replace(y, factor=None)


def require_certain(layer: keras.layers.Layer, x: Moments) -> None:
    """Refuses inputs with noise."""
    if not x.is_certain:
        why = "its noise depends on inputs that have noise themselves"
        raise rules.unknown(layer, why)
