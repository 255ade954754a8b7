"""Arguments of every kind, by hypothesis: accepted if and only if they are valid."""

import fractions

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dropout import _validation, layers
from keras_dropout.schedules import Linear

# What rounds to no more than the largest float32.
LARGEST = (2 - 2.0**-24) * 2.0**127 * (1 - 2.0**-53)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.integers(-5, 5),
    st.floats(allow_nan=True, allow_infinity=True),
    st.lists(st.floats(), max_size=2),
    st.complex_numbers(),
)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@given(ANYTHING)
def test_a_rate_is_a_real_number_in_the_unit_interval(value):
    if not is_number(value):
        with pytest.raises(TypeError, match=r"`rate`.*Received: rate="):
            _validation.probability("rate", value)
    elif not 0 <= value <= 1:
        with pytest.raises(ValueError, match=r"`rate`.*Received: rate="):
            _validation.probability("rate", value)
    else:
        assert _validation.probability("rate", value) == value


@given(ANYTHING)
def test_a_deviation_is_finite_and_not_negative(value):
    if not is_number(value):
        with pytest.raises(TypeError, match="Received"):
            _validation.non_negative("stddev", value)
    elif not 0 <= value <= LARGEST:
        with pytest.raises(ValueError, match="Received"):
            _validation.non_negative("stddev", value)
    else:
        assert _validation.non_negative("stddev", value) == value


@given(
    st.one_of(
        ANYTHING,
        st.lists(st.one_of(st.none(), st.integers(-1, 4), st.just("1")), max_size=4),
    )
)
def test_a_noise_shape_holds_positive_integers_and_none(value):
    fits = value is None or (
        isinstance(value, list)
        and all(size is None or (type(size) is int and size > 0) for size in value)
    )
    if fits:
        expected = None if value is None else tuple(value)
        assert _validation.noise_shape(value) == expected
    else:
        with pytest.raises(ValueError, match="`noise_shape`"):
            _validation.noise_shape(value)


# A value, the layer that is built with it, and the kind of error if it is refused.
AS_USED = [
    (lambda: layers.GaussianDropout(1 - 1e-9), ValueError),
    (lambda: layers.GaussianDropout(1 - 1e-6, dtype="float16"), None),
    (lambda: layers.AlphaDropout(1 - 1e-9), ValueError),
    (lambda: layers.FeatureAlphaDropout(1 - 1e-9), ValueError),
    (lambda: layers.WeightDrop(keras.layers.Dense(2), 1 - 1e-9), ValueError),
    (lambda: layers.GaussianNoise(1e39), ValueError),
    (lambda: layers.GaussianNoise(1e30), None),
    (lambda: layers.GaussianNoise(1e30, dtype="bfloat16"), None),
    (lambda: layers.GaussianNoise(3e4, dtype="float16"), ValueError),
    (lambda: layers.GaussianNoise(3e4, dtype="mixed_float16"), ValueError),
    (lambda: layers.GaussianNoise(3e3, dtype="float16"), None),
    (lambda: layers.UOut(1e39), ValueError),
    (lambda: layers.UOut(1e5, dtype="float16"), ValueError),
    (lambda: layers.Dropout(0.99999, dtype="float16"), ValueError),
    (lambda: layers.Dropout(0.99999, dtype="bfloat16"), None),
    (lambda: layers.Dropout(0.99999), None),
    (lambda: layers.Dropout(1.0, dtype="float16"), None),
    (lambda: layers.Dropout(0.9999, dtype="float16"), None),
    (lambda: layers.SpatialDropout1D(0.99999, dtype="float16"), ValueError),
    (lambda: layers.DropPath(Linear(0.0, 0.99999, 5), dtype="float16"), ValueError),
    (
        lambda: layers.DropConnect(keras.layers.Dense(2, dtype="float16"), 0.99999),
        ValueError,
    ),
    (lambda: layers.Cutout(3, fill_value=float("nan")), ValueError),
    (lambda: layers.Cutout(3, fill_value=1e39), ValueError),
    (lambda: layers.Cutout(3, fill_value=1e5, dtype="float16"), ValueError),
    (lambda: layers.Cutout(3, fill_value=-1e4, dtype="float16"), None),
    (lambda: layers.ShakeDrop(alpha_range=(0.0, 1e39)), ValueError),
    (lambda: layers.Dropout(10**400), ValueError),
    (lambda: layers.GaussianNoise(-(10**400)), ValueError),
    (lambda: layers.Dropout(keras.Variable(0.3)), TypeError),
    (lambda: layers.GaussianNoise(keras.ops.ones(2)), TypeError),
    (lambda: layers.Dropout(np.array([0.3])), TypeError),
    (lambda: layers.Dropout(np.bool_(True)), TypeError),
    (lambda: layers.Dropout(0.3 + 0j), TypeError),
    (lambda: layers.Dropout(np.float32(0.25)), None),
    (lambda: layers.Dropout(np.int64(1)), None),
    (lambda: layers.Dropout(fractions.Fraction(1, 4)), None),
    (lambda: layers.Dropout(0.5, scaling=np.array(["train", "test"])), ValueError),
    (lambda: layers.Dropout(0.5, scaling=np.array(["train"])), ValueError),
    (lambda: layers.Dropout(0.5, scaling=keras.ops.ones(3)), ValueError),
    (lambda: layers.Dropout(0.5, scaling=["train"]), ValueError),
    (lambda: layers.Dropout(0.5, scaling=np.str_("train")), None),
]


@pytest.mark.parametrize(("build", "error"), AS_USED)
def test_values_are_checked_as_they_will_be_used(build, error):
    if error is None:
        assert isinstance(build(), layers.NoiseLayer)
        return
    with pytest.raises(error, match=r"Expected .*\. Received: "):
        build()


def test_a_refused_variable_is_not_printed_but_told_how_to_pass():
    with pytest.raises(TypeError, match=r"use `float\(value\)`"):
        layers.Dropout(keras.Variable(0.3))


HALF = [
    layers.Dropout(0.99998, seed=0, dtype="float16"),
    layers.GaussianDropout(0.9999, seed=0, dtype="float16"),
    layers.GaussianNoise(6550.0, seed=0, dtype="float16"),
    layers.UOut(6550.0, seed=0, dtype="float16"),
]


@pytest.mark.parametrize("layer", HALF, ids=lambda layer: type(layer).__name__)
def test_what_half_precision_takes_stays_finite(layer):
    y = layer(np.ones((400, 500), "float16"), training=True)

    assert np.isfinite(keras.ops.convert_to_numpy(y)).all()
    assert keras.ops.max(y) > 1


@pytest.mark.parametrize("rate", [-0.5, 1.5, float("nan"), float("inf"), -1e-9])
@pytest.mark.parametrize("name", ["Dropout", "SpatialDropout1D", "GaussianDropout"])
def test_keras_words_are_kept(name, rate):
    words = "Invalid value received for argument `rate`. Expected a float value between"

    with pytest.raises(ValueError, match=words):
        getattr(layers, name)(rate)
