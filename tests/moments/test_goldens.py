"""Golden numbers by hand, and what holds on each backend alike."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.moments import gaussian

K, D = keras.layers, kd.layers


def tensors(*values):
    return [ops.convert_to_tensor(np.array(x, "float32")) for x in values]


def near(found, expected, tolerance=2e-6, absolute=2e-7):
    found = [ops.convert_to_numpy(x) for x in found]
    for each, value in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, value, rtol=tolerance, atol=absolute)


def test_relu_of_normal_numbers_golden():
    found = gaussian.relu(*tensors([0, 1, -1, -3, 3], [1, 0.25, 4, 1, 1]))

    near(
        found,
        (
            [0.3989422804, 1.0042453511, 0.395593115, 0.000382154317, 3.0003821543],
            [0.3408450569, 0.2400490927, 0.6820631276, 0.0002032890386, 0.9975034930],
        ),
        1e-5,
        # The error function rounds where it is near to 1.
        1e-6,
    )


def test_relu_keeps_a_small_variance_far_from_zero():
    """The usual difference of squares is 0 here in float32."""
    near(
        gaussian.relu(*tensors([1000, -1000, 2], [1e-4, 1e-4, 0])),
        ([1000, 0, 2], [1e-4, 0, 0]),
    )


def test_the_larger_of_two_golden():
    found = gaussian.larger(*tensors([1], [1], [0.5], [0.25]))

    near(found, ([1.2399053532], [0.5769724277]))


def test_quadrature_is_that_of_gelu_in_closed_form():
    m, v = np.array([-1.0, 0.0, 2.0]), np.array([0.5, 1.0, 3.0])
    mean, variance = tensors(m, v)
    root = np.sqrt(1 + v)
    phi = np.exp(-0.5 * (m / root) ** 2) / np.sqrt(2 * np.pi)
    below = ops.convert_to_numpy(
        gaussian.below(mean / ops.convert_to_tensor(root, "float32"))
    )

    found, spread = gaussian.quadrature(keras.activations.gelu, mean, variance)

    # GELU with the exact distribution: m Phi + v phi / sqrt(1 + v).
    exact = gaussian.quadrature(lambda x: x * gaussian.below(x), mean, variance)
    near([exact[0]], [m * below + v * phi / root], 1e-4)
    near([found], [ops.convert_to_numpy(exact[0])], 1e-2)
    assert (ops.convert_to_numpy(spread) > 0).all()


LOGITS = np.array([[1, 2, 0.5]]) @ np.array([[1, 0, -1], [0.5, -0.5, 0], [0, 1, 2]])
LOGITS = LOGITS + np.array([0, 0.1, -0.1])


def mean_field(mean, covariance):
    """The mean field by pairs of Lu, Ie and Sha, to compare with."""
    v = np.diag(covariance)
    apart = 1 + np.pi / 8 * (v[:, None] + v - 2 * covariance)
    p = 1 / np.exp((mean - mean[:, None]) / np.sqrt(apart)).sum(axis=-1)
    return p / p.sum()


@pytest.mark.parametrize("shared", [0.0, 0.7])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_softmax_is_that_of_normal_logits(classes, shared):
    """Nearer to a sampled one than the mean field, which is off by twice as much."""
    rng = np.random.default_rng(classes)
    mean, factor = 2 * rng.normal(size=classes), rng.normal(size=(classes, classes))
    covariance = shared * factor @ factor.T / classes + (1 - shared) * np.eye(classes)
    logits = rng.multivariate_normal(mean, covariance, size=20_000)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    chance = 4 * (p.std(axis=0) / 20_000**0.5).sum() / 2

    given = tensors(mean[None], np.diag(covariance)[None])
    given += tensors(covariance[None]) if shared else []
    found, variance = map(ops.convert_to_numpy, gaussian.softmax(*given))

    apart = np.abs(found[0] - p.mean(axis=0)).sum() / 2
    field = np.abs(mean_field(mean, covariance) - p.mean(axis=0)).sum() / 2
    # Of two classes only the sampling is not exact.
    assert apart < chance + (classes > 2) * field / 2
    np.testing.assert_allclose(np.sqrt(variance[0]), p.std(axis=0), atol=0.02)
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_softmax_of_certain_logits_is_the_softmax():
    mean, variance = gaussian.softmax(*tensors(LOGITS, np.zeros_like(LOGITS)))

    near(
        [mean, variance], [ops.convert_to_numpy(ops.softmax(LOGITS)), np.zeros((1, 3))]
    )


def last_layer(units, **kwargs):
    """Dropout before one layer, with the weights of the sheet."""
    inputs = keras.Input((4,))
    head = K.Dense(units, **kwargs)
    model = keras.Model(inputs, head(D.Dropout(0.25)(inputs)))
    kernel = np.tile([[0.5], [-1], [2], [0.25]], (1, units))
    head.set_weights([kernel, np.full(units, 0.1)])
    return model, np.array([[1, 2, 0, 3]], "float32")


def test_dropout_before_the_last_linear_layer_is_exact_golden():
    model, x = last_layer(1)

    found = kd.propagate_moments(model, x)

    assert found.exact is True
    near([found.mean, found.variance], ([[-0.65]], [[1.6041666667]]))
    assert found.active == (model.layers[1].name,)
    assert "exact moments" in repr(found)


def golden_net():
    inputs = keras.Input((2,))
    first, second = K.Dense(3, activation="relu"), K.Dense(1)
    x = first(D.Dropout(0.2)(inputs))
    model = keras.Model(inputs, second(D.Dropout(0.2)(x)))
    first.set_weights(
        [np.array([[0.5, -1, 0.3], [0.25, 0.75, -0.6]]), np.array([0.1, 0, -0.2])]
    )
    second.set_weights([np.array([[1], [-0.5], [2]]), np.array([0.05])])
    return model, np.array([[1, -2]], "float32")


def test_correlated_units_are_not_exact_golden():
    """Sixteen per cent too much: the units of the first layer share its masks."""
    model, x = golden_net()

    found = kd.propagate_moments(model, x)

    assert found.exact is False
    near([found.mean, found.variance], ([[2.8542344771]], [[3.6344714199]]))
    # Of all 32 masks the mean is 2.85 and the variance 3.138125.
    assert float(found.variance[0, 0]) / 3.138125 == pytest.approx(1.158, abs=1e-3)


def test_softmax_of_the_last_layer_counts_what_its_logits_share():
    inputs = keras.Input((3,))
    head = K.Dense(3, activation="softmax")
    model = keras.Model(inputs, head(K.Dropout(0.5)(inputs)))
    head.set_weights(
        [np.array([[1, 0, -1], [0.5, -0.5, 0], [0, 1, 2]]), np.array([0, 0.1, -0.1])]
    )

    found = kd.propagate_moments(model, np.array([[1, 2, 0.5]], "float32"))

    assert (found.kind, found.exact) == ("probabilities", False)
    # Of all 8 masks it is 0.6618; the mean field by pairs has 0.6363.
    assert found.mean[0, 0] == pytest.approx(0.65425, abs=5e-5)
    assert 0 < found.mutual_information[0] <= found.entropy[0]


def test_convolutions_pooling_and_joins_are_alike_on_each_backend():
    """All that backends compute by themselves; the numbers are those of PyTorch."""
    inputs = keras.Input((4, 4, 2))
    x = D.Dropout(0.5)(inputs)
    conv = K.Conv2D(3, 2, padding="same", activation="tanh")(x)
    deep = K.SeparableConv2D(3, 2, padding="same")(x)
    x = K.Add()([K.MaxPooling2D(2)(conv), K.AveragePooling2D(2, padding="same")(deep)])
    x = K.Conv2DTranspose(2, 2, 2)(K.BatchNormalization()(x))
    x = K.UpSampling2D(2)(K.ZeroPadding2D(1)(K.Cropping2D(1)(x)))
    model = keras.Model(inputs, K.Dense(2)(K.GlobalMaxPooling2D()(x)))
    rng = np.random.default_rng(0)
    weights = [np.abs(rng.normal(size=w.shape)) for w in model.get_weights()]
    model.set_weights(weights)
    image = rng.normal(size=(2, 4, 4, 2)).astype("float32")

    found = kd.propagate_moments(model, image, batch_size=1)

    near([found.mean, found.variance], (MEAN, VARIANCE), 1e-4)


MEAN = [[28.5015258789, 27.8450927734], [27.8014640808, 25.7290363312]]
VARIANCE = [[4.9054393768, 2.0987412930], [5.4704566002, 1.9631949663]]
