"""Arguments of every kind, by hypothesis: accepted if and only if they are valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dropout import _validation, layers

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


@pytest.mark.parametrize("rate", [-0.5, 1.5, float("nan"), float("inf"), -1e-9])
@pytest.mark.parametrize("name", ["Dropout", "SpatialDropout1D", "GaussianDropout"])
def test_keras_words_are_kept(name, rate):
    words = "Invalid value received for argument `rate`. Expected a float value between"

    with pytest.raises(ValueError, match=words):
        getattr(layers, name)(rate)
