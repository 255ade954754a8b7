"""What is particular to DropConnect, WeightDrop and Mixout."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers._base import formulas
from keras_dropout._layers.weights import _affine
from tests.bounds import near
from tests.gradients import weight_gradients

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def dense(kernel, **kwargs):
    layer = K.Dense(len(kernel[0]), **kwargs)
    layer.build((None, len(kernel)))
    layer.kernel.assign(kernel)
    return layer


def with_mask(layer, keep, monkeypatch):
    """The layer, drawing this mask and no other, at rate 0.5."""
    drawn = (np.array(keep, "bool"), ops.convert_to_tensor(2.0, "float32"))
    monkeypatch.setattr(type(layer), "keep_mask", lambda self, shape: drawn)
    return layer


W = [[1.0, 2.0], [3.0, 4.0]]
X = np.array([[1.0, 2.0]], "float32")


@pytest.mark.parametrize("wrapper", [layers.DropConnect, layers.WeightDrop])
def test_golden_mask_gives_the_golden_output(wrapper, monkeypatch):
    layer = wrapper(dense(W), 0.5, weights=("kernel",))
    with_mask(layer, [[1, 0], [1, 1]], monkeypatch)

    assert array(layer(X, training=True)).tolist() == [[14.0, 16.0]]
    assert array(layer(X)).tolist() == [[7.0, 10.0]]


@pytest.mark.parametrize("per", ["batch", "row"])
def test_drop_connect_has_the_papers_mean_and_variance(per):
    layer = layers.DropConnect(dense(W), 0.5, per=per, seed=1)
    rows = np.repeat(X, 4000 if per == "row" else 1, axis=0)
    draws = [array(layer(rows, training=True)) for _ in range(800 // len(rows) or 1)]

    y = np.concatenate(draws)

    variance = np.array([37.0, 68.0])
    assert near(y, np.array([7.0, 10.0]), variance)
    # The fourth moment of a sum of independent terms a (2m - 1), a = x w.
    terms = X.T * np.array(W)
    spread = 3 * variance**2 - 2 * np.sum(terms**4, axis=0) - variance**2
    assert near((y - [7.0, 10.0]) ** 2, variance, spread)


def test_drop_connect_of_a_strided_grouped_convolution_has_the_papers_variance():
    conv = K.Conv2D(4, 3, strides=2, groups=2, padding="same", use_bias=False)
    layer = layers.DropConnect(conv, 0.2, inference="gaussian", seed=1)
    x = np.random.default_rng(0).normal(size=(1, 5, 5, 4)).astype("float32")
    layer(x)

    y = np.concatenate([array(layer(x, training=True)) for _ in range(300)])
    mean, stddev = (array(each)[0] for each in layer.gaussian(x))

    assert np.array_equal(mean, array(conv(x))[0])
    assert near(y, mean, stddev**2)
    # Near enough to a Gaussian for twice the squared variance, and half as much again.
    assert near((y - mean) ** 2, stddev**2, 3 * stddev**4)


def test_drop_connect_per_row_draws_a_mask_a_row():
    layer = layers.DropConnect(dense(np.ones((8, 6))), 0.5, per="row", seed=1)
    x = np.ones((5, 8), "float32")

    flat = array(layer(x, training=True))
    deep = array(layer(np.ones((5, 3, 8), "float32"), training=True))

    assert len(np.unique(flat, axis=0)) == 5
    assert len(np.unique(deep[:, 0], axis=0)) == 5
    assert np.array_equal(deep, np.repeat(deep[:, :1], 3, axis=1))
    assert not layer.one_sample_per_call
    assert layers.DropConnect(K.Dense(3)).one_sample_per_call


def test_drop_connect_per_row_has_gradients_and_activation():
    inner = dense(W, activation="relu", bias_initializer="ones")
    layer = layers.DropConnect(inner, 0.5, per="row", drop_bias=True, seed=1)
    variables = inner.trainable_variables
    state = layer.seed_generator.state

    def loss():
        state.assign([1, 2])
        return ops.sum(layer(np.repeat(X, 50, axis=0), training=True))

    kernel, bias = weight_gradients(loss, variables)

    # Kept weights count double, rows are 50 and inputs 1 and 2: even numbers.
    assert np.all(kernel % [[2.0], [4.0]] == 0)
    assert np.all((kernel > 0) & (kernel < [[100.0], [200.0]]))
    assert np.all(bias % 2 == 0)
    assert np.all((bias > 0) & (bias < 100))


def test_drop_connect_drops_the_bias_only_if_asked():
    y = {}
    for drop_bias in (False, True):
        inner = dense(np.zeros((2, 50)), bias_initializer="ones")
        layer = layers.DropConnect(inner, 0.5, drop_bias=drop_bias, seed=1)
        y[drop_bias] = set(array(layer(X, training=True)).ravel().tolist())

    assert y == {False: {1.0}, True: {0.0, 2.0}}


def test_gaussian_inference_has_the_closed_form_for_relu():
    layer = layers.DropConnect(
        dense(W, activation="relu"), 0.5, inference="gaussian", seed=1
    )
    before = array(layer.seed_generator.state)

    y = array(layer(X))

    assert y[0, 0] == pytest.approx(7.377158, rel=1e-6)
    assert np.array_equal(array(layer.seed_generator.state), before)


@pytest.mark.parametrize("drop_bias", [False, True])
def test_gaussian_inference_counts_the_bias_if_it_is_dropped(drop_bias):
    inner = dense(W, bias_initializer=keras.initializers.Constant(3.0))
    layer = layers.DropConnect(inner, 0.2, drop_bias=drop_bias, inference="gaussian")

    mean, stddev = layer.gaussian(X)

    assert array(mean).tolist() == [[10.0, 13.0]]
    expected = 0.25 * (np.array([37.0, 68.0]) + 9.0 * drop_bias)
    assert array(stddev)[0] ** 2 == pytest.approx(expected, rel=2e-4)


def _adapted(inner):
    """The layer with a low-rank update of 1 on each entry of its kernel."""
    inner.enable_lora(1)
    inner.lora_kernel_a.assign(ops.ones(inner.lora_kernel_a.shape))
    inner.lora_kernel_b.assign(ops.ones(inner.lora_kernel_b.shape))
    return inner


def test_gaussian_inference_takes_lora_for_certain():
    layer = layers.DropConnect(_adapted(dense(W)), 0.2, inference="gaussian")

    mean, stddev = layer.gaussian(X)

    # 1 is added to each entry: 3 to the mean, and nothing to the variance.
    assert array(mean).tolist() == [[10.0, 13.0]]
    assert array(stddev)[0] ** 2 == pytest.approx([9.25, 17.0], rel=2e-4)


@pytest.mark.parametrize("drop_bias", [False, True])
def test_drop_connect_per_row_drops_nothing_that_lora_adds(drop_bias):
    inner = _adapted(dense(np.zeros((2, 3)), bias_initializer="ones"))
    layer = layers.DropConnect(inner, 0.5, per="row", drop_bias=drop_bias, seed=1)

    y = array(layer(np.repeat(X, 50, axis=0), training=True))

    assert set(y.ravel().tolist()) == ({3.0, 5.0} if drop_bias else {4.0})


def test_gaussian_inference_draws_for_other_activations():
    layer = layers.DropConnect(
        dense(W, activation="softmax"), 0.5, inference="gaussian", samples=4000, seed=1
    )
    noise = np.random.default_rng(0).normal(size=(400_000, 2))
    u = np.array([7.0, 10.0]) + np.sqrt([37.0, 68.0]) * noise
    p = 1.0 / (1.0 + np.exp(u[:, 1] - u[:, 0]))

    y = array(layer(X))

    assert y.sum() == pytest.approx(1.0, abs=1e-5)
    bound = 5 * p.std() * math.sqrt(1 / 4000 + 1 / 400_000)
    assert abs(y[0, 0] - p.mean()) < bound


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 30.0])
def test_relu_mean_is_exact(scale):
    from scipy import integrate, stats

    means = np.array([-2.0, 0.0, 0.5, 3.0], "float32")

    stddevs = ops.full((4,), scale, "float32")
    ours = array(_affine.relu_mean(ops.convert_to_tensor(means), stddevs))

    for mean, value in zip(means, ours, strict=True):
        if scale < 1e-3:
            exact = max(float(mean), 0.0) + scale * 0.39894228 * (mean == 0)
        else:
            normal = stats.norm(mean, scale)
            exact, _ = integrate.quad(
                lambda u, f=normal.pdf: u * f(u), 0, mean + 12 * scale
            )
        assert value == pytest.approx(exact, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (K.Conv2D(3, 2), {"per": "row"}),
        (K.Embedding(3, 2), {"inference": "gaussian", "weights": ("embeddings",)}),
        (K.DepthwiseConv2D(3), {"inference": "gaussian"}),
        (K.Dense(3), {"per": "row", "weights": ("bias",)}),
    ],
)
def test_drop_connect_refuses_what_it_has_no_form_for(layer, options):
    with pytest.raises(ValueError, match=r"is for the kernel of Dense.*Received"):
        layers.DropConnect(layer, 0.5, **options)


def test_drop_connect_per_row_refuses_what_it_would_leave_out():
    with pytest.raises(ValueError, match=r"without `activity_regularizer`.*Received"):
        layers.DropConnect(K.Dense(3, activity_regularizer="l2"), 0.5, per="row")


def test_weight_drop_per_input_drops_all_that_a_unit_says():
    inner = K.LSTM(8)
    layer = layers.WeightDrop(inner, 0.5, per="input", seed=1)
    layer.build((None, 3, 2))
    kernel = inner.cell.recurrent_kernel

    noisy = array(layer.perturb_weight(kernel, kernel.value)) / array(kernel)

    rows = {tuple(np.round(row, 5)) for row in noisy}
    assert rows == {(0.0,) * 32, (2.0,) * 32}


def test_mixout_golden():
    w, u = ops.full((2,), 2.0), ops.ones((2,))

    mixed = formulas.mix(np.array([True, False]), w, u, 2.0)

    assert array(mixed).tolist() == [3.0, 1.0]


def test_mixout_gradient_has_the_factor_that_the_authors_code_lacks(monkeypatch):
    inner = dense([[2.0, 2.0]], use_bias=False)
    layer = layers.Mixout(inner, 0.5)
    layer.anchors[0].assign([[1.0, 1.0]])
    with_mask(layer, [[1, 0]], monkeypatch)
    x = np.ones((1, 1), "float32")

    (gradient,) = weight_gradients(
        lambda: ops.sum(layer(x, training=True)), [inner.kernel]
    )

    assert array(layer(x, training=True)).tolist() == [[3.0, 1.0]]
    assert gradient.tolist() == [[2.0, 0.0]]
    assert array(layer(x)).tolist() == [[2.0, 2.0]]


def test_mixout_has_the_papers_mean_and_variance():
    inner = dense(np.full((1, 4000), 2.0), use_bias=False)
    layer = layers.Mixout(inner, 0.9, seed=1)
    layer.anchors[0].assign(np.full((1, 4000), 1.5))

    y = array(layer(np.ones((1, 1), "float32"), training=True))

    assert near(y, 2.0, 9.0 * 0.25)
    assert set(np.round(np.unique(y), 3)) == {1.5, 6.5}


def test_mixout_at_rate_one_is_the_anchor():
    layer = layers.Mixout(dense(W), 1.0)
    layer.layer.kernel.assign(np.zeros((2, 2)))

    assert array(layer(X, training=True)).tolist() == [[7.0, 10.0]]
    assert array(layer(X)).tolist() == [[0.0, 0.0]]


def test_mixout_mask_of_inputs_is_shared_by_the_outputs():
    layer = layers.Mixout(dense(np.ones((40, 6))), 0.5, per="input", seed=1)
    layer.anchors[0].assign(np.zeros((40, 6)))

    y = array(layer(np.eye(40, dtype="float32"), training=True))

    assert np.array_equal(y, np.repeat(y[:, :1], 6, axis=1))
    assert set(y.ravel().tolist()) == {0.0, 2.0}


def test_mixout_anchor_stays_while_the_layer_trains(tmp_path):
    layer = layers.Mixout(dense(W), 0.5, seed=1)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("sgd", "mse")

    model.fit(X, np.zeros((1, 2)), epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    (loaded,) = keras.saving.load_model(tmp_path / "model.keras").layers

    assert array(layer.anchors[0]).tolist() == W
    assert not np.array_equal(array(layer.layer.kernel), W)
    assert array(loaded.anchors[0]).tolist() == W
    assert np.array_equal(array(loaded.layer.kernel), array(layer.layer.kernel))
    layer.set_anchor()
    assert np.array_equal(array(layer.anchors[0]), array(layer.layer.kernel))


@pytest.mark.parametrize("cls", [layers.DropConnect, layers.WeightDrop])
def test_rate_one_is_refused(cls):
    with pytest.raises(ValueError, match=r"`rate`.*below 1.*Received: rate=1.0"):
        cls(K.LSTM(3), 1.0)
