"""The relaxed mask of Concrete dropout, and the sample that a row belongs to."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import random
from keras_dropout.random import context, schemes
from tests.bounds import near
from tests.gradients import weight_gradients

pytestmark = pytest.mark.everywhere

KEY_SEED = 5


def key():
    return random.next_key(keras.random.SeedGenerator(KEY_SEED))


def numpy(x):
    return ops.convert_to_numpy(x)


def gradient(function, values):
    variable = keras.Variable(values)
    (found,) = weight_gradients(
        lambda: function(ops.convert_to_tensor(variable)), [variable]
    )
    return found


def test_a_relaxed_mask_is_the_paper_s(monkeypatch):
    u = ops.convert_to_tensor(np.array([0.05, 0.5, 0.88, 0.9, 0.95], "float32"))
    monkeypatch.setattr(random, "uniform", lambda *_, **__: u)

    mask = numpy(random.relaxed_keep_mask((5,), 0.1, key(), 0.1))

    assert mask.dtype == np.float32
    expected = [1, 1, 0.885739719, 0.5, 0.000568384425]
    # The exponent is ten times a logit, which float32 knows to some 2e-7.
    np.testing.assert_allclose(mask, expected, rtol=2e-5)


# Temperature, rate, the mean of what is kept and scaled, and its variance.
BIASES = [
    (0.1, 0.1, 0.99869, 0.10108),
    (0.1, 0.5, 1.0, 0.90080),
    (2 / 3, 0.1, 0.94968, 0.06780),
    (2 / 3, 0.2, 0.93894, 0.13429),
    (2 / 3, 0.5, 1.0, 0.47335),
]


@pytest.mark.parametrize(("temperature", "rate", "mean", "variance"), BIASES)
def test_a_relaxed_mask_has_the_bias_that_is_known(
    monkeypatch, temperature, rate, mean, variance
):
    """Over all uniforms, by quadrature: too little is kept, and too evenly."""
    u = (np.arange(2**16) + 0.5) * 2.0**-16
    u = ops.convert_to_tensor(u.astype("float32"))
    monkeypatch.setattr(random, "uniform", lambda *_, **__: u)

    mask = numpy(random.relaxed_keep_mask((2**16,), rate, key(), temperature))

    noise = mask.astype("float64") / (1 - rate)
    # As many digits as are known.
    np.testing.assert_allclose(noise.mean(), mean, atol=1e-5)
    np.testing.assert_allclose(noise.var(), variance, atol=2e-5)


@pytest.mark.parametrize("per_row", [True, False])
def test_a_relaxed_mask_tends_to_the_keep_mask(per_row):
    mask = numpy(
        random.relaxed_keep_mask((500, 400), 0.3, key(), 1e-3, per_row=per_row)
    )

    assert near(mask, 0.7, 0.21)
    assert np.mean((mask > 0.01) & (mask < 0.99)) < 0.01


def test_a_relaxed_mask_has_the_gradient_of_its_formula():
    rates = np.array([0.02, 0.1, 0.5, 0.9], "float32")
    temperature = 0.5

    def total(rate):
        return ops.sum(random.relaxed_keep_mask((300, 4), rate, key(), temperature))

    found = gradient(total, rates)

    mask = numpy(random.relaxed_keep_mask((300, 4), rates, key(), temperature))
    mask = mask.astype("float64")
    slope = -mask * (1 - mask) / temperature / (rates * (1 - rates))
    np.testing.assert_allclose(found, slope.sum(0), rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.1, 10.0])
def test_a_certain_rate_is_certain_and_has_a_finite_gradient(temperature):
    rates = np.array([0.0, 1.0], "float32")

    def total(rate):
        return ops.sum(random.relaxed_keep_mask((64, 2), rate, key(), temperature))

    mask = numpy(random.relaxed_keep_mask((64, 2), rates, key(), temperature))

    assert np.all(mask == [1, 0])
    assert np.all(np.isfinite(gradient(total, rates)))


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_every_scheme_relaxes(scheme):
    with context.sampling([], context.Arrangement(4, 2, scheme, 0)):
        mask = numpy(random.relaxed_keep_mask((8, 3000), 0.5, key(), 0.1))

    assert mask.min() >= 0
    assert mask.max() <= 1
    for sample in mask[::2]:
        # The exact variance at this temperature, by quadrature, is a bit less.
        assert near(sample, 0.5, 0.25)
    if scheme == "shared":
        np.testing.assert_array_equal(mask[::2], mask[1::2])
    if scheme == "antithetic":
        pairs = mask.reshape(2, 2, 2, 3000)
        np.testing.assert_allclose(pairs[:, 0] + pairs[:, 1], 1, atol=1e-5)


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
@pytest.mark.parametrize(
    ("samples", "rows", "total", "first"),
    [(3, 2, 6, 0), (3, 2, 6, 6), (1, 5, 5, 4), (2, 3, 24, 2)],
)
def test_each_row_knows_its_sample(scheme, samples, rows, total, first):
    with context.sampling([], context.Arrangement(samples, rows, scheme, first)):
        found = random.sample_index(total)

    assert keras.backend.standardize_dtype(found.dtype) == "int32"
    expected = first + np.arange(total) // (total // samples)
    np.testing.assert_array_equal(numpy(found), expected)


def test_no_row_has_a_sample_while_none_is_drawn():
    assert random.sample_index(4) is None
    with context.sampling([]):
        assert random.sample_index(4) is None


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="traced sizes")
def test_sizes_and_the_first_sample_may_be_traced():
    if keras.backend.backend() == "jax":
        import jax

        trace = jax.jit
    else:
        import tensorflow as tf

        trace = tf.function

    @trace
    def index(x, first):
        arrangement = context.Arrangement(2, ops.shape(x)[0] // 2, "independent", first)
        with context.sampling([], arrangement):
            return random.sample_index(ops.shape(x)[0])

    found = index(np.ones((6, 1), "float32"), np.int32(4))

    np.testing.assert_array_equal(numpy(found), [4, 4, 4, 5, 5, 5])
