"""Noise on regions of maps, and within the windows of pooling."""

import dataclasses

from keras import ops

from keras_dropout import layers, random
from keras_dropout._layers._base import shapes
from keras_dropout._layers.pooling.max_pooling import expected_maximum
from keras_dropout._layers.pooling.stochastic_pooling import expected_unit
from keras_dropout._layers.regions import _blocks
from keras_dropout.moments.noise import multiplied, require_certain, source
from keras_dropout.moments.rules import rule
from keras_dropout.moments.state import Moments, all_axes


@rule(layers.DropBlock1D, layers.DropBlock2D, layers.DropBlock3D)
def _drop_block(layer, x):
    axes = shapes.positions(x.rank, layer.data_format)
    sizes = [x.shape[axis] for axis in axes]
    rate = layer.current("rate")
    seed = _blocks.seed_rate(rate, sizes, layer.block_size)
    count = ops.ones((1,) * x.rank)
    for axis, size, block in zip(axes, sizes, layer.block_size, strict=True):
        places = _blocks.places(size, block)
        within = min(block, size)
        covers = [
            min(place, places - 1) - max(place - within + 1, 0) + 1
            for place in range(size)
        ]
        shape = [1] * x.rank
        shape[axis] = size
        covers = ops.convert_to_tensor(covers, "float32")
        count = count * ops.reshape(covers, shape)
    # A place is kept where none of the blocks that can cover it starts.
    keep = ops.power(1.0 - seed, count)
    scale = 1.0
    if layer.scale != "none":
        # The share that is kept differs from draw to draw; here it is the mean share.
        scale = 1.0 / ops.maximum(ops.mean(keep), 1e-7)
    y = multiplied(x, keep * scale, keep * (1.0 - keep) * scale**2, (1,) * x.rank)
    exact = y.exact and layer.scale == "none"
    return dataclasses.replace(y, factor=None, exact=exact)


@rule(layers.Cutout)
def _cutout(layer, x):
    x = x.floats()
    inside = ops.ones((1,) * x.rank)
    axes = shapes.positions(4, layer.data_format)
    for axis, length in zip(axes, layer.size, strict=True):
        size = x.shape[axis]
        starts = range(-(length // 2), size - length // 2)
        covers = [
            sum(start <= place < start + length for start in starts)
            for place in range(size)
        ]
        shape = [1] * x.rank
        shape[axis] = size
        share = ops.convert_to_tensor(covers, "float32") / size
        inside = inside * ops.reshape(share, shape)
    erased = 1.0 - ops.power(1.0 - inside, layer.num_holes)
    erased = erased * layer.current("probability")
    gap = ops.square(x.mean - layer.fill_value)
    return Moments(
        x.mean + erased * (layer.fill_value - x.mean),
        (1.0 - erased) * (x.spread + erased * gap),
        x.exact,
        sources=x.sources | source(),
    )


@rule(
    *(layers.MaxPoolingDropout1D, layers.MaxPoolingDropout2D),
    layers.MaxPoolingDropout3D,
)
def _max_pooling(layer, x):
    rate = random.plain(layer.current("rate"))
    return _window(layer, x, lambda units: expected_maximum(units, rate))


def _window(layer, x, expected):
    """Moments of one unit of each window, that of squares from `expected` of them."""
    require_certain(layer, x)
    units = layer.windows(ops.relu(x.floats().mean))
    first = expected(units)
    # Of what is left over the largest, squares are in the same order.
    variance = ops.maximum(expected(ops.square(units)) - ops.square(first), 0.0)
    apart = layer.pool_size == layer.strides
    y = Moments(first, variance, sources=source())
    return dataclasses.replace(y, independent=all_axes(y)) if apart else y


@rule(
    *(layers.StochasticPooling1D, layers.StochasticPooling2D),
    layers.StochasticPooling3D,
)
def _stochastic_pooling(layer, x):
    require_certain(layer, x)
    units = layer.windows(ops.relu(x.floats().mean))
    first = expected_unit(units)
    share = ops.divide_no_nan(units, ops.sum(units, axis=-1, keepdims=True))
    gaps = ops.square(units - ops.expand_dims(first, -1))
    y = Moments(first, ops.sum(share * gaps, axis=-1), sources=source())
    return dataclasses.replace(y, independent=all_axes(y))
