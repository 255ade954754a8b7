"""Learned Gaussian noise: its divergence, its formulas, and what it prunes."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers, random
from keras_dropout._layers.learned import _divergence

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.cast(ops.stop_gradient(x), "float32"))


def exact(log_alpha):
    """The divergence itself, by the moments of a non-central chi-squared."""
    rate = 0.5 * np.exp(-log_alpha)
    j = np.arange(int(rate + 40 * np.sqrt(rate) + 100))
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(j[1:]))])
    chance = np.exp(j * np.log(rate) - rate - log_factorial)
    start = -np.euler_gamma - 2 * np.log(2)
    digamma = start + np.concatenate([[0.0], np.cumsum(1 / (0.5 + j[:-1]))])
    mean = 0.5 * log_alpha + 0.5 * (np.log(2) + chance @ digamma)
    return mean - 0.5 * log_alpha - 0.5 * (np.log(2) + start)


@pytest.mark.once
def test_the_divergence_is_close_to_the_exact_one_and_never_negative():
    grid = np.linspace(-8, 8, 321)

    found = array(_divergence.from_log_uniform(grid.astype("float32")))

    expected = np.array([exact(each) for each in grid])
    assert np.abs(found - expected).max() < 0.0094
    wide = np.linspace(-100, 100, 2001).astype("float32")
    assert (array(_divergence.from_log_uniform(wide)) >= 0).all()


def test_the_divergence_is_the_known_one():
    found = array(_divergence.from_log_uniform(np.array([-2.0, 0.0, 3.0], "float32")))

    np.testing.assert_allclose(found, [1.54053274, 0.43123895, 0.02542004], rtol=2e-5)


THETA = np.array([[0.5, -1], [0.25, 2]], "float32")
X = np.array([[1, 2], [-1, 0.5]], "float32")


def noise(monkeypatch, values):
    values = np.array(values, "float32")
    monkeypatch.setattr(
        random, "normal", lambda *_, **__: ops.convert_to_tensor(values)
    )


def test_noise_on_activations_is_the_known_one(monkeypatch):
    noise(monkeypatch, [[0.5, -1.0]])
    layer = layers.VariationalDropout(0.2)

    y = layer(np.array([[1.0, 2.0]], "float32"), training=True)

    np.testing.assert_allclose(array(y) @ THETA, [[0.875, 0.75]], rtol=2e-5)


def sparse(**kwargs):
    dense = K.Dense(
        2,
        kernel_initializer=keras.initializers.Constant(THETA),
        bias_initializer=keras.initializers.Constant([0.1, -0.2]),
    )
    layer = layers.SparseVariationalDropout(dense, **kwargs)
    layer.build((None, 2))
    layer.log_sigma2.assign([[-4.0, -2.0], [-6.0, 0.0]])
    return layer


def test_noise_of_weights_is_the_known_one(monkeypatch):
    noise(monkeypatch, [[0.3, -1], [0.5, 2]])
    layer = sparse()

    expected = [[1.15040594, 0.76644762], [-0.20619713, 3.04150762]]
    np.testing.assert_allclose(array(layer(X, training=True)), expected, rtol=2e-5)
    (penalty,) = layer.losses
    assert float(array(penalty)) == pytest.approx(6.83256531, rel=2e-5)
    expected = [[1.1, 2.8], [-0.275, 1.8]]
    np.testing.assert_allclose(array(layer(X)), expected, rtol=2e-6)
    assert np.array_equal(array(layer(X)), array(layer.layer(X)))


def test_noise_in_proportion_to_the_weights_is_the_known_one(monkeypatch):
    """What the paper calls type B, with an alpha of 1/4 for each weight."""
    noise(monkeypatch, [[0.5, -1.0]])
    layer = sparse()
    layer.layer.bias.assign(np.zeros(2))
    layer.log_sigma2.assign(np.log(0.25 * THETA**2))

    y = array(layer(X[:1], training=True))

    np.testing.assert_allclose(y, [[1.1767767, 0.9384472]], rtol=2e-5)


def test_pruned_weights_keep_their_noise_in_training(monkeypatch):
    """Log alpha is clipped in the penalty alone."""
    noise(monkeypatch, [[1.0, -1.0]])
    layer = sparse()
    layer.layer.set_weights([np.zeros((2, 2)), np.zeros(2)])
    layer.log_sigma2.assign(np.zeros((2, 2)))

    y = array(layer(X[:1], training=True))

    np.testing.assert_allclose(y, [[np.sqrt(5), -np.sqrt(5)]], rtol=2e-5)
    assert layer.log_alpha.min() > 8
    (penalty,) = layer.losses
    clipped = _divergence.from_log_uniform(np.float32(8.0))
    assert float(array(penalty)) == pytest.approx(4 * float(array(clipped)), rel=2e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_noise_of_a_convolution_has_the_variance_of_its_weights(data_format):
    if data_format == "channels_first" and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolution on a processor")
    conv = K.Conv1D(3, 2, strides=2, activation="relu", data_format=data_format)
    layer = layers.SparseVariationalDropout(conv, seed=0)
    x = np.random.default_rng(0).normal(size=(1, 6, 6)).astype("float32")
    x = np.repeat(x, 4000, axis=0)
    layer.build(x.shape)
    layer.layer.bias.assign(np.full(3, 40.0))
    layer.log_sigma2.assign(np.log(np.linspace(0.1, 1.0, 36).reshape(2, 6, 3)))

    y = array(layer(x, training=True)).astype("float64")

    mean = array(layer.layer(x[:1]))
    twin = K.Conv1D(3, 2, strides=2, use_bias=False, data_format=data_format)
    twin.build(x.shape)
    twin.kernel.assign(np.linspace(0.1, 1.0, 36).reshape(2, 6, 3))
    variance = array(twin(x[:1] ** 2))
    # Five standard errors: of a mean, and of the variance of normals.
    assert (np.abs(y.mean(0) - mean[0]) < 5 * np.sqrt(variance[0] / 4000)).all()
    ratio = y.var(0) / variance[0]
    assert (np.abs(ratio - 1) < 5 * np.sqrt(2 / 4000)).all()


def test_weights_of_large_noise_are_zero_at_inference_and_can_be_pruned():
    layer = sparse(threshold=-3.0)
    # log alpha: -2.6, -2, -3.2, -1.4.
    expected = [[True, True], [False, True]]
    assert np.array_equal(layer.log_alpha >= -3, expected)
    assert layer.sparsity() == 0.75
    before = array(layer(X))
    kept = np.where(expected, 0, THETA)
    np.testing.assert_allclose(before, X @ kept + [0.1, -0.2], rtol=2e-6)

    assert layer.prune() == 0.75

    assert np.array_equal(array(layer.layer.kernel), kept)
    assert np.array_equal(array(layer(X)), before)
    assert np.array_equal(layer.log_alpha >= -3, expected)


@pytest.mark.parametrize("granularity", ["layer", "unit"])
def test_the_penalty_counts_every_unit_once_at_its_strength_now(granularity, policy):
    layer = layers.VariationalDropout(0.2, granularity=granularity, kl_weight=0.5)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(layer(inputs)))
    alpha = float(array(_divergence.from_log_uniform(np.float32(np.log(0.25)))))

    assert np.shape(layer.rate) == ((6,) if granularity == "unit" else ())
    for strength in (0.5, 0.25, 0.0):
        layer.kl_weight = strength
        (penalty,) = model.losses
        assert keras.backend.standardize_dtype(penalty.dtype) == "float32"
        assert float(array(penalty)) == pytest.approx(strength * 6 * alpha, rel=1e-5)


def test_alpha_is_learned_up_to_its_limit_and_comes_down_again():
    layer = layers.VariationalDropout(0.2, max_alpha=0.5, kl_weight=1.0)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    zeros, ones = np.zeros((8, 6), "float32"), np.ones((8, 6), "float32")

    model.fit(zeros, zeros, epochs=4, verbose=0)
    assert layer.rate == pytest.approx(1 / 3, rel=1e-5)
    layer.kl_weight = 0.0
    model.fit(10 * ones, 10 * ones, verbose=0)

    assert layer.rate < 0.3


def test_the_strength_follows_a_schedule():
    ramp = kd.schedules.Linear(0.0, 0.5, steps=2)
    layer = layers.VariationalDropout(0.2, kl_weight=ramp)
    layer(np.ones((2, 3)), training=True)

    assert layer.kl_weight == 0.25
    (penalty,) = layer.losses
    one = float(array(_divergence.from_log_uniform(np.float32(np.log(0.25)))))
    assert float(array(penalty)) == pytest.approx(0.25 * 3 * one, rel=1e-5)


def test_arguments_out_of_range_are_refused():
    for bad in (
        {"rate": 0.6},
        {"rate": 0.0},
        {"rate": 0.3, "max_alpha": 0.25},
        {"max_alpha": 1.5},
        {"granularity": "weight"},
        {"kl_weight": -1.0},
    ):
        with pytest.raises(ValueError, match="Received"):
            layers.VariationalDropout(**bad)
    with pytest.raises(TypeError, match="one of Dense, Conv1D"):
        layers.SparseVariationalDropout(K.LSTM(2))
    with pytest.raises(ValueError, match="activity_regularizer"):
        layers.SparseVariationalDropout(K.Dense(2, activity_regularizer="l2"))
    with pytest.raises(ValueError, match="`threshold`"):
        layers.SparseVariationalDropout(K.Dense(2), threshold=float("nan"))


@pytest.mark.slow
def test_keeps_the_causes_among_thirty_inputs_and_prunes_most_others():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 30)).astype("float32")
    causes = np.array([3, 11, 19, 27])
    y = (x[:, causes] @ [2.0, -1.5, 1.0, 0.8] + rng.normal(size=500) * 0.5)[:, None]
    # A useless input stays if its estimate by least squares is far enough from 0: 1.05
    # standard errors at the strength of the bound (29 in 100), 2.1 at four times (4).
    bound = kd.losses.kl_weights(400, loss="mse", precision=4.0)
    weight = 4 * bound["dropout_regularizer"]
    ramp = kd.schedules.Linear(0.0, weight, steps=200, begin=100)
    layer = layers.SparseVariationalDropout(K.Dense(1), kl_weight=ramp, seed=0)
    model = keras.Sequential([keras.Input((30,)), layer])
    # To small steps in the end, of all rows: noise of steps keeps weights away from 0.
    decay = keras.optimizers.schedules.CosineDecay(2e-2, 1000)
    model.compile(keras.optimizers.Adam(decay), "mse")

    known = (np.tile(each[:400], (50, 1)) for each in (x, y))
    model.fit(*known, batch_size=400, epochs=20, shuffle=False, verbose=0)

    kept = np.flatnonzero(layer.log_alpha[:, 0] < 3)
    assert set(causes) <= set(kept.tolist())
    assert len(kept) - len(causes) <= 6
    # Least squares on all inputs, by its own formula.
    known, held_out = np.c_[x, np.ones(500)], y[400:]
    coefficients, *_ = np.linalg.lstsq(known[:400], y[:400], rcond=None)
    plain = np.mean((known[400:] @ coefficients - held_out) ** 2)
    sparse = np.mean((model.predict(x[400:], verbose=0) - held_out) ** 2)
    assert sparse <= 1.05 * plain
