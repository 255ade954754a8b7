"""DropHead and DropKey: Keras's attention with noise inside."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.tokens import attention
from tests.bounds import near
from tests.test_contract import array

BOTH = [layers.DropHead, layers.DropKey]


def batch(rows=4, steps=5, features=6):
    return (
        np.random.default_rng(0).normal(size=(rows, steps, features)).astype("float32")
    )


def test_drop_head_golden():
    keep = ops.reshape(ops.array([True, False, True, True]), (1, 1, 4, 1))

    y = attention.drop_heads(keep, ops.ones((1, 2, 4, 3)))

    assert np.allclose(array(y)[0, 0, :, 0], [4 / 3, 0, 4 / 3, 4 / 3])


def test_drop_head_has_the_exact_mean_and_variance():
    """Of one head of four at rate 0.3, over all 16 masks."""
    masks = np.array(list(itertools.product([0, 1], repeat=4)))
    chance = (0.7**masks * 0.3 ** (1 - masks)).prod(axis=1)
    scaled = masks[:, 0] * 4 / np.maximum(masks.sum(axis=1), 1)
    mean = chance @ scaled
    variance = chance @ scaled**2 - mean**2
    assert np.isclose(mean, 1 - 0.3**4)
    assert np.isclose(variance, 0.63664, atol=1e-5)
    layer = layers.DropHead(4, 2, rate=0.3, seed=1)

    keep, _ = layer.keep_mask(ops.ones((20000, 1, 4, 2)))
    y = array(attention.drop_heads(keep, ops.ones((20000, 1, 4, 2))))

    assert keep.shape == (20000, 1, 4, 1)
    assert near(y[:, 0, 0, 0], mean, variance)


def test_drop_head_at_rate_one_gives_the_bias_alone():
    layer = layers.DropHead(2, 3, rate=1.0, bias_initializer="ones")
    x = batch()

    assert np.all(array(layer(x, x, training=True)) == 1)


def test_drop_head_drops_heads_for_all_queries_of_a_row():
    """With the identity after the heads, each output belongs to one head."""
    layer = layers.DropHead(3, 2, rate=0.5, use_bias=False, seed=1)
    x = batch(rows=40)
    layer.build(x.shape, x.shape)
    layer.output_dense.kernel.assign(np.eye(6).reshape(3, 2, 6))

    heads = array(layer(x, x, training=True)).reshape(40, 5, 3, 2)
    plain = array(layer(x, x)).reshape(40, 5, 3, 2)

    kept = (heads != 0).all(axis=(1, 3))
    assert np.array_equal(kept, (heads != 0).any(axis=(1, 3)))
    assert len(np.unique(kept, axis=0)) == 8
    scale = 3 / np.maximum(kept.sum(axis=1), 1)[:, None] * kept
    assert np.allclose(heads, plain * scale[:, None, :, None], rtol=1e-5, atol=1e-6)


def test_drop_key_golden():
    keep = ops.array([[[[True, False, True, True]]]])

    kept = attention.drop_keys(keep)
    weights = keras.layers.Softmax()(ops.zeros((1, 1, 1, 4)), mask=kept)

    assert np.allclose(array(weights).ravel(), [1 / 3, 0, 1 / 3, 1 / 3])


def test_drop_key_never_leaves_a_query_without_a_valid_key():
    keep = ops.array([[[[True, False, False], [False, False, False]]]])
    valid = ops.array([[[False, True, True], [True, True, False]]])

    kept = attention.drop_keys(keep, valid)

    assert array(kept)[0, 0].tolist() == [[False, True, True], [True, True, False]]
    assert array(attention.drop_keys(keep))[0, 0].all(axis=1).tolist() == [False, True]


def weights_of(layer, x, **options):
    _, weights = layer(x, x, return_attention_scores=True, training=True, **options)
    return array(weights)


def test_drop_key_hides_keys_at_the_rate_and_shares_out_the_rest():
    layer = layers.DropKey(4, 2, rate=0.4, seed=1)
    x = np.ones((200, 6, 8), "float32")

    weights = weights_of(layer, x)

    # Keys alike: each query spreads 1 over the keys that are left.
    left = (weights > 0).sum(axis=-1, keepdims=True)
    assert np.allclose(weights, (weights > 0) / left, rtol=1e-5)
    chance = [
        math.comb(6, k) * 0.6**k * 0.4 ** (6 - k) + (k == 6) * 0.4**6 for k in range(7)
    ]
    chance[0] = 0
    count = np.arange(7)
    mean = chance @ count
    assert near(left, mean, chance @ count**2 - mean**2)
    assert near(weights[..., 0], 1 / 6, 1.0)


def test_drop_key_draws_for_each_row_head_and_query():
    weights = weights_of(
        layers.DropKey(3, 2, rate=0.5, seed=1), np.ones((4, 20, 5), "float32")
    )

    # Of 240 masks of 20 bits 0.03 pairs are equal by chance; 2 once in 3000 times.
    assert len(np.unique(weights.reshape(-1, 20) > 0, axis=0)) > 4 * 3 * 20 - 3


def test_drop_key_sees_no_future_and_no_padding():
    layer = layers.DropKey(2, 2, rate=0.7, seed=1)
    mask = np.ones((50, 1, 6), bool)
    mask[:, :, 4] = False

    weights = weights_of(layer, batch(50, 6), use_causal_mask=True, attention_mask=mask)

    assert not weights[..., 4].any()
    assert not np.triu(weights, 1).any()
    assert np.allclose(weights.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_drop_key_is_finite_in_half_precision(dtype):
    layer = layers.DropKey(2, 2, rate=0.9, dtype=dtype, seed=1)

    y = layer(batch(), batch(), training=True)

    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert np.isfinite(array(y)).all()


def test_drop_key_refuses_inputs_with_more_axes():
    x = np.ones((2, 3, 4, 5), "float32")

    with pytest.raises(ValueError, match=r"DropKey needs .* of shape"):
        layers.DropKey(2, 2)(x, x)


@pytest.mark.keras
@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("options", [{}, {"use_causal_mask": True}])
def test_at_inference_it_is_keras_attention(cls, options):
    layer, plain = cls(2, 3, rate=0.5), keras.layers.MultiHeadAttention(2, 3)
    x = batch()
    layer(x, x), plain(x, x)
    plain.set_weights(layer.get_weights())

    assert np.array_equal(array(layer(x, x, **options)), array(plain(x, x, **options)))
    assert not np.array_equal(
        array(layer(x, x, training=True, **options)), array(plain(x, x, **options))
    )


@pytest.mark.parametrize("cls", BOTH)
def test_monte_carlo_is_noisy_and_a_mask_passes(cls):
    layer = cls(2, 3, rate=0.5, monte_carlo=True, seed=1)
    embedded = keras.layers.Embedding(9, 6, mask_zero=True)
    x = embedded(np.array([[1, 2, 3, 0]] * 8))

    first, second = layer(x, x), layer(x, x)

    assert not np.array_equal(array(first), array(second))
    mask = array(keras.src.backend.get_keras_mask(first))
    assert mask.tolist() == [[True, True, True, False]] * 8


@pytest.mark.keras
@pytest.mark.parametrize("cls", BOTH)
def test_attention_config_round_trip(cls):
    layer = cls(2, 3, rate=0.3, dropout=0.1, value_dim=4, use_bias=False, seed=2)

    again = cls.from_config(layer.get_config())

    assert again.get_config() == layer.get_config()
    assert (again.num_heads, again.rate, again.dropout, again.seed) == (2, 0.3, 0.1, 2)


@pytest.mark.keras
@pytest.mark.parametrize("cls", BOTH)
def test_rate_of_attention_is_live_in_fit(cls, tmp_path):
    inputs = keras.Input((5, 6))
    layer = cls(2, 3, rate=0.0, seed=1)
    model = keras.Model(inputs, layer(inputs, inputs))
    model.compile("sgd", "mse")
    x = batch()
    model.fit(x, x, verbose=0)
    assert np.array_equal(
        array(model(x, training=True)), array(model(x, training=True))
    )

    layer.rate = 0.6
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.layers[-1].rate == 0.6
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert np.array_equal(
        array(model(x, training=True)), array(loaded(x, training=True))
    )
