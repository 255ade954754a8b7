"""Losses of predicted data noise: golden numbers, gradients, training and saving."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import losses

K = keras.layers

# Two outputs: means, then log variances.
Y, PREDICTED = np.array([[1.0, -0.5]]), np.array([[0.5, 0.0, 0.2, -1.0]])
EACH = np.array([0.2023413441, -0.1602147714])

LOGITS, SIGMA = np.array([[2.0, 0.5, -1.0]]), np.array([[0.5, 1.0, 0.2]])
NOISE = np.array([[0.1, -0.2, 0.3], [-1, 0.5, 0], [1.5, 1, -0.5]])[:, None]
LOG_VARIANCES = 2 * np.log(SIGMA)
WITH_NOISE = np.concatenate([LOGITS, LOG_VARIANCES], axis=1)


def array(x):
    return ops.convert_to_numpy(x)


def tensor(x):
    return ops.convert_to_tensor(x, "float32")


def gradient(loss, y, outputs):
    """The gradient with respect to the outputs, on each backend."""
    outputs = np.asarray(outputs, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.Variable(outputs)
        with tf.GradientTape() as tape:
            value = loss(y, x)
        return tape.gradient(value, x).numpy()
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: loss(y, x))(outputs))
    x = ops.convert_to_tensor(outputs).requires_grad_()
    loss(y, x).backward()
    return array(x.grad)


def test_gaussian_nll_golden():
    assert float(losses.GaussianNLL()(Y, PREDICTED)) == pytest.approx(EACH.mean(), 2e-5)
    rows = losses.GaussianNLL(reduction=None)
    two = np.array([[0.5, 0.2], [0.0, -1.0]])  # one output: two rows
    assert array(rows(Y[0], two)) == pytest.approx(EACH, rel=2e-5)


def test_beta_weighs_by_the_variance_without_a_gradient():
    """The gradients of one output, by hand: with 1 that of the squared error."""
    mean, s = PREDICTED[0, :2], PREDICTED[0, 2:]
    for beta in (0.0, 0.5, 1.0):
        loss = losses.GaussianNLL(beta=beta)
        weight = np.exp(beta * s)
        assert float(loss(Y, PREDICTED)) == pytest.approx((weight * EACH).mean(), 2e-5)
        of_mean = weight * np.exp(-s) * (mean - Y[0]) / 2
        of_s = weight * (0.5 - 0.5 * np.exp(-s) * (Y[0] - mean) ** 2) / 2
        by_hand = [*of_mean, *of_s]
        assert gradient(loss, Y, PREDICTED)[0] == pytest.approx(by_hand, rel=2e-5)


def test_crossentropy_golden_under_given_noise():
    loss = losses.HeteroscedasticCrossentropy(samples=3)
    given = loss.integrated(
        *map(tensor, (np.eye(3)[[0]], LOGITS, LOG_VARIANCES, NOISE))
    )

    assert array(given) == pytest.approx([0.3221329606], rel=2e-5)


def test_crossentropy_converges_to_the_mean_of_probabilities():
    """Within five standard errors of 2^16 draws of other numbers."""
    noise = np.random.default_rng(0).normal(size=(1 << 16, 3))
    x = np.exp(LOGITS + SIGMA * noise)
    p = x[:, 0] / x.sum(axis=1)
    error = p.std() / p.mean() / 2**8

    loss = losses.HeteroscedasticCrossentropy(samples=1 << 16, seed=0)(
        np.array([0]), WITH_NOISE
    )

    # Both have that error.
    assert abs(float(loss) + np.log(p.mean())) < 5 * 2**0.5 * error


def test_labels_may_be_integers_one_hot_or_soft():
    """Each from a loss of the same seed, so under the same noise."""

    def loss(labels):
        made = losses.HeteroscedasticCrossentropy(4, seed=3)
        return float(made(labels, np.repeat(WITH_NOISE, 2, axis=0)))

    expected = loss(np.array([0, 2]))

    for labels in (np.array([[0], [2]]), np.eye(3)[[0, 2]], np.array([0.0, 2.0])):
        assert loss(labels) == pytest.approx(expected, rel=1e-6)
    each = [loss(np.full(2, label)) for label in range(3)]
    soft = loss(np.full((2, 3), [0.5, 0.2, 0.3]))
    assert soft == pytest.approx(np.dot(each, [0.5, 0.2, 0.3]), rel=1e-5)
    assert np.isnan(loss(np.array([0, 3])))


def test_without_noise_it_is_the_plain_crossentropy_however_sure():
    loss = losses.HeteroscedasticCrossentropy(seed=0)
    sure = np.array([[0.0, 300.0, -300.0, -200.0, -200.0, -200.0]])

    assert float(loss(np.array([0]), sure)) == pytest.approx(300.0)
    assert float(loss(np.array([2]), sure)) == pytest.approx(600.0)


def test_draws_anew_on_each_call_and_repeats_by_seed():
    y = np.array([1])
    first, again = (losses.HeteroscedasticCrossentropy(2, seed=5) for _ in range(2))
    other = losses.HeteroscedasticCrossentropy(2, seed=6)
    drawn = [float(first(y, WITH_NOISE)) for _ in range(3)]

    assert len(set(drawn)) == 3
    assert [float(again(y, WITH_NOISE)) for _ in range(3)] == drawn
    assert float(other(y, WITH_NOISE)) not in drawn


def test_the_gradient_is_that_of_the_noise_drawn():
    """By differences, all of them under the noise of the first call of one seed."""
    y, width = np.array([1]), 1e-2

    def one(outputs):
        loss = losses.HeteroscedasticCrossentropy(3, seed=0)
        parts = (np.eye(3)[y], *np.split(outputs, 2, axis=-1), NOISE)
        return float(loss.integrated(*map(tensor, parts))[0])

    class Given(losses.HeteroscedasticCrossentropy):
        def integrated(self, targets, logits, s, noise):
            return super().integrated(targets, logits, s, tensor(NOISE))

    steps = np.eye(6) * width
    numeric = [
        (one(WITH_NOISE + step) - one(WITH_NOISE - step)) / (2 * width)
        for step in steps
    ]

    # Central differences in float32: rounding 1e-7 / width, and width^2 of curvature.
    assert gradient(Given(3), y, WITH_NOISE)[0] == pytest.approx(numeric, abs=2e-4)


MAKERS = {
    "gaussian": (lambda **k: losses.GaussianNLL(beta=0.5, **k), 2, "float32"),
    "crossentropy": (
        lambda **k: losses.HeteroscedasticCrossentropy(samples=3, seed=7, **k),
        4,
        "int32",
    ),
}
every_loss = pytest.mark.parametrize(
    ("make", "units", "labels"), MAKERS.values(), ids=MAKERS
)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"], indirect=True)
@every_loss
def test_trains_saves_and_loads(make, units, labels, tmp_path, policy):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (x[:, :1] > 0).astype(labels)
    model = keras.Sequential([K.Input((3,)), K.Dense(units)])
    model.compile(keras.optimizers.Adam(0.1), make(reduction="sum"))

    history = model.fit(x, y, batch_size=32, epochs=8, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.loss.reduction == "sum"
    assert np.isfinite(loaded.evaluate(x, y, verbose=0))


@every_loss
def test_computes_in_float32_whatever_the_outputs(make, units, labels):
    outputs = np.linspace(-1, 1, units)[None].astype("float16")
    y = np.zeros((1, 1), labels)

    half = make()(y, ops.convert_to_tensor(outputs))

    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    single = make()(y, outputs.astype("float32"))
    assert float(half) == pytest.approx(float(single), rel=1e-6)


def test_the_noise_is_new_in_each_compiled_step():
    """The model does not learn, but its predictions change by one unit of rounding.

    JAX keeps no state of a loss, so the predictions must stir the seed.
    """
    model = keras.Sequential([K.Input((1,)), K.Dense(4, kernel_initializer="ones")])
    loss = losses.HeteroscedasticCrossentropy(2, seed=0)
    model.compile(keras.optimizers.SGD(1e-6), loss)
    x, y = np.ones((8, 1), "float32"), np.zeros(8, "int32")

    drawn = [model.train_on_batch(x, y) for _ in range(8)]

    assert len({round(float(each), 4) for each in drawn}) > 4


def test_shared_seed_generators_are_saved():
    generator = keras.random.SeedGenerator(3)
    loss = losses.HeteroscedasticCrossentropy(seed=generator)

    copy = keras.losses.deserialize(keras.losses.serialize(loss))

    assert copy.seed.get_config()["seed"] == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.GaussianNLL(beta=2), ValueError, "`beta`"),
        (lambda: losses.GaussianNLL(beta="0.5"), TypeError, "`beta`"),
        (lambda: losses.HeteroscedasticCrossentropy(0), ValueError, "`samples`"),
        (lambda: losses.HeteroscedasticCrossentropy(2.5), TypeError, "`samples`"),
        (lambda: losses.HeteroscedasticCrossentropy(seed=-1), ValueError, "`seed`"),
    ],
)
def test_refuses_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("loss", "y", "outputs", "message"),
    [
        (losses.GaussianNLL(), (2, 1), (2, 3), "twice as many units"),
        (losses.GaussianNLL(), (2, 2), (2, 2), r"two numbers.*\(2, 2\)"),
        (losses.GaussianNLL(), (2,), (2, 4), r"two numbers.*\(2,\)"),
        (losses.HeteroscedasticCrossentropy(), (2,), (2, 5), "twice as many units"),
        (losses.HeteroscedasticCrossentropy(), (2,), (2, 2), "two classes or more"),
        (losses.HeteroscedasticCrossentropy(), (2, 2), (2, 6), r"one label for each"),
    ],
)
def test_refuses_shapes(loss, y, outputs, message):
    with pytest.raises(ValueError, match=message):
        loss(np.zeros(y), np.zeros(outputs))
