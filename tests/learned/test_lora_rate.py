"""Rates of LoRA dropout that are learned by gradients."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from tests.test_contract import array
from tests.test_lora import CASES, EYE, built, dense, tuned

L = keras.layers


def logit(p):
    return np.log(p) - np.log1p(-p)


def learned(make, rate=0.2, **strengths):
    return kd.lora_dropout(make(), rate, learn=True, **strengths)


def entropy(p):
    return -p * np.log(p) - (1 - p) * np.log1p(-p)


# A layer, the matrices that masks of its inputs meet, and how many inputs it has.
PENALIZED = {
    "dense": ("a", 5),
    "query": ("a", 5),
    "kernel turned": ("b", 5),
    "outputs turned": ("b", 5),
    "embedding": ("a", 5),
    "causal": ("a", 5),
    "grouped": ("a", 5),
}


@pytest.mark.parametrize("case", PENALIZED)
def test_the_penalty_is_that_of_the_matrix_and_the_inputs_once(case):
    make, x, _ = CASES[case]
    layer = learned(make, 0.2, weight_regularizer=0.01, dropout_regularizer=0.1)
    for _ in range(2):
        layer(x, training=True)

    (loss,) = layer.losses

    which, count = PENALIZED[case]
    (matrix,) = (v for v in layer.weights if v.name.endswith(f"_{which}"))
    square = np.sum(array(matrix) ** 2)
    expected = 0.01 * square / 0.8 - 0.1 * count * entropy(0.2)
    np.testing.assert_allclose(array(loss), expected, rtol=2e-5)


def test_masks_are_relaxed_and_the_rate_has_a_gradient():
    """With noise that costs and no penalty the rate falls, and with it B stays."""
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    layer = tuned(model.layers[0])
    none = {"weight_regularizer": 0.0, "dropout_regularizer": 0.0}
    kd.lora_dropout(model, 0.3, learn=True, **none)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 5)).astype("float32")
    y = array(layer(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    clean, before = array(layer(x)), layer.rate

    model.fit(x, y, 64, epochs=3, verbose=0)

    assert [v.name for v in model.trainable_weights][-1] == "rate_logit"
    assert layer.rate < before - 0.01
    layer.trainable = False
    assert not layer.trainable_variables
    noisy = array(layer(x, training=True)) - array(layer(x))
    assert abs(noisy).max() > 0.1
    assert clean.shape == noisy.shape


def test_the_gradient_of_the_rate_is_that_of_the_last_step_alone():
    """On PyTorch a weight past Keras's tracking might add its gradients up."""
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    tuned(model.layers[0])
    # Only the entropy counts: its gradient by the logit is -p (1 - p) logit.
    strengths = {"weight_regularizer": 0.0, "dropout_regularizer": 1.0}
    kd.lora_dropout(model, 0.2, learn=True, **strengths)
    model.layers[0].lora_kernel_b.assign(np.zeros((2, 4)))
    model.layers[0].lora_kernel_b.trainable = False
    model.compile(keras.optimizers.SGD(0.01), "mse")
    expected = logit(0.2)

    for _ in range(4):
        model.train_on_batch(np.zeros((8, 5)), np.zeros((8, 4)))
        p = 1 / (1 + np.exp(-expected))
        expected -= 0.01 * 5 * p * (1 - p) * expected

    found = array(model.layers[0].source("rate").weight)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_files_and_copies_keep_the_learned_rate(tmp_path):
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    layer = tuned(model.layers[0])
    kd.lora_dropout(model, 0.2, learn=True, weight_regularizer=0.5)
    layer.rate = 0.4
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")

    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].rate == pytest.approx(0.4)
    np.testing.assert_allclose(*(array(m.losses[0]) for m in (again, model)))
    a, b = (kd.mc_predict(m, EYE, samples=4, seed=1).std for m in (model, again))
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert a.min() > 0

    # Weights load where rates are not learned, and those of such a model here.
    plain = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    plain.layers[0].enable_lora(2, lora_alpha=3.0)
    kd.lora_dropout(plain, 0.1)
    plain.load_weights(tmp_path / "model.weights.h5")
    a = array(plain.layers[0].lora_kernel_a)
    assert np.array_equal(a, array(layer.lora_kernel_a))
    assert plain.layers[0].rate == 0.1
    plain.save_weights(tmp_path / "plain.weights.h5")
    model.load_weights(tmp_path / "plain.weights.h5")
    assert layer.rate == pytest.approx(0.4)


