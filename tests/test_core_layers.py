"""The core layers against their formulas: by hand, and by their distribution."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_dropout import layers
from keras_dropout._layers._base import formulas
from tests.test_contract import array

pytestmark = pytest.mark.everywhere

SIGMAS = 5
HALF_ULP = {"float32": 2**-23, "mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}


def close_to_mean(values, mean, variance):
    """Whether the mean of independent `values` is within 5 standard errors."""
    values = np.asarray(values, "float64").ravel()
    error = abs(values.mean() - mean)
    return error <= SIGMAS * np.sqrt(variance / values.size)


def close_to_variance(values, variance, fourth_moment):
    """Whether the mean square deviation is within 5 standard errors."""
    spread = fourth_moment - variance**2
    values = np.asarray(values, "float64").ravel()
    error = abs(np.mean((values - values.mean()) ** 2) - variance)
    # The centre is estimated too, which moves the estimate by order 1 / n.
    return error <= SIGMAS * np.sqrt(max(spread, 0) / values.size) + (
        SIGMAS**2 * variance / values.size
    )


def bernoulli_fourth_moment(rate):
    """Fourth central moment of keep / (1 - rate)."""
    keep = 1 - rate
    return (keep * (1 / keep - 1) ** 4) + rate


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_dropout_has_the_asked_rate_mean_and_variance(rate, dtype):
    layer = layers.Dropout(rate, seed=11, dtype=dtype)

    y = array(layer(np.ones((1000, 400), "float32"), training=True))

    # The rate is held in float32, and met as it is held.
    kept = 1 - float(np.float32(rate))
    assert close_to_mean(y != 0, kept, kept * (1 - kept))
    # The scale is rounded once, to the nearest number of the compute dtype.
    scale = array(ops.cast(1 / kept, layer.compute_dtype))
    assert set(np.unique(y)) == {0.0, np.float32(scale)}
    assert abs(scale * kept - 1) <= HALF_ULP[dtype]
    if dtype == "float32":
        variance = (1 - kept) / kept
        assert close_to_mean(y, 1.0, variance)
        assert close_to_variance(y, variance, bernoulli_fourth_moment(1 - kept))


def test_dropout_golden():
    x = ops.convert_to_tensor([1.0, 2.0, 3.0, 4.0])

    half = formulas.where_kept(ops.array([True, False, True, True]), x, 2.0)
    fifth = formulas.where_kept(ops.array([True, True, False, True]), x, 1.25)
    original = formulas.where_kept(ops.array([True, False, True, True]), x)

    assert array(half).tolist() == [2, 0, 6, 8]
    assert array(fifth).tolist() == [1.25, 2.5, 0, 5]
    assert array(original).tolist() == [1, 0, 3, 4]


def test_original_scaling_multiplies_at_inference():
    layer = layers.Dropout(0.5, scaling="inference")

    y = layer(np.array([[1.0, 2.0, 3.0, 4.0]], "float32"))

    assert array(y).tolist() == [[0.5, 1.0, 1.5, 2.0]]


@pytest.mark.parametrize("scaling", ["train", "inference"])
def test_rate_one_drops_everything(scaling):
    layer = layers.Dropout(1.0, scaling=scaling)
    x = np.array([[1.0, np.nan, np.inf]], "float32")

    assert array(layer(x, training=True)).tolist() == [[0, 0, 0]]


def test_rate_zero_is_the_identity():
    x = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")

    assert np.array_equal(array(layers.Dropout(0.0)(x, training=True)), x)


@pytest.mark.parametrize(
    ("layer", "shape", "shared"),
    [
        (layers.SpatialDropout1D(0.5, seed=2), (8, 5, 7), (1,)),
        (
            layers.SpatialDropout1D(0.5, data_format="channels_first", seed=2),
            (8, 7, 5),
            (2,),
        ),
        (layers.SpatialDropout2D(0.5, seed=2), (8, 3, 4, 7), (1, 2)),
        (
            layers.SpatialDropout2D(0.5, data_format="channels_first", seed=2),
            (8, 7, 3, 4),
            (2, 3),
        ),
        (layers.SpatialDropout3D(0.5, seed=2), (8, 3, 4, 2, 7), (1, 2, 3)),
        (layers.ChannelDropout(0.5, seed=2), (8, 3, 7), (1,)),
        (layers.ChannelDropout(0.5, axis=1, seed=2), (8, 7, 3), (2,)),
        (layers.ChannelDropout(0.5, axis=(1, 2), seed=2), (8, 7, 3, 2), (3,)),
        (layers.ChannelDropout(0.5, per="batch", seed=2), (8, 3, 9), (0, 1)),
        (layers.LockedDropout(0.5, seed=2), (8, 5, 7), (1,)),
        (layers.LockedDropout(0.5, time_axis=2, seed=2), (8, 7, 5), (2,)),
        (layers.Dropout(0.5, noise_shape=(None, 1, 7), seed=2), (8, 5, 7), (1,)),
        (layers.AlphaDropout(0.5, noise_shape=(8, 1, None), seed=2), (8, 5, 7), (1,)),
        (layers.FeatureAlphaDropout(0.5, seed=2), (8, 3, 4, 7), (1, 2)),
        (layers.GaussianDropout(0.5, noise_shape=(1, None), seed=2), (8, 7), (0,)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_mask_is_shared_over_the_right_axes_only(layer, shape, shared):
    y = array(layer(np.ones(shape, "float32"), training=True))

    one = y[
        tuple(
            slice(0, 1) if axis in shared else slice(None) for axis in range(len(shape))
        )
    ]
    assert np.array_equal(np.broadcast_to(one, shape), y)
    for axis in set(range(len(shape))) - set(shared):
        first = np.take(one, [0], axis=axis)
        assert not np.array_equal(np.broadcast_to(first, one.shape), one)


@pytest.mark.parametrize(
    "layer",
    [
        layers.SpatialDropout1D(0.3, seed=4),
        layers.ChannelDropout(0.3, seed=4),
        layers.LockedDropout(0.3, seed=4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_channel_masks_have_the_asked_rate(layer):
    y = array(layer(np.ones((2000, 2, 100), "float32"), training=True))

    assert close_to_mean(y[:, 0] != 0, 0.7, 0.7 * 0.3)


def test_spatial_dropout_golden():
    x = ops.convert_to_tensor([[[1.0, 2.0], [3.0, 4.0]]])

    channels = formulas.where_kept(ops.array([[[True, False]]]), x, 2.0)
    locked = formulas.where_kept(ops.array([[[False, True]]]), x, 2.0)

    assert array(channels).tolist() == [[[2, 0], [6, 0]]]
    assert array(locked).tolist() == [[[0, 4], [0, 8]]]


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_gaussian_dropout_matches_the_moments_of_dropout(rate):
    layer = layers.GaussianDropout(rate, seed=3)

    y = array(layer(np.full((1000, 200), 2.0, "float32"), training=True))

    variance = 4 * rate / (1 - rate)
    assert close_to_mean(y, 2.0, variance)
    assert close_to_variance(y, variance, 3 * variance**2)
    assert stats.kstest(y.ravel()[:20000], "norm", (2, variance**0.5)).pvalue > 1e-5


@pytest.mark.parametrize("stddev", [0.1, 3.0])
def test_gaussian_noise_has_the_asked_deviation(stddev):
    y = array(layers.GaussianNoise(stddev, seed=3)(np.ones((500, 200)), training=True))

    assert close_to_mean(y, 1.0, stddev**2)
    assert close_to_variance(y, stddev**2, 3 * stddev**4)


def test_alpha_dropout_golden():
    x = ops.convert_to_tensor([1.0, 1.0])
    keep = ops.array([True, False])

    fifth = formulas.alpha_drop(keep, x, 0.8)
    half = formulas.alpha_drop(keep, x, 0.5)

    assert formulas.alpha_slope(0.8) == pytest.approx(0.8789036, abs=1e-7)
    assert array(fifth) == pytest.approx([1.1879436, -1.2361598], abs=1e-6)
    assert array(half) == pytest.approx([1.6655988, -0.7791939], abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "variance", "expected_mean", "expected_variance"),
    [
        (0, 1, 0.0, 1.0),
        (1, 1, 0.8292, 1.3450),
        (2, 0.5, 1.6583, 1.4608),
        (0, 4, 0, 3.2917),
    ],
)
@pytest.mark.parametrize("cls", [layers.AlphaDropout, layers.FeatureAlphaDropout])
def test_alpha_dropout_has_the_derived_moments(
    cls, mean, variance, expected_mean, expected_variance
):
    slope = formulas.alpha_slope(0.9)
    exact_mean = slope * 0.9 * mean
    spread = variance + 0.1 * (formulas.SELU_SATURATION - mean) ** 2
    exact_variance = slope**2 * 0.9 * spread
    x = np.random.default_rng(1).normal(mean, variance**0.5, (2000, 200))

    y = array(cls(0.1, seed=7)(x.astype("float32"), training=True)).astype("float64")

    assert exact_mean == pytest.approx(expected_mean, abs=5e-5)
    assert exact_variance == pytest.approx(expected_variance, abs=5e-5)
    assert close_to_mean(y, exact_mean, exact_variance)
    fourth = np.mean((y - y.mean()) ** 4)
    assert close_to_variance(y, exact_variance, fourth)


def test_alpha_dropout_does_not_keep_the_mean_of_one_input():
    """A test that expects E[y] = x would be wrong: it is a(qx + pA) + b."""
    y = array(layers.AlphaDropout(0.2, seed=1)(np.ones((500, 500)), training=True))

    # The intercept b is -0.2 a A.
    expected = formulas.alpha_slope(0.8) * 0.8
    assert abs(expected - 1) > 0.2
    assert close_to_mean(y, expected, 0.2 * 0.8 * (1.1879436 + 1.2361598) ** 2)


def test_alpha_dropout_holds_up_to_the_largest_rate_below_one():
    kept = 2.0**-24
    layer = layers.AlphaDropout(1 - kept, seed=1)

    y = array(layer(np.ones((50, 50), "float32"), training=True))

    # One in seven thousand such arrays keeps a unit. The others are a q A.
    expected = formulas.alpha_slope(kept) * kept * formulas.SELU_SATURATION
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("inputs", [None, [np.ones((2, 3))] * 2, {"x": np.ones(3)}])
@pytest.mark.parametrize("training", [True, False])
def test_what_is_not_one_tensor_is_refused(inputs, training):
    for layer in (layers.Dropout(0.5), layers.GaussianNoise(1.0)):
        with pytest.raises(ValueError, match=r"needs one tensor\. Received: a "):
            layer(inputs, training=training)


def test_integer_inputs_are_refused():
    for layer in (layers.Dropout(0.5), layers.GaussianNoise(1.0)):
        for training in (True, False):
            with pytest.raises(ValueError, match=r"floating-point inputs.*dtype=int32"):
                layer(np.ones((2, 3), "int32"), training=training)
        with pytest.raises(ValueError, match="floating-point inputs"):
            layer(keras.Input((3,), dtype="int32"))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.SpatialDropout1D(0.5), (2, 3)),
        (layers.SpatialDropout2D(0.5), (2, 3, 4)),
        (layers.SpatialDropout3D(0.5), (2, 3, 4, 5)),
        (layers.LockedDropout(0.5), (2, 3)),
        (layers.ChannelDropout(0.5, axis=2), (2, 3)),
        (layers.ChannelDropout(0.5), (2,)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_inputs_of_the_wrong_rank_are_refused(layer, shape):
    for x in (np.ones(shape, "float32"), keras.Input(shape[1:])):
        with pytest.raises(ValueError, match="rank"):
            layer(x)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: layers.SpatialDropout2D(0.5, data_format="nhwc"), "data_format"),
        (lambda: layers.Dropout(0.5, scaling="both"), "scaling"),
        (lambda: layers.ChannelDropout(0.5, per="yes"), "per"),
        (lambda: layers.WeightDrop(keras.layers.Dense(2), per="row"), "per"),
        (lambda: layers.RecurrentDropoutGRU(2, per="element"), "per"),
        (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), "noise_shape"),
        (lambda: layers.GaussianDropout(0.5, noise_shape="abc"), "noise_shape"),
        (lambda: layers.AlphaDropout(0.5, noise_shape="abc"), "noise_shape"),
        (lambda: layers.AlphaDropout(1.0), "rate"),
        (lambda: layers.FeatureAlphaDropout(1.0), "rate"),
        (lambda: layers.GaussianDropout(1.0), "rate"),
        (lambda: layers.GaussianNoise(-1.0), "stddev"),
        (lambda: layers.Dropout(0.5, seed=-1), "seed"),
        (lambda: layers.Dropout(0.5, seed=2**31), "seed"),
    ],
)
def test_bad_values_are_refused_when_built(build, match):
    with pytest.raises(ValueError, match=f"`{match}`.*Received: {match}="):
        build()


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: layers.Dropout(0.5, seed="1"), "seed"),
        (lambda: layers.Dropout(0.5, seed=True), "seed"),
        (lambda: layers.Dropout(0.5, monte_carlo=1), "monte_carlo"),
        (lambda: layers.ChannelDropout(0.5, axis="last"), "axis"),
        (lambda: layers.LockedDropout(0.5, time_axis=1.5), "time_axis"),
    ],
)
def test_wrong_kinds_are_refused_when_built(build, match):
    with pytest.raises(TypeError, match=f"`{match}`.*Received: {match}="):
        build()


@pytest.mark.parametrize("noise_shape", [(None, 1, 1), (3, 4), (2, 5)])
def test_noise_shape_that_does_not_fit_is_refused_at_the_first_call(noise_shape):
    layer = layers.Dropout(0.5, noise_shape=noise_shape)

    with pytest.raises(ValueError, match=r"`noise_shape`.*Received"):
        layer(np.ones((2, 4), "float32"), training=True)
