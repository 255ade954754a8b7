"""Standout, targeted and information dropout, by the numbers of their papers."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers, random
from tests.bounds import near
from tests.gradients import weight_gradients

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.cast(ops.stop_gradient(x), "float32"))


def dense(kernel, bias=None, **kwargs):
    layer = K.Dense(np.shape(kernel)[1], use_bias=bias is not None, **kwargs)
    layer.build((None, np.shape(kernel)[0]))
    layer.set_weights([np.array(w) for w in (kernel, bias) if w is not None])
    return layer


def uniforms(monkeypatch, values):
    """Has masks keep where these uniforms are at least the rate."""
    values = np.array(values, "float32")
    monkeypatch.setattr(
        random,
        "keep_mask",
        lambda shape, rate, key, **_: ops.convert_to_tensor(values) >= rate,
    )


def test_standout_is_the_known_one(monkeypatch):
    within = dense([[0.5, -1], [0.25, 0.75]], [0.1, 0.2], activation="relu")
    layer = layers.Standout(within, alpha=2.0, beta=-0.5)
    x = np.array([[2.0, 1.0]], "float32")
    # The sheet keeps where u < q, this package where 1 - u >= 1 - q.
    uniforms(monkeypatch, [[1 - 0.3, 1 - 0.9]])

    assert np.array_equal(array(layer(x, training=True)), array(within(x)) * [[1, 0]])
    np.testing.assert_allclose(array(layer(x, training=True)), [[1.35, 0]], rtol=2e-5)
    np.testing.assert_allclose(array(layer(x)), [[1.2153368397, 0]], rtol=2e-5)


def test_the_masks_of_standout_and_targeted_dropout_have_no_gradient(monkeypatch):
    """What is kept passes gradients, and how it came to be kept does not."""
    x = np.array([[2.0, 1.0, -1.0, 0.5]], "float32")
    uniforms(monkeypatch, [[1.0, 0.0, 1.0]])
    within = dense(W)

    def total(layer):
        return ops.sum(layer(x, training=True))

    standout = layers.Standout(within)
    (found,) = weight_gradients(lambda: total(standout), [within.kernel])
    np.testing.assert_allclose(found, x.T * [[1, 0, 1]], rtol=1e-6)

    uniforms(monkeypatch, np.zeros((4, 3)))
    targeted = layers.TargetedDropout(within, rate=0.5, target=0.5)
    (found,) = weight_gradients(lambda: total(targeted), [within.kernel])
    kept = [[0, 1, 1], [1, 0, 0], [1, 0, 1], [0, 1, 0]]
    np.testing.assert_allclose(found, x.T * kept, rtol=1e-6)


def test_standout_keeps_each_unit_with_its_own_probability():
    conv = K.Conv1D(3, 2, bias_initializer="ones")
    layer = layers.Standout(conv, alpha=0.5, beta=0.25, seed=0)
    x = np.random.default_rng(0).normal(size=(1, 5, 4)).astype("float32")
    x = np.repeat(x, 4000, axis=0)

    y = array(layer(x, training=True))

    own = array(conv(x[:1]))[0]
    q = 1 / (1 + np.exp(-(0.5 * own + 0.25)))
    assert near(y != 0, q, q * (1 - q))
    np.testing.assert_allclose(array(layer(x[:1]))[0], q * own, rtol=1e-4, atol=1e-6)
    layer.alpha, layer.beta = 0.0, 100.0
    np.testing.assert_allclose(array(layer(x[:1], training=True))[0], own, rtol=1e-5)


W = [[0.1, -0.9, 0.3], [-0.5, 0.2, 0.05], [0.7, -0.4, -0.6], [0.2, 0.8, -0.15]]


def test_targeted_weights_are_the_known_ones(monkeypatch):
    layer = layers.TargetedDropout(dense(W), rate=0.5, target=0.5)
    eye = np.eye(4, dtype="float32")
    uniforms(
        monkeypatch,
        [[0.1, 0.9, 0.2], [0.8, 0.3, 0.6], [0.4, 0.7, 0.45], [0.55, 0.05, 0.95]],
    )

    trained = [[0, -0.9, 0.3], [-0.5, 0, 0.05], [0.7, -0.4, -0.6], [0.2, 0.8, -0.15]]
    np.testing.assert_allclose(array(layer(eye, training=True)), trained, rtol=2e-6)
    pruned = [[0, -0.9, 0.3], [-0.5, 0, 0], [0.7, 0, -0.6], [0, 0.8, 0]]
    np.testing.assert_allclose(array(layer(eye)), pruned, rtol=2e-6)


def test_targeted_units_are_dropped_whole():
    layer = layers.TargetedDropout(dense(W), target=0.5, mode="unit", seed=0)
    eye = np.eye(4, dtype="float32")

    draws = np.stack([array(layer(eye, training=True)) for _ in range(60)])

    pruned = np.array(W) * [1, 1, 0]
    np.testing.assert_allclose(array(layer(eye)), pruned, rtol=2e-6)
    columns = (draws != 0).all(axis=1), (draws == 0).all(axis=1)
    assert (columns[0] | columns[1]).all()
    assert columns[0][:, :2].all()
    assert near(columns[1][:, 2], 0.5, 0.25)


@pytest.mark.parametrize("mode", ["weight", "unit"])
def test_equal_weights_are_dropped_to_the_share_that_was_asked_for(mode):
    layer = layers.TargetedDropout(dense(np.ones((10, 10))), mode=mode)
    eye = np.eye(10, dtype="float32")

    for tenths in range(11):
        layer.target = tenths / 10
        assert np.sum(array(layer(eye)) == 0) == 10 * tenths


def test_the_smallest_are_those_of_a_stable_sort():
    """Among many equal ones, zeros, and numbers next to each other."""
    rng = np.random.default_rng(0)
    kernel = np.round(rng.normal(size=(37, 6)), 1).astype("float32")
    kernel[:, 0] = 0.0
    kernel[:, 1] = np.nextafter(np.float32(1), np.float32(2)) - kernel[:, 1] * 2**-23
    kernel[3, 2], kernel[4, 2], kernel[5, 3] = -0.0, np.inf, 1e-42
    layer = layers.TargetedDropout(dense(kernel))
    ranks = np.argsort(np.argsort(np.abs(kernel), axis=0, kind="stable"), axis=0)

    for count in (0, 1, 18, 36, 37):
        layer.target = count / 37

        assert np.array_equal(array(layer._candidates()), ranks < count), count


def test_targets_grow_by_schedules():
    ramp = kd.schedules.Linear(0.0, 1.0, steps=2)
    layer = layers.TargetedDropout(dense(W), rate=ramp, target=ramp, seed=0)
    eye = np.eye(4, dtype="float32")
    assert layer.is_silent

    assert np.array_equal(array(layer(eye, training=True)), np.float32(W))
    layer(eye, training=True)
    assert np.array_equal(array(layer(eye, training=True)), np.zeros((4, 3)))


def information(alphas, **kwargs):
    """A layer of ones whose units have these alphas."""
    within = dense(np.zeros((2, len(alphas))), np.ones(len(alphas)))
    layer = layers.InformationDropout(within, **kwargs)
    layer.build((None, 2))
    share = np.clip(np.array(alphas) / layer.max_alpha, 0, 1 - 1e-7)
    logits = np.log(share) - np.log1p(-share)
    layer.noise_layer.set_weights([np.zeros((2, len(alphas))), logits])
    return layer


def test_information_and_its_noise_are_the_known_ones(monkeypatch, policy):
    layer = information([0.1, 0.35, 0.7], beta=0.5)
    monkeypatch.setattr(random, "normal", lambda shape, _: ops.ones(shape))
    x = np.ones((4, 2), "float32")

    y = array(layer(x, training=True))

    expected = [[1.0996588551, 1.3347579973, 1.576173383]] * 4
    rounding = {"float32": 2e-5, "mixed_float16": 2**-10, "mixed_bfloat16": 2**-7}
    np.testing.assert_allclose(y, expected, rtol=rounding[policy])
    (penalty,) = layer.losses
    known = 0.5 * (1.9459101491 + 0.6931471806)
    # The logits come from the second layer, in the compute dtype.
    assert float(array(penalty)) == pytest.approx(known, rel=rounding[policy])
    assert np.array_equal(array(layer(x)), array(layer.layer(x)))
    assert not layer.losses


def test_information_keeps_the_mean():
    layer = information([0.7], seed=0)

    y = array(layer(np.ones((20000, 2), "float32"), training=True))

    assert near(y, 1.0, np.exp(0.49) - 1)


def test_information_is_lost_where_it_is_of_no_use():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype("float32")
    layer = layers.InformationDropout(
        dense(np.eye(2), trainable=False), beta=0.05, seed=0
    )
    head = dense([[1.0], [0.0]], trainable=False)
    model = keras.Sequential([keras.Input((2,)), layer, head])
    model.compile(keras.optimizers.Adam(0.05), "mse")

    model.fit(x, x[:, :1], batch_size=100, epochs=25, verbose=0)

    alpha = 0.7 / (1 + np.exp(-array(layer.noise_layer(x))))
    assert alpha[:, 1].mean() > 0.6, "no output needs the second unit"
    assert alpha[:, 0].mean() < 0.4


@pytest.mark.parametrize(
    "build",
    [
        lambda: layers.Standout(K.Dense(2), alpha=float("inf")),
        lambda: layers.TargetedDropout(K.Dense(2), target=1.5),
        lambda: layers.TargetedDropout(K.Dense(2), mode="column"),
        lambda: layers.InformationDropout(K.Dense(2), beta=-1.0),
        lambda: layers.InformationDropout(K.Dense(2), max_alpha=0.0),
    ],
)
def test_arguments_out_of_range_are_refused(build):
    with pytest.raises(ValueError, match="Received"):
        build()


@pytest.mark.parametrize("name", ["Standout", "TargetedDropout", "InformationDropout"])
def test_a_layer_without_a_kernel_is_refused(name):
    for layer in (K.ReLU(), K.LSTM(2), None):
        with pytest.raises(TypeError, match="`layer`"):
            getattr(layers, name)(layer)