def test_stripped_layers_have_no_weight_of_a_rate():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    tuned(model.layers[0])
    kd.lora_dropout(model, 0.2, learn=True)

    bare = kd.strip_dropout(model)

    names = [v.name for v in bare.variables]
    assert not any("logit" in name for name in names)
    assert not bare.losses
    assert np.array_equal(array(bare(EYE)), array(model(EYE)))


def test_a_learned_rate_is_set_or_learned_no_more():
    layer = learned(dense)
    kd.lora_dropout(layer, 0.3, learn=True)
    assert layer.rate == pytest.approx(0.3)
    kd.lora_dropout(layer, 0.3, learn=True, weight_regularizer=1.0)
    assert layer.source("rate").strengths == (1.0, 1e-5)

    kd.lora_dropout(layer, 0.25)

    assert layer.rate == 0.25
    assert not any("logit" in v.name for v in layer.weights)


def test_channels_of_a_convolution_share_a_mask():
    layer = built(L.Conv1D(1, 1, use_bias=False), (None, 7, 5))
    kd.lora_dropout(layer, 0.5, learn=True)
    x = np.tile(EYE[:, None], (1, 7, 1))

    noise = array(layer(x, training=True)) - array(layer(x))

    assert abs(noise).max() > 0.1
    assert np.ptp(noise, axis=1).max() < 1e-5


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rate": 0.0}, "not at an end"),
        ({"rate": 1.0}, "not at an end"),
        ({"rate": kd.schedules.Linear(0.1, 0.2, steps=3)}, "rate"),
        ({"rate": 0.1, "mode": "weights"}, "mode='input' only"),
        ({"rate": 0.1, "weight_regularizer": -1.0}, "weight_regularizer"),
        ({"rate": 0.1, "learn": 1}, "learn"),
    ],
)
def test_refuses(options, match):
    layer = dense()
    with pytest.raises((TypeError, ValueError), match=match):
        kd.lora_dropout(layer, **{"learn": True, **options})
    assert not hasattr(layer, "rate")


def test_learn_rates_sends_them_here():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    tuned(model.layers[0])
    kd.lora_dropout(model, 0.2)

    with pytest.raises(ValueError, match="learn=True"):
        kd.learn_rates(model)


@pytest.mark.skipif(not hasattr(L, "ReversibleEmbedding"), reason="not in this Keras")
@pytest.mark.parametrize("cap", [None, 2.0])
def test_an_embedding_that_is_used_both_ways_has_noise_in_both(cap):
    layer = L.ReversibleEmbedding(5, 4, logit_soft_cap=cap, mask_zero=True)
    layer = built(layer, (None, 1))
    ids, x = np.arange(1, 5)[:, None], np.eye(4, dtype="float32")
    clean = [array(layer(ids)), array(layer(x, reverse=True))]
    kd.lora_dropout(layer, 1.0)
    bare = [array(layer(ids, training=True))]
    bare.append(array(layer(x, reverse=True, training=True)))
    kd.lora_dropout(layer, 0.5)

    assert np.array_equal(array(layer(ids)), clean[0])
    assert np.array_equal(array(layer(x, reverse=True)), clean[1])
    a, b = (array(v) for v in (layer.lora_embeddings_a, layer.lora_embeddings_b))
    np.testing.assert_allclose(clean[0] - bare[0], 1.5 * (a @ b)[1:, None], atol=1e-5)
    inverse = (lambda y: y) if cap is None else (lambda y: cap * np.arctanh(y / cap))
    whole = inverse(clean[1]) - inverse(bare[1])
    np.testing.assert_allclose(whole, 1.5 * (a @ b).T, atol=1e-4)
    noisy = inverse(array(layer(x, reverse=True, training=True))) - inverse(bare[1])
    factor = np.round(noisy / whole, 1)
    # A unit vector has one input, which is there for all words or for none.
    assert all(len(set(row.tolist())) == 1 for row in factor)
    assert set(factor.ravel().tolist()) <= {0.0, 2.0}
    y = layer(ids, training=True)
    assert getattr(y, "_keras_mask", None) is not None
