"""Max-pooling dropout and stochastic pooling, by hand and by enumeration."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.pooling import max_pooling, stochastic_pooling
from keras_dropout._layers.pooling._windows import windows
from tests.bounds import near
from tests.test_contract import array

KINDS = ["MaxPoolingDropout", "StochasticPooling"]


def pooling(kind, rank, **options):
    return getattr(layers, f"{kind}{rank}D")(**options)


def positive(*shape):
    return np.random.default_rng(0).uniform(0.5, 1.5, shape).astype("float32")


def test_expected_maximum_golden():
    units = ops.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])

    assert array(max_pooling.expected_maximum(units, 0.5)).tolist() == [2.125, 2.125]


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_expected_maximum_is_that_of_all_masks(rate):
    units = np.array([0.5, 2.0, 1.0, 4.0], "float32")
    masks = np.array(list(itertools.product([0, 1], repeat=4)))
    chance = ((1 - rate) ** masks * rate ** (1 - masks)).prod(axis=1)

    expected = chance @ (masks * units).max(axis=1)

    got = array(max_pooling.expected_maximum(ops.array(units[None]), rate))[0]
    assert np.isclose(got, expected, rtol=1e-6)


def test_max_pooling_dropout_in_training_has_the_mean_of_inference():
    layer = layers.MaxPoolingDropout1D(0.5, pool_size=3, seed=1)
    x = np.tile(np.array([3.0, 1.0, 2.0], "float32")[:, None], (8000, 1, 1))

    y = array(layer(x, training=True))

    assert set(np.unique(y)) == {0.0, 1.0, 2.0, 3.0}
    # 3, 2, 1, 0 with chances 1/2, 1/4, 1/8, 1/8.
    assert near(y, 2.125, 9 / 2 + 4 / 4 + 1 / 8 - 2.125**2)
    assert np.all(array(layer(x)) == 2.125)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_max_pooling_dropout_at_the_ends(rate):
    layer, plain = layers.MaxPoolingDropout2D(rate), keras.layers.MaxPooling2D()
    x = positive(2, 6, 4, 3)

    expected = (1 - rate) * array(plain(x))

    assert np.array_equal(array(layer(x, training=True)), expected)
    assert np.array_equal(array(layer(x)), expected)


def test_stochastic_pooling_golden():
    units = ops.array([[1.0, 3.0, 0.0], [1.0, 2.0, 1.0], [0.0, 0.0, 0.0]])

    assert array(stochastic_pooling.expected_unit(units)).tolist() == [2.5, 1.5, 0]


@pytest.mark.parametrize(
    ("uniform", "unit"), [(0.0, 1.0), (0.249, 1.0), (0.25, 3.0), (1 - 2**-24, 3.0)]
)
def test_stochastic_pooling_draws_by_the_running_sum(uniform, unit):
    units = ops.array([[0.0, 1.0, 0.0, 3.0, 0.0]])

    drawn = stochastic_pooling.drawn_unit(units, ops.array([uniform], "float32"))

    assert array(drawn).tolist() == [unit]


def test_stochastic_pooling_draws_nothing_from_an_empty_window():
    units = ops.zeros((2, 4))

    drawn = stochastic_pooling.drawn_unit(units, ops.array([0.0, 0.9]))

    assert array(drawn).tolist() == [0, 0]


def test_stochastic_pooling_in_training_has_the_mean_and_variance():
    layer = layers.StochasticPooling1D(pool_size=2, seed=1)
    x = np.tile(np.array([1.0, 3.0], "float32")[:, None], (8000, 1, 1))

    y = array(layer(x, training=True))

    assert set(np.unique(y)) == {1.0, 3.0}
    assert near(y, 2.5, (1 + 27) / 4 - 2.5**2)
    assert np.all(array(layer(x)) == 2.5)


@pytest.mark.parametrize("kind", KINDS)
def test_units_below_zero_count_as_zero(kind):
    layer = pooling(kind, 1, pool_size=3, seed=1)
    x = -positive(8, 6, 2)

    assert not array(layer(x, training=True)).any()
    assert not array(layer(x)).any()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_windows_are_those_of_keras(rank, padding, data_format):
    sizes, pool, strides = (7, 8, 5)[:rank], (3, 2, 4)[:rank], (2, 3, 1)[:rank]
    shape = (2, 3, *sizes) if data_format == "channels_first" else (2, *sizes, 3)
    x = positive(*shape)
    axes = range(2, 2 + rank) if data_format == "channels_first" else range(1, 1 + rank)

    got = array(windows(ops.array(x), axes, pool, strides, padding)).max(axis=-1)

    expected = array(ops.max_pool(x, pool, strides, padding, data_format))
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_output_has_the_shape_of_keras_pooling(kind, rank, padding):
    layer = pooling(kind, rank, pool_size=3, strides=2, padding=padding, seed=1)
    x = positive(2, *(7, 8, 5)[:rank], 3)

    plain = getattr(keras.layers, f"MaxPooling{rank}D")(3, 2, padding)
    expected = tuple(plain(x).shape)

    for training in (True, False):
        y = array(layer(x, training=training))
        assert y.shape == expected
        assert np.all(y >= 0)
    assert layer.compute_output_shape(x.shape) == expected
    assert layer(keras.Input((*(None,) * rank, 3))).shape == (*(None,) * (rank + 1), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_of_steps_is_pooled(kind):
    layer = pooling(kind, 1, pool_size=2, seed=1)
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)

    y = layer(embedded(np.array([[1, 2, 3, 0, 0, 0, 7]])))

    mask = array(keras.src.backend.get_keras_mask(y))
    assert mask.tolist() == [[True, True, False]]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has open sizes"
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_open_sizes_pool(kind, padding):
    import tensorflow as tf

    layer = pooling(kind, 2, pool_size=3, strides=2, padding=padding, seed=1)
    for training in (True, False):
        call = tf.function(
            lambda x, training=training: layer(x, training=training),
            input_signature=[tf.TensorSpec((None, None, None, 3), "float32")],
        )
        x = positive(2, 7, 8, 3)
        y = call(x)
        assert tuple(y.shape) == layer.compute_output_shape(x.shape)
        if not training:
            assert np.allclose(array(y), array(layer(x)))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_pooling_arguments_are_refused(kind):
    with pytest.raises(ValueError, match=r"`pool_size`.*at least 1"):
        pooling(kind, 2, pool_size=0)
    with pytest.raises(ValueError, match=r"`strides`.*a tuple of 2"):
        pooling(kind, 2, strides=(1, 2, 3))
    with pytest.raises(ValueError, match=r"`padding`.*'valid', 'same'"):
        pooling(kind, 2, padding="full")
    with pytest.raises(ValueError, match=r"needs inputs of rank 4"):
        pooling(kind, 2)(positive(2, 4, 3))
    with pytest.raises(ValueError, match=r"needs inputs that its windows fit in"):
        pooling(kind, 1, pool_size=5)(keras.Input((4, 3)))
