"""Shake-Shake, ShakeDrop and UOut: the noise forward, and another backward."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.paths import shake
from tests.bounds import near
from tests.test_contract import array

BACKEND = keras.backend.backend()


def gradients(function, *inputs):
    """The gradients of the sum of `function` of NumPy arrays."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        inputs = [tf.constant(x) for x in inputs]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = ops.sum(function(*inputs))
        return [array(g) for g in tape.gradient(total, inputs)]
    if BACKEND == "torch":
        import torch

        inputs = [torch.tensor(x, requires_grad=True) for x in inputs]
        ops.sum(function(*inputs)).backward()
        return [array(x.grad) for x in inputs]
    import jax

    def total(*inputs):
        with keras.StatelessScope():
            return ops.sum(function(*inputs))

    each = tuple(range(len(inputs)))
    return [array(g) for g in jax.grad(total, argnums=each)(*inputs)]


def filled(value, shape=(1, 1)):
    return np.full(shape, value, "float32")


def test_shake_shake_golden():
    x1, x2 = filled(2), filled(4)

    y = shake.shake_shake(ops.array(x1), ops.array(x2), 0.3, 0.8)
    g1, g2 = gradients(lambda a, b: shake.shake_shake(a, b, 0.3, 0.8), x1, x2)

    assert np.isclose(array(y), 3.4, rtol=1e-6)
    assert np.isclose(g1, 0.8, rtol=1e-6)
    assert np.isclose(g2, 0.2, rtol=1e-6)


def test_shake_shake_has_the_mean_of_inference_and_the_exact_variance():
    layer = layers.ShakeShake(seed=1)
    pair = [filled(2, (4000, 2)), filled(4, (4000, 2))]

    y = array(layer(pair, training=True))

    assert np.all(y[:, 0] == y[:, 1])
    assert near(y[:, 0], 3.0, 4 / 12)
    # The fourth central moment of a uniform of width 2 is 1/5.
    assert near((y[:, 0] - 3) ** 2, 4 / 12, 1 / 5 - (4 / 12) ** 2)
    assert np.all(array(layer(pair)) == 3)


def test_shake_shake_level_batch_draws_once():
    layer = layers.ShakeShake(per="batch", seed=1)
    pair = [filled(2, (8, 3)), filled(4, (8, 3))]

    assert len(np.unique(array(layer(pair, training=True)))) == 1


@pytest.mark.parametrize("forward", ["shake", "even"])
@pytest.mark.parametrize("backward", ["shake", "even", "keep"])
def test_shake_shake_modes_set_value_and_gradient(forward, backward):
    layer = layers.ShakeShake(forward, backward, seed=1)
    again = layers.ShakeShake(forward, backward, seed=1)
    pair = filled(1, (64, 1)), filled(0, (64, 1))

    a = array(layer(list(pair), training=True))
    b, rest = gradients(lambda x, y: again([x, y], training=True), *pair)

    assert (np.ptp(a) > 0) == (forward == "shake")
    assert (np.ptp(b) > 0) == (
        backward == "shake" or (backward == "keep" and forward == "shake")
    )
    assert np.allclose(a, b, atol=1e-6) == (
        backward == "keep" or (forward == backward == "even")
    )
    assert np.allclose(b + rest, 1, atol=1e-6)


@pytest.mark.parametrize(("gate", "value", "slope"), [(0, -1, 0.25), (1, 2, 1)])
def test_shake_drop_golden(gate, value, slope):
    x, gate = filled(2), ops.array([[bool(gate)]])

    y = shake.shake_drop(ops.array(x), gate, -0.5, 0.25)
    (g,) = gradients(lambda x: shake.shake_drop(x, gate, -0.5, 0.25), x)

    assert array(y).item() == value
    assert g.item() == slope


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_another_gradient_leaves_the_output_as_it_is(dtype):
    """To the bit, also where the two factors are of another magnitude."""
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    x, slope = ops.cast(x, dtype), 1000.0
    closed = ops.zeros((64, 1), "bool")

    y = shake.shake_drop(x, closed, 1e-3, slope)
    (gradient,) = gradients(
        lambda x: shake.shake_drop(ops.cast(x, dtype), closed, 1e-3, slope),
        array(ops.cast(x, "float32")),
    )

    assert keras.backend.standardize_dtype(y.dtype) == dtype
    expected = x * ops.cast(1e-3, dtype)
    assert bool(ops.all(y == expected))
    assert np.all(gradient == slope)


