"""Concrete dropout: its masks, its penalty, and that it finds the rate."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers, random

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.cast(ops.stop_gradient(x), "float32"))


def test_the_mask_of_known_uniforms(monkeypatch):
    u = np.array([[0.05, 0.5, 0.88, 0.9, 0.95]], "float32")
    monkeypatch.setattr(random, "uniform", lambda *_, **__: ops.convert_to_tensor(u))
    dense = K.Dense(5, use_bias=False, kernel_initializer="identity")

    y = layers.ConcreteDropout(dense, 0.1)(np.ones((1, 5)), training=True)

    expected = [[1.1111111, 1.1111111, 0.984155244, 0.555555556, 0.00063153825]]
    # A uniform is the middle of one of 2^23 cells: 2^-24 / 0.05 / t in the last.
    np.testing.assert_allclose(array(y), expected, rtol=2e-5)


KERNEL = np.array([[0.5, -0.5], [1, 0], [0.25, 2]], "float32")


def penalized(**kwargs):
    """A layer whose penalty is known: p = 0.2, tau = 2, N = 100, l = 0.1."""
    strengths = kd.losses.kl_weights(100, loss="mse", precision=2.0, length_scale=0.1)
    dtype = kwargs.pop("dtype", None)
    dense = K.Dense(2, kernel_initializer=keras.initializers.Constant(KERNEL))
    dense = K.Dense.from_config({**dense.get_config(), "dtype": dtype})
    return layers.ConcreteDropout(dense, 0.2, **strengths, **kwargs)


def test_the_penalty_is_the_known_one_in_float32_and_counts_once(policy):
    layer = penalized(dtype=policy, seed=0)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layer(inputs), layer(2.0 * inputs)])
    model(np.ones((4, 3)), training=True)

    (penalty,) = model.losses

    assert keras.backend.standardize_dtype(penalty.dtype) == "float32"
    assert float(array(penalty)) == pytest.approx(-0.01466441646, rel=2e-5)


def test_biases_have_no_penalty():
    layer = penalized()
    layer.build((None, 3))
    layer.layer.bias.assign(np.full(2, 100.0))

    (penalty,) = layer.losses

    assert float(array(penalty)) == pytest.approx(-0.01466441646, rel=2e-5)


def test_inputs_are_left_as_they_are():
    x = ops.ones((4, 3))

    layers.ConcreteDropout(K.Dense(2), 0.5)(x, training=True)

    assert np.array_equal(array(x), np.ones((4, 3)))


def test_the_penalty_sees_what_lora_adds():
    layer = penalized()
    layer.build((None, 3))
    layer.layer.enable_lora(1)
    layer.layer.lora_kernel_a.assign(np.ones((3, 1)))
    layer.layer.lora_kernel_b.assign(np.ones((1, 2)))

    (penalty,) = layer.losses

    square = np.sum(np.square(KERNEL + 1.0)) / 0.8
    assert float(array(penalty)) == pytest.approx(
        5e-5 * square - 0.01501207271, rel=2e-5
    )


@pytest.mark.parametrize(
    "layer",
    [
        K.Dense(2, kernel_regularizer="l2"),
        K.EinsumDense("ab,bc->ac", 2, kernel_regularizer="l2"),
        K.Conv2D(2, 3, kernel_regularizer="l2"),
        K.DepthwiseConv2D(3, depthwise_regularizer="l2"),
        K.Embedding(5, 2, embeddings_regularizer="l2"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_regularizer_of_the_kernel_is_refused(layer):
    with pytest.raises(ValueError, match="_regularizer`: the penalty on its kernel is"):
        layers.ConcreteDropout(layer)


@pytest.mark.parametrize(
    "layer", [K.LSTM(2), K.SeparableConv2D(2, 3), K.ReLU(), None, "dense"]
)
def test_a_layer_without_inputs_of_a_kernel_is_refused(layer):
    with pytest.raises(TypeError, match=r"`layer`.*Dense, EinsumDense.*Received"):
        layers.ConcreteDropout(layer)


def test_arguments_out_of_range_are_refused():
    for bad in (
        {"rate": 0.0},
        {"rate": 1.0},
        {"weight_regularizer": -1.0},
        {"dropout_regularizer": float("nan")},
        {"temperature": 0.0},
    ):
        with pytest.raises(ValueError, match="Received"):
            layers.ConcreteDropout(K.Dense(2), **bad)
    with pytest.raises(TypeError, match="`hard`"):
        layers.ConcreteDropout(K.Dense(2), hard=1)


ONES = {"use_bias": False, "kernel_initializer": "ones"}
DEPTHWISE = {"use_bias": False, "depthwise_initializer": "ones"}
EYE = {"use_bias": False, "kernel_initializer": "identity"}
# Layer, shape of the inputs, features, and the axes that share a mask. Each of these
# layers gives its inputs, or equal numbers where they share a mask.
KINDS = {
    "Dense": (lambda: K.Dense(6, **EYE), (4, 5, 6), 6, ()),
    "EinsumDense": (
        lambda: K.EinsumDense("abc,cd->abd", (None, 6), kernel_initializer="identity"),
        (4, 5, 6),
        6,
        (),
    ),
    "DepthwiseConv1D": (lambda: K.DepthwiseConv1D(1, **DEPTHWISE), (4, 9, 6), 6, (1,)),
    "DepthwiseConv2D": (
        lambda: K.DepthwiseConv2D(1, **DEPTHWISE),
        (4, 3, 3, 6),
        6,
        (1, 2),
    ),
    "Conv2D": (lambda: K.Conv2D(1, 1, **ONES), (8, 3, 3, 1), 1, (1, 2)),
    "Conv3D": (lambda: K.Conv3D(1, 1, **ONES), (8, 2, 2, 2, 1), 1, (1, 2, 3)),
    "Conv1DTranspose": (
        lambda: K.Conv1DTranspose(1, 1, **ONES),
        (8, 7, 1),
        1,
        (1,),
    ),
    "Conv2DTranspose": (
        lambda: K.Conv2DTranspose(2, 1, **ONES),
        (8, 3, 3, 1),
        1,
        (1, 2),
    ),
    "Embedding": (
        lambda: K.Embedding(40, 6, embeddings_initializer="ones"),
        (4, 9),
        40,
        (2,),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_share_a_mask_where_they_meet_one_row_of_the_kernel(kind):
    build, shape, features, shared = KINDS[kind]
    layer = layers.ConcreteDropout(build(), 0.5, temperature=0.5, seed=3)
    x = np.ones(shape, "int32" if kind == "Embedding" else "float32")

    y = array(layer(x, training=True))

    assert layer.features == features
    spread = np.ptp(y, axis=shared) if shared else np.zeros(1)
    # The sums of a convolution by another algorithm.
    assert np.all(spread <= 2.0**-20)
    own = np.mean(y, axis=shared) if shared else y
    places = own[..., :1] if kind == "Conv2DTranspose" else own
    assert len(np.unique(places)) == places.size, "all others are independent"
    assert np.array_equal(array(layer(x)), array(layer.layer(x)))


def test_channels_stand_first_where_the_layer_says_so():
    shape, data_format = (3, 6, 4, 4), "channels_first"
    conv = K.Conv2D(2, 3, data_format=data_format)
    layer = layers.ConcreteDropout(conv, 0.5)

    from keras_dropout._layers.learned import _kernels

    assert _kernels.mask_shape(conv, shape) == (3, 6, 1, 1)
    assert _kernels.count(conv, shape) == 6
    assert layer.compute_output_shape(shape) == (3, 2, 2, 2)


def test_every_row_of_an_attention_projection_counts():
    attention = K.MultiHeadAttention(2, 3)
    x = np.ones((1, 5, 4), "float32")
    attention(x, x)
    from keras_dropout._layers.learned import _kernels

    assert _kernels.count(attention.query_dense, (None, 5, 4)) == 4
    assert _kernels.count(attention.output_dense, (None, 5, 2, 3)) == 6


def test_the_penalty_moves_the_rate_and_the_file_keeps_it(tmp_path):
    """The pull of the entropy is towards 1/2, that of the kernel towards 0."""
    zeros = np.zeros((8, 4), "float32")
    for weight, entropy in [(0.0, 0.5), (0.5, 0.0)]:
        strengths = {"weight_regularizer": weight, "dropout_regularizer": entropy}
        dense = K.Dense(4, use_bias=False, kernel_initializer="ones", trainable=False)
        layer = layers.ConcreteDropout(dense, 0.25, name="drop", **strengths)
        model = keras.Sequential([keras.Input((4,)), layer])
        # Inputs of zero: no gradient but that of the penalty.
        model.compile(keras.optimizers.SGD(0.1), "mse")
        logger = kd.callbacks.RateLogger()
        history = model.fit(zeros, zeros, epochs=2, callbacks=[logger], verbose=0)
        # By hand: H has the derivative -a p (1 - p) in the logit a = log(p / (1 - p)).
        logit, expected = np.log(0.25 / 0.75), []
        for _ in range(2):
            p = 1 / (1 + np.exp(-logit))
            slope = weight * 16 * np.exp(logit) + entropy * 4 * logit * p * (1 - p)
            logit = logit - 0.1 * slope
            expected.append(1 / (1 + np.exp(-logit)))
        assert history.history["rate/drop"] == pytest.approx(expected, rel=1e-5)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].rate == layer.rate
    layer.rate = 0.75
    assert layer.rate == pytest.approx(0.75, rel=2**-22)


def test_the_strengths_are_live_and_follow_schedules():
    """The penalty reads each of them again, also on a schedule of training steps."""
    ramp = kd.schedules.Linear(0.0, 0.02, steps=2)
    layer = penalized(seed=0)
    entropy = -0.01501207271

    layer.build((None, 3))
    layer.weight_regularizer = 0.0
    assert float(array(layer.losses[0])) == pytest.approx(entropy, rel=2e-5)
    config = {**layer.get_config(), "dropout_regularizer": ramp}
    layer = layers.ConcreteDropout.from_config(config)
    x = np.ones((4, 3), "float32")
    seen = []
    for _ in range(3):
        layer(x, training=True)
        seen.append(float(array(layer.losses[0])))

    # The bound's strength is 0.01.
    assert seen == pytest.approx([entropy, 2 * entropy, 2 * entropy], rel=2e-5)
    for name in ("weight_regularizer", "dropout_regularizer"):
        with pytest.raises(ValueError, match=f"`{name}`.*not negative"):
            setattr(penalized(), name, -1.0)


@pytest.mark.parametrize("hard", [False, True])
def test_samples_have_hard_masks_where_they_are_asked_for(hard):
    dense = K.Dense(50, use_bias=False, kernel_initializer="identity")
    layer = layers.ConcreteDropout(dense, 0.25, temperature=0.5, hard=hard)
    model = keras.Sequential([keras.Input((50,)), layer])
    x = np.ones((8, 50), "float32")

    drawn = kd.mc_predict(model, x, samples=20, seed=0, return_samples=True).samples
    trained = array(layer(x, training=True))

    is_hard = np.isclose(drawn, 0) | np.isclose(drawn, 4 / 3, rtol=1e-5)
    assert np.all(is_hard) == hard
    assert len(np.unique(trained)) > 100
    if hard:
        error = np.sqrt(0.25 * 0.75 / drawn.size)
        assert abs(np.mean(drawn == 0) - 0.25) < 5 * error


@pytest.mark.slow
def test_recovers_a_line_and_the_noise_around_it():
    """Reference: rates of 0.016 to 0.020 and a noise of 1.13 to 1.16 were measured."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 1)).astype("float32")
    y = (2 * x + 8 + rng.normal(size=x.shape)).astype("float32")
    strengths = kd.losses.kl_weights(500, length_scale=1e-4)

    def wrapped(units, activation=None):
        dense = K.Dense(units, activation)
        return layers.ConcreteDropout(dense, 0.1, **strengths, seed=units)

    stack = [wrapped(256, "relu"), wrapped(255, "relu"), wrapped(2)]
    model = keras.Sequential([keras.Input((1,)), *stack])
    model.compile(keras.optimizers.Adam(1e-2), kd.losses.GaussianNLL())
    model.fit(x, y, epochs=60, batch_size=50, verbose=0)

    mean, log_variance = np.split(model.predict(x, verbose=0), 2, axis=1)

    assert stack[0].rate < 0.05
    assert 0.9 < np.mean(np.exp(0.5 * log_variance)) < 1.3
    # A constant is off by 1.6, the mean of 2 |x|.
    assert np.mean(np.abs(mean - (2 * x + 8))) < 0.5
