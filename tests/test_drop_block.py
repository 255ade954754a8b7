"""DropBlock against the enumeration of all places where a block may lie."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.regions import _blocks
from keras_dropout.random import context
from tests.bounds import near
from tests.test_contract import array

MAPS = [
    ((14, 14), (7, 7)),
    ((7, 7), (7, 7)),
    ((28, 12), (7, 7)),
    ((4, 4), (2, 2)),
    ((16, 16), (4, 4)),
    ((5, 5), (9, 9)),
    ((8, 6), (7, 2)),
    ((9, 9), (1, 1)),
]
LAYERS = {1: layers.DropBlock1D, 2: layers.DropBlock2D, 3: layers.DropBlock3D}


def cover(sizes, block):
    """A matrix that says which blocks (columns) cover which positions (rows)."""
    block = [min(k, size) for k, size in zip(block, sizes, strict=True)]
    starts = itertools.product(
        *(range(size - k + 1) for size, k in zip(sizes, block, strict=True))
    )
    columns = []
    for start in starts:
        covered = np.zeros(sizes)
        covered[tuple(slice(s, s + k) for s, k in zip(start, block, strict=True))] = 1
        columns.append(covered.ravel())
    return np.stack(columns, axis=1)


def seed_rate(rate, sizes, block):
    return float(_blocks.seed_rate(ops.array(rate, "float32"), sizes, block))


@pytest.mark.parametrize(("sizes", "block"), MAPS)
@pytest.mark.parametrize("rate", [1e-4, 0.1, 0.5, 0.999])
def test_seed_rate_drops_the_asked_share_of_every_map(sizes, block, rate):
    gamma = seed_rate(rate, sizes, block)

    covering = cover(sizes, block).sum(axis=1)
    dropped = np.mean(-np.expm1(covering * np.log1p(-gamma)))
    # Float32 holds the seed rate to 2^-24 of itself, 1 - rate to 2^-24.
    assert abs(dropped - rate) <= 1e-6 * rate + 4 * 2**-24


def test_seed_rate_for_a_cube_and_a_line():
    assert np.isclose(seed_rate(0.2, (9,), (9,)), 0.2, rtol=1e-6)
    covering = cover((5, 4, 6), (3, 2, 2)).sum(axis=1)
    gamma = seed_rate(0.3, (5, 4, 6), (3, 2, 2))
    assert np.isclose(np.mean(1 - (1 - gamma) ** covering), 0.3, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_seed_rate_at_the_ends(rate):
    assert seed_rate(rate, (14, 14), (7, 7)) == rate


@pytest.mark.parametrize(("sizes", "block"), MAPS)
def test_realised_rate_is_the_asked_one_and_follows_the_cover(sizes, block):
    """On average over the map; at each position by the blocks that reach it."""
    layer = layers.DropBlock2D(0.25, block, scale="none", seed=3)

    y = array(layer(np.ones((40, *sizes, 50), "float32"), training=True))

    matrix = cover(sizes, block)
    keep = 1 - seed_rate(0.25, sizes, layer.block_size)
    covering = matrix.sum(axis=1)
    alone = keep**covering
    dropped = np.moveaxis(y == 0, -1, 1).reshape(40 * 50, -1)
    assert near(dropped, 1 - alone, alone * (1 - alone))
    # The share dropped of one map varies as its positions do together.
    together = keep ** (covering[:, None] + covering - matrix @ matrix.T)
    assert near(dropped.mean(axis=1), 0.25, np.mean(together - alone[:, None] * alone))


def test_golden_line():
    """Length 5, block 3: one seed, in the middle of its three places."""
    seeds = ops.array([[[False], [True], [False]]])

    dropped = array(_blocks.drop(seeds, (1,), (5,), (3,)))[0, :, 0]

    assert dropped.tolist() == [False, True, True, True, False]
    keep = ~dropped
    x = np.arange(1, 6)
    assert (x * keep * keep.size / keep.sum()).tolist() == [2.5, 0, 0, 0, 12.5]


def test_golden_map():
    """4 x 4, block 2: seeds at (0, 0) and (2, 1)."""
    seeds = np.zeros((1, 3, 3, 1), bool)
    seeds[0, 0, 0] = seeds[0, 2, 1] = True

    dropped = array(_blocks.drop(ops.array(seeds), (1, 2), (4, 4), (2, 2)))[0, ..., 0]

    assert dropped.astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
    ]


@pytest.mark.parametrize("block", [1, 2, 3, 6, 9])
def test_a_seed_spreads_over_its_block(block):
    seeds = np.zeros((1, 12 - block + 1), bool)
    seeds[0, 2] = True

    dropped = array(_blocks.spread(ops.array(seeds), 1, block))[0]

    assert np.flatnonzero(dropped).tolist() == list(range(2, 2 + block))
    assert dropped.size == 12


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_what_is_dropped_is_a_union_of_whole_blocks(rank, data_format):
    sizes, block = (9, 7, 5)[:rank], (3, 2, 4)[:rank]
    layer = LAYERS[rank](0.3, block, data_format=data_format, seed=1)
    channels_first = data_format == "channels_first"
    shape = (4, 3, *sizes) if channels_first else (4, *sizes, 3)

    y = array(layer(np.ones(shape, "float32"), training=True))

    maps = y if channels_first else np.moveaxis(y, -1, 1)
    matrix = cover(sizes, block)
    dropped = (maps == 0).reshape(12, -1)
    assert 0 < dropped.mean() < 1
    whole = dropped @ matrix == matrix.sum(axis=0)
    assert np.array_equal(whole @ matrix.T > 0, dropped)
    assert len(np.unique(dropped, axis=0)) > 3


@pytest.mark.parametrize("rank", [1, 3])
def test_shared_channels_drop_the_same_regions(rank):
    layer = LAYERS[rank](0.3, 2, per="row", seed=1)

    y = array(layer(np.ones((8, *(6, 5, 4)[:rank], 5), "float32"), training=True))

    assert np.array_equal(y[..., :1].repeat(5, axis=-1), y)
    assert len(np.unique(y.reshape(8, -1), axis=0)) > 1


def test_batch_scale_keeps_the_mean_of_ones_on_every_call():
    layer = layers.DropBlock2D(0.2, 3, seed=1)

    means = [
        array(layer(np.ones((4, 8, 8, 3), "float32"), training=True)).mean(
            dtype="float64"
        )
        for _ in range(5)
    ]

    # One rounding each of the mean of the mask, of its inverse and of the product.
    assert np.all(np.abs(np.array(means) - 1) <= 3 * 2**-24)


def test_batch_scale_is_one_number_but_each_row_has_its_own_while_sampling():
    layer = layers.DropBlock2D(0.2, 3, seed=1)
    x = np.ones((16, 8, 8, 3), "float32")

    trained = array(layer(x, training=True))
    with context.sampling([layer]):
        sampled = array(layer(x))

    assert len(np.unique(trained)) == 2
    assert len(np.unique(sampled.max(axis=(1, 2, 3)))) > 1
    assert np.all(np.abs(sampled.mean(axis=(1, 2, 3), dtype="float64") - 1) < 1e-6)


def test_sample_scale_keeps_the_mean_of_ones_in_every_row():
    layer = layers.DropBlock2D(0.2, 3, scale="row", seed=1)

    y = array(layer(np.ones((16, 8, 8, 3), "float32"), training=True))

    means = y.mean(axis=(1, 2, 3), dtype="float64")
    assert np.all(np.abs(means - 1) <= 3 * 2**-24)
    assert len(np.unique(y.max(axis=(1, 2, 3)))) > 1


def test_no_scale_leaves_what_is_kept():
    layer = layers.DropBlock2D(0.2, 3, scale="none", seed=1)

    y = array(layer(np.ones((4, 8, 8, 3), "float32"), training=True))

    assert set(np.unique(y)) == {0.0, 1.0}


@pytest.mark.parametrize("scale", ["batch", "row", "none"])
def test_rate_one_drops_all(scale):
    layer = layers.DropBlock2D(1.0, 3, scale=scale)

    assert not array(layer(np.ones((2, 8, 8, 3), "float32"), training=True)).any()


def test_rate_zero_is_the_identity():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")

    assert np.array_equal(array(layers.DropBlock2D(0.0, 3)(x, training=True)), x)


def test_a_block_larger_than_the_map_drops_whole_maps():
    layer = layers.DropBlock2D(0.4, 20, scale="none", seed=1)

    y = array(layer(np.ones((100, 6, 5, 50), "float32"), training=True))

    assert np.all(y == y[:, :1, :1])
    assert near(y[:, 0, 0] == 0, 0.4, 0.24)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has open sizes"
)
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("sizes", "block"), [MAPS[2], MAPS[5]])
def test_open_sizes_give_the_rate_and_whole_blocks(sizes, block, jit):
    import tensorflow as tf

    layer = layers.DropBlock2D(0.25, block, scale="none", seed=3)
    call = tf.function(
        lambda x: layer(x, training=True),
        input_signature=[tf.TensorSpec((None, None, None, 64), "float32")],
        jit_compile=jit,
    )

    y = array(call(np.ones((32, *sizes, 64), "float32")))

    matrix = cover(sizes, block)
    dropped = np.moveaxis(y == 0, -1, 1).reshape(32 * 64, -1)
    whole = dropped @ matrix == matrix.sum(axis=0)
    assert np.array_equal(whole @ matrix.T > 0, dropped)
    gamma = seed_rate(0.25, sizes, layer.block_size)
    expected = 1 - (1 - gamma) ** matrix.sum(axis=1)
    assert near(dropped, expected, expected * (1 - expected))


def test_open_sizes_build():
    layer = layers.DropBlock2D(0.2, 3, seed=1)
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layer(inputs))

    y = array(model(np.ones((4, 5, 6, 3), "float32"), training=True))

    assert model.output_shape == (None, None, None, 3)
    assert y.shape == (4, 5, 6, 3)
    assert (y == 0).any()


@pytest.mark.newest
@pytest.mark.backend("torch")
def test_torch_compiles_it_as_one_graph():
    import torch

    layer = layers.DropBlock2D(0.3, 2, seed=1)
    x = torch.ones((4, 6, 6, 5))
    # Without code for the CPU, which takes long to make: what counts is the graph.
    compiled = torch.compile(
        lambda x: layer(x, training=True), backend="eager", fullgraph=True
    )

    first, second = compiled(x), compiled(x)

    assert not torch.equal(first, second)
    assert float(first.mean()) == pytest.approx(1.0, abs=1e-5)


def test_an_input_of_another_rank_is_refused():
    with pytest.raises(ValueError, match="DropBlock1D needs inputs of rank 3"):
        layers.DropBlock1D(0.1, 3)(np.ones((2, 4, 4, 3), "float32"))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"block_size": 0}, ValueError, "`block_size`.*at least 1.*block_size=0"),
        ({"block_size": 2.0}, TypeError, "`block_size`.*an integer.*block_size=2.0"),
        ({"block_size": (2, 3, 4)}, ValueError, "`block_size`.*a tuple of 2"),
        ({"block_size": 3, "scale": "sample"}, ValueError, "`scale`.*'batch', 'row'"),
        ({"block_size": 3, "per": "element"}, ValueError, "`per`"),
    ],
)
def test_bad_arguments_are_refused_when_built(options, error, match):
    with pytest.raises(error, match=match):
        layers.DropBlock2D(0.1, **options)