@pytest.mark.parametrize(
    ("alpha_range", "mean", "square"),
    [((-1, 1), 0.6, 0.6 + 0.4 / 3), ((0, 1), 0.8, 0.6 + 0.4 / 3), ((0, 0), 0.6, 0.6)],
)
def test_shake_drop_at_inference_is_the_mean_of_training(alpha_range, mean, square):
    layer = layers.ShakeDrop(0.4, alpha_range, gate_per="row", per="row", seed=1)
    x = filled(1, (4000, 2))

    y = array(layer(x, training=True))

    kept = 1 - 0.4
    exact = kept + (1 - kept) * sum(alpha_range) / 2
    assert np.isclose(mean, exact, atol=1e-6)
    assert near(y[:, 0], exact, square - mean**2)
    assert np.allclose(array(layer(x)), exact, rtol=2**-23)


def test_shake_drop_has_the_variance_of_the_paper():
    layer = layers.ShakeDrop(0.4, gate_per="row", per="row", seed=1)

    y = array(layer(filled(1, (8000, 1)), training=True))[:, 0]

    # E[y^k]: 0.6, 0.6 + 0.4 / 3, 0.6, 0.6 + 0.4 / 5.
    variance = 0.6 + 0.4 / 3 - 0.36
    assert np.isclose(variance, 0.373333, atol=1e-6)
    fourth = 0.68 - 4 * 0.6 * 0.6 + 6 * 0.36 * (0.6 + 0.4 / 3) - 3 * 0.6**4
    assert near((y - 0.6) ** 2, variance, fourth - variance**2)


def test_shake_drop_gate_is_one_for_the_batch():
    layer = layers.ShakeDrop(0.5, seed=1)
    x = filled(1, (8, 5))

    calls = [array(layer(x, training=True)) for _ in range(32)]

    open_gates = [np.all(y == 1) for y in calls]
    assert 0 < sum(open_gates) < 32
    assert all(len(np.unique(y)) == 40 for y in calls if not np.all(y == 1))


@pytest.mark.parametrize(
    ("per", "data_format", "distinct"),
    [
        ("element", "channels_last", (4, 3, 2)),
        ("channel", "channels_last", (4, 1, 2)),
        ("channel", "channels_first", (4, 3, 1)),
        ("row", "channels_last", (4, 1, 1)),
        ("batch", "channels_last", (1, 1, 1)),
    ],
)
def test_shake_drop_per_says_what_shares_the_noise(per, data_format, distinct):
    layer = layers.ShakeDrop(1.0, per=per, data_format=data_format, seed=1)

    y = array(layer(filled(1, (4, 3, 2)), training=True))

    assert len(np.unique(y)) == np.prod(distinct)
    assert np.array_equal(y, np.broadcast_to(y[tuple(map(slice, distinct))], y.shape))


@pytest.mark.parametrize(
    "bad", [(1, -1), (0,), 0.5, (0, float("nan")), (float("-inf"), 0)]
)
def test_shake_drop_refuses_what_is_no_range(bad):
    for name in ("alpha_range", "beta_range"):
        with pytest.raises(ValueError, match=f"`{name}`.*a pair .low, high."):
            layers.ShakeDrop(**{name: bad})


def test_unknown_modes_are_refused_when_built():
    with pytest.raises(ValueError, match=r"`forward`.*forward='keep'"):
        layers.ShakeShake(forward="keep")
    with pytest.raises(ValueError, match=r"`per`.*per='element'"):
        layers.ShakeShake(per="element")
    with pytest.raises(ValueError, match=r"`gate_per`.*gate_per='element'"):
        layers.ShakeDrop(gate_per="element")


def test_uout_has_the_exact_mean_and_variance():
    layer = layers.UOut(0.1, seed=1)

    y = array(layer(filled(2, (200, 200)), training=True))

    assert np.all(np.abs(y - 2) <= 0.2 + 2**-22)
    assert near(y, 2.0, 4 * 0.01 / 3)
    # The fourth central moment of a uniform of half width w is w^4 / 5.
    assert near((y - 2) ** 2, 4 * 0.01 / 3, 0.2**4 / 5 - (0.04 / 3) ** 2)


def test_uout_refuses_a_negative_width():
    with pytest.raises(ValueError, match=r"`beta`.*not negative.*beta=-0.1"):
        layers.UOut(-0.1)
