"""Attention without noise takes the one operation that a backend has for it."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers
from keras_dropout._layers.tokens import _fused
from tests.test_contract import array

pytestmark = pytest.mark.keras


def multi_head(**options):
    return keras.layers.MultiHeadAttention(2, 3, seed=1, **options)


def grouped(**options):
    return keras.layers.GroupQueryAttention(3, 4, 2, seed=1, **options)


KINDS = {
    "DropHead": lambda **options: layers.DropHead(2, 3, 0.0, seed=1, **options),
    "DropKey": lambda **options: layers.DropKey(2, 3, 0.0, seed=1, **options),
    "set_rates": lambda **options: kd.set_rates(built(multi_head(**options)), 0.5),
    "replace_dropout": lambda **options: replaced(multi_head(**options)),
    "grouped": lambda **options: replaced(grouped(**options)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
MASK = np.tril(np.ones((4, 5, 5), bool), 1)
CALLS = [{}, {"use_causal_mask": True}, {"attention_mask": MASK}]


def batch():
    return np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


def built(layer):
    if not layer.built:
        layer.build((None, 5, 6), (None, 5, 6))
    return layer


def replaced(layer):
    return kd.replace_dropout(built(layer), in_place=True)


@pytest.fixture
def fused(monkeypatch):
    """Counts how often our code asks for the one operation."""
    calls, own = [], ops.dot_product_attention

    def counted(*args, **kwargs):
        calls.append(kwargs)
        return own(*args, **kwargs)

    monkeypatch.setattr(ops, "dot_product_attention", counted)
    # On JAX as on a GPU.
    monkeypatch.setattr(_fused, "_is_slow", lambda: False)
    return calls


@every_kind
@pytest.mark.parametrize("options", CALLS, ids=["plain", "causal", "masked"])
def test_without_noise_it_is_what_keras_gives_at_rate_0(kind, options, fused):
    layer = built(KINDS[kind](dropout=0.5))
    plain = built(grouped() if kind == "grouped" else multi_head())
    plain.set_weights(layer.get_weights()[: len(plain.weights)])
    x = batch()

    for told in ({}, {"training": False}):
        found, wanted = array(layer(x, x, **options, **told)), plain(x, x, **options)
        # Keras hands an operation the mask that it was not told by a flag.
        np.testing.assert_allclose(found, array(wanted), rtol=1e-5, atol=1e-6)
    assert len(fused) == 2
    noisy = array(layer(x, x, training=True, **options))
    assert len(fused) == 2
    assert not np.allclose(noisy, found)
    assert not np.array_equal(noisy, array(layer(x, x, training=True, **options)))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX has none on a CPU")
def test_on_jax_a_cpu_takes_several_operations_which_is_faster(monkeypatch):
    layer, x = built(KINDS["set_rates"](dropout=0.5)), batch()
    monkeypatch.setattr(ops, "dot_product_attention", None)

    assert array(layer(x, x)).shape == x.shape


@every_kind
def test_the_weights_of_attention_are_given_where_they_are_asked_for(kind, fused):
    layer, x = built(KINDS[kind](dropout=0.5)), batch()

    outputs, weights = layer(x, x, return_attention_scores=True)

    assert not fused
    np.testing.assert_allclose(array(weights).sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(array(outputs), array(layer(x, x)), rtol=1e-5, atol=1e-6)


@every_kind
def test_samples_have_the_noise_within(kind, fused):
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, built(KINDS[kind](dropout=0.5))(inputs, inputs))

    assert (kd.mc_predict(model, batch(), samples=4, verbose=0).std > 0).all()


def test_monte_carlo_noise_within_attention_is_kept(fused):
    layer = built(multi_head(dropout=0.5))
    kd.replace_dropout(layer, lambda old: layers.MCDropout(old.rate), in_place=True)
    x = batch()

    assert not np.array_equal(array(layer(x, x)), array(layer(x, x)))
    assert not fused


def test_a_model_is_trained_saved_and_loaded(fused, tmp_path):
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, multi_head(dropout=0.0, name="a")(inputs, inputs))
    kd.set_rates(model, {"a": 0.4})
    model.compile("sgd", "mse")
    x = batch()
    model.fit(x, x, epochs=1, verbose=0)
    before = len(fused)
    found = model.predict(x, verbose=0)
    assert len(fused) > before

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.get_layer("a").get_config()["dropout"] == 0.4
    # Which has Keras's dropout again, and the slow way, which rounds otherwise.
    again = loaded.predict(x, verbose=0)
    np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-6)


def test_dropouts_of_keras_put_back_are_silent_and_noisy_alike(fused):
    inputs = keras.Input((5, 6))
    layer, x = KINDS["set_rates"](dropout=0.5), batch()
    model = keras.Model(inputs, layer(inputs, inputs))
    found = array(layer(x, x))
    kd.replace_dropout(layer, "keras", in_place=True)

    np.testing.assert_allclose(array(layer(x, x)), found, rtol=1e-5, atol=1e-6)
    assert len(fused) >= 2
    assert not np.allclose(array(layer(x, x, training=True)), found)
    assert (kd.mc_predict(model, x, samples=4, verbose=0).std > 0).all()


# Keras 3.10 itself has what PyTorch cannot trace.
@pytest.mark.newest
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="compiles with PyTorch")
def test_it_is_compiled_whole(fused):
    import torch

    layer, x = KINDS["set_rates"](dropout=0.5), ops.convert_to_tensor(batch())
    found = array(layer(x, x, training=False))

    @torch.compile(fullgraph=True, backend="aot_eager")
    def call(x):
        return layer(x, x, training=False)

    np.testing.assert_allclose(array(call(x)), found, rtol=1e-5, atol=1e-6)


@pytest.mark.everywhere
def test_a_factor_at_inference_is_kept(fused):
    """Dropout may scale at inference instead of in training."""
    layer, x = built(multi_head(dropout=0.5)), batch()
    whole = array(layer(x, x)) - array(ops.convert_to_tensor(layer.output_dense.bias))
    scaled = layers.Dropout(0.75, scaling="inference")
    kd.replace_dropout(layer, lambda old: scaled, in_place=True)

    np.testing.assert_allclose(array(layer(x, x)), whole / 4, rtol=1e-4, atol=1e-6)
