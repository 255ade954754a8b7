"""TokenDropout, PatchDropout and EmbeddingDropout: what happens to which token."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.tokens import embedding, patches, token_dropout
from tests.bounds import near
from tests.test_contract import array

BACKEND = keras.backend.backend()
IDS = np.array([[5, 6, 7, 0]])


def mask_of(x):
    return array(keras.src.backend.get_keras_mask(x))


def test_token_dropout_golden():
    keep = ops.array([[False, True, True, False]])

    y = token_dropout.replace_tokens(ops.array(IDS), keep, 1, (0,))

    assert array(y).tolist() == [[1, 6, 7, 0]]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_token_dropout_replaces_at_the_rate_and_keeps_the_dtype(dtype):
    layer = layers.TokenDropout(0.3, token_id=1, protected_ids=(0, 2), seed=1)
    ids = np.tile(np.array([0, 2, 3, 4], dtype), (2000, 1))

    y = layer(ids, training=True)

    # JAX has no int64 by default.
    expected = "int32" if (BACKEND, dtype) == ("jax", "int64") else dtype
    assert keras.backend.standardize_dtype(y.dtype) == expected
    y = array(y)
    assert np.array_equal(y[:, :2], ids[:, :2])
    assert np.isin(y[:, 2:], [1, 3, 4]).all()
    assert near(y[:, 2:] == 1, 0.3, 0.21)
    assert np.array_equal(array(layer(ids)), ids)


def test_token_dropout_takes_one_protected_id_or_none():
    assert layers.TokenDropout(protected_ids=3).protected_ids == (3,)
    none = layers.TokenDropout(1.0, token_id=9, protected_ids=())

    assert array(none(IDS, training=True)).tolist() == [[9, 9, 9, 9]]


def test_token_dropout_refuses_floats():
    with pytest.raises(ValueError, match=r"takes token ids.*dtype=float32"):
        layers.TokenDropout()(np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"takes token ids.*dtype=float32"):
        layers.TokenDropout()(keras.Input((3,)))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"token_id": -1}, ValueError, "`token_id`.*at least 0"),
        ({"token_id": 1.0}, TypeError, "`token_id`.*an integer"),
        ({"protected_ids": (0, "1")}, TypeError, "`protected_ids`.*an integer"),
    ],
)
def test_token_dropout_refuses_bad_ids(options, error, match):
    with pytest.raises(error, match=match):
        layers.TokenDropout(**options)


def test_patch_dropout_golden():
    noise = ops.array([[0.3, 0.1, 0.9, 0.5]])

    assert array(patches.kept_places(noise, 2, False)).tolist() == [[1, 0]]
    assert array(patches.kept_places(noise, 2, True)).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("length", "rate", "count"),
    [
        (10, 0.9, 1),
        (100, 0.9, 10),
        (50, 0.8, 10),
        (4, 0.9, 1),
        (7, 0.0, 7),
        (7, 0.5, 3),
    ],
)
def test_patch_dropout_counts_as_exact_arithmetic_does(length, rate, count):
    layer = layers.PatchDropout(rate, num_prefix_tokens=2)

    y = layer(np.ones((3, 2 + length, 1), "float32"), training=True)

    assert y.shape == (3, 2 + count, 1)
    open_length = ops.convert_to_tensor(length, "int32")
    assert int(patches.kept_count(open_length, rate)) == count


@pytest.mark.parametrize("ordered", [False, True])
def test_patch_dropout_keeps_the_prefix_and_other_tokens_once(ordered):
    layer = layers.PatchDropout(
        0.4, num_prefix_tokens=1, ordered=ordered, return_indices=True, seed=1
    )
    x = np.tile(np.arange(11, dtype="float32")[:, None], (2000, 1, 1))

    y, indices = layer(x, training=True)

    y, indices = array(y)[..., 0], array(indices)
    assert y.shape == (2000, 7)
    assert indices.dtype == np.int32
    assert np.array_equal(y[:, 1:], indices + 1)
    assert np.all(y[:, 0] == 0)
    places = np.sort(indices, axis=1)
    assert np.all(np.diff(places) > 0)
    assert np.array_equal(indices, places) == ordered
    # Each token stays with probability 6 / 10.
    stays = (indices[..., None] == np.arange(10)).any(axis=1)
    assert near(stays, np.full(10, 0.6), 0.24)


def test_patch_dropout_at_inference_keeps_all_tokens():
    layer = layers.PatchDropout(0.5, return_indices=True)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")

    y, indices = layer(x)

    assert np.array_equal(array(y), x)
    assert array(indices).tolist() == [[0, 1, 2, 3]] * 2


def test_patch_dropout_thins_the_mask_with_its_tokens():
    layer = layers.PatchDropout(0.5, num_prefix_tokens=1, seed=1)
    embedded = keras.layers.Embedding(20, 1, mask_zero=True)
    embedded.build()
    embedded.set_weights([np.arange(20, dtype="float32")[:, None]])
    ids = np.tile(np.array([1, 2, 3, 4, 5, 0, 0, 0, 0]), (64, 1))

    y = layer(embedded(ids), training=True)
    still = layer(embedded(ids), training=False)

    assert y.shape == (64, 5, 1)
    assert np.array_equal(mask_of(y), array(y)[..., 0] != 0)
    assert 0 < mask_of(y)[:, 1:].mean() < 1
    assert np.array_equal(mask_of(still), ids != 0)


def test_patch_dropout_stands_in_a_model_with_a_mask():
    ids = keras.Input((9,), dtype="int32")
    x = keras.layers.Embedding(20, 4, mask_zero=True)(ids)
    x = layers.PatchDropout(0.5, seed=1)(x)
    assert x.shape == (None, None, 4)
    x = keras.layers.MultiHeadAttention(2, 2)(x, x)
    model = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(x))
    model.compile("sgd", "mse")

    model.fit(np.ones((8, 9), "int32"), np.zeros((8, 4)), verbose=0)

    assert np.isfinite(model.predict(np.ones((8, 9), "int32"), verbose=0)).all()


def test_patch_dropout_averages_only_what_the_mask_leaves_in_a_model(tmp_path):
    """Also in a reloaded model: the layers after it see the thinned mask."""
    ids = keras.Input((9,), dtype="int32")
    x = keras.layers.Embedding(9, 1, mask_zero=True, embeddings_initializer="ones")(ids)
    x = layers.PatchDropout(0.5, seed=1)(x)
    model = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(x))
    model.layers[1].set_weights([np.array([[-50.0]] + [[1.0]] * 8)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batch = np.tile(np.array([1, 2, 3, 4, 5, 0, 0, 0, 0]), (64, 1))

    for each in (model, loaded):
        for training in (True, False):
            assert np.all(array(each(batch, training=training)) == 1)


def test_patch_dropout_refuses_a_rate_of_one_and_a_changed_rate():
    with pytest.raises(ValueError, match=r"`rate`.*some token must stay"):
        layers.PatchDropout(1.0)
    with pytest.raises(AttributeError):
        layers.PatchDropout(0.5).rate = 0.6


def built(**options):
    layer = layers.EmbeddingDropout(3, 2, **options)
    layer.build()
    layer.set_weights([np.array([[1, 2], [3, 4], [5, 6]], "float32")])
    return layer


def test_embedding_dropout_golden():
    ids = ops.array([[0, 1, 0, 2]])
    keep = ops.array([[True, False, True]])

    kept = embedding.words_kept(keep, ids)
    by_row = embedding.words_kept(
        ops.array([[True, False, True], [False, True, True]]),
        ops.array([[0, 1, 0, 2], [0, 1, 2, 2]]),
    )

    assert array(kept).tolist() == [[True, False, True, True]]
    assert array(by_row).astype(int).tolist() == [[1, 0, 1, 1], [0, 1, 1, 1]]


@pytest.mark.parametrize("per", ["batch", "row"])
def test_embedding_dropout_drops_a_word_wherever_it_occurs(per):
    layer = layers.EmbeddingDropout(
        500, 3, rate=0.4, per=per, embeddings_initializer="ones", seed=1
    )
    words = np.arange(500)

    y = array(layer(np.tile(words, (8, 2)), training=True))

    kept = 1 - np.float32(0.4)
    assert set(np.unique(y)) == {0.0, np.float32(1 / kept)}
    assert np.array_equal(y[:, :500], y[:, 500:])
    assert np.all(y == y[..., :1])
    rows = y[:, :500, 0] != 0
    assert (len(np.unique(rows, axis=0)) == 1) == (per == "batch")
    assert near(rows[:1] if per == "batch" else rows, kept, kept * (1 - kept))


def test_embedding_dropout_at_inference_is_the_embedding():
    layer, plain = built(rate=0.5), keras.layers.Embedding(3, 2)
    plain.build()
    plain.set_weights(layer.get_weights())
    ids = np.array([[0, 1, 2]])

    assert np.array_equal(array(layer(ids)), array(plain(ids)))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_embedding_dropout_at_the_ends(rate):
    layer = built(rate=rate)
    ids = np.array([[0, 1, 2]])

    y = array(layer(ids, training=True))

    assert np.array_equal(y, (1 - rate) * array(layer(ids)))


def test_embedding_dropout_passes_the_mask_of_zeros():
    ids = np.array([[1, 2, 0]])

    masked = built(rate=0.5, mask_zero=True)(ids, training=True)

    assert mask_of(masked).tolist() == [[True, True, False]]
    assert keras.src.backend.get_keras_mask(built(rate=0.5)(ids)) is None


def test_embedding_dropout_config_round_trip():
    layer = layers.EmbeddingDropout(
        7,
        3,
        rate=0.3,
        per="row",
        mask_zero=True,
        embeddings_regularizer="l2",
        seed=2,
    )

    again = layers.EmbeddingDropout.from_config(layer.get_config())

    assert again.get_config() == layer.get_config()
    assert (again.input_dim, again.rate, again.per, again.seed) == (7, 0.3, "row", 2)
