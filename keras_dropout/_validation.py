"""Checks of arguments: what must hold, what came, and the way out."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout._typing import DataFormat, Seed, Shape


def invalid(name: str, expected: str, received: Any) -> str:
    """The text of an error about one argument, in Keras's own words."""
    return (
        f"Invalid value received for argument `{name}`. Expected {expected}. "
        f"Received: {name}={received!r}"
    )


# Noise is drawn in float32 and then cast. Of bfloat16 it is what float32 rounds to.
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}


def _largest(dtype: str) -> float:
    """The largest number that noise may have in a layer of this compute dtype."""
    return _LARGEST.get(dtype, float(np.finfo("float32").max))


def real(name: str, value: Any, expected: str) -> float:
    """`value` as a float; `TypeError` where it is not a real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        # A schedule has a function of this name.
        if not callable(getattr(value, "shape", len)):
            # Of a tensor or variable, which may be large or symbolic, its kind only.
            shape, kind = tuple(value.shape), type(value).__name__
            expected += ", not an array or tensor (use `float(value)`)"
            value = f"{kind} of the shape {shape}"
        raise TypeError(invalid(name, expected, value))
    try:
        return float(value)
    except OverflowError:
        raise ValueError(invalid(name, expected, value)) from None


def single(value: float) -> float:
    """`value` as float32 has it: noise is drawn in that."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def probability(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float in [0, 1]."""
    expected = "a float value between 0 and 1"
    value = real(name, value, expected)
    if not 0 <= value <= 1:
        raise ValueError(invalid(name, expected, value))
    return value


def probability_below_one(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float in [0, 1), for noise that has infinite variance at 1."""
    value = probability(name, value, dtype)
    if single(value) == 1:
        expected = (
            "a float value between 0 and 1, below 1 also in float32 (at 1 the variance "
            "is infinite)"
        )
        raise ValueError(invalid(name, expected, value))
    return value


def drop_rate(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float in [0, 1], for masks that scale what they keep.

    The factor 1 / (1 - rate) must be finite in the layer's dtype. At a rate of 1
    nothing is kept, so nothing is scaled.
    """
    value = probability(name, value, dtype)
    keep = 1 - single(value)
    if keep and 1 / keep > _largest(dtype):
        limit = 1 - 1 / _largest(dtype)
        expected = (
            f"a float value between 0 and {limit:.7f}, or 1, since the layer computes "
            f"in {dtype}, where 1 / (1 - {name}) overflows for values between"
        )
        raise ValueError(invalid(name, expected, value))
    return value


def drop_rate_below_one(name: str, value: Any, dtype: str = "float32") -> float:
    """As `drop_rate`, but below 1."""
    return drop_rate(name, probability_below_one(name, value, dtype), dtype)


def strength(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float of at least 0, the factor of some noise.

    Normal numbers reach 10 standard deviations at the very most, so a tenth of the
    largest number of the layer's dtype is the limit.
    """
    limit = _largest(dtype) / 10
    expected = (
        f"a finite float that is not negative, and at most {limit:.4g}, a tenth of the "
        f"largest {dtype}"
    )
    value = real(name, value, expected)
    if not 0 <= value <= limit:
        raise ValueError(invalid(name, expected, value))
    return value


def non_negative(name: str, value: Any) -> float:
    """`value` as a float that is not negative, and finite in float32."""
    expected = "a finite float that is not negative"
    value = real(name, value, expected)
    if not (value >= 0 and single(value) < math.inf):
        raise ValueError(invalid(name, expected, value))
    return value


def weight(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float that is not negative, the strength of a penalty."""
    return non_negative(name, value)


def positive(name: str, value: Any) -> float:
    """`value` as a float above zero, and finite, both also in float32."""
    expected = "a finite float above 0"
    value = real(name, value, expected)
    if not 0 < single(value) < math.inf:
        raise ValueError(invalid(name, expected, value))
    return value


def finite(name: str, value: Any, dtype: str = "float32") -> float:
    """`value` as a float that is a number in the layer's dtype."""
    limit = _largest(dtype)
    expected = f"a float of at most {limit:.4g}, the largest {dtype}, in magnitude"
    value = real(name, value, expected)
    if not -limit <= value <= limit:
        raise ValueError(invalid(name, expected, value))
    return value


def integer(name: str, value: Any, *, minimum: int) -> int:
    """`value` as an int of at least `minimum`."""
    expected = f"an integer of at least {minimum}"
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None:
        raise TypeError(invalid(name, expected, value))
    if whole < minimum:
        raise ValueError(invalid(name, expected, value))
    return whole


def integers(name: str, value: Any, *, count: int, minimum: int = 1) -> tuple[int, ...]:
    """A tuple of `count` integers, all the same if only one is given."""
    if isinstance(value, (tuple, list)):
        if len(value) != count:
            expected = f"an integer or a tuple of {count} integers"
            raise ValueError(invalid(name, expected, value))
        return tuple(integer(name, each, minimum=minimum) for each in value)
    return (integer(name, value, minimum=minimum),) * count


def interval(name: str, value: Any) -> tuple[float, float]:
    """A pair of finite floats in order, the ends of an interval."""
    expected = "a pair (low, high) of finite floats with low <= high"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(invalid(name, expected, value))
    low, high = (real(name, each, expected) for each in value)
    if not -math.inf < single(low) <= single(high) < math.inf:
        raise ValueError(invalid(name, expected, value))
    return low, high


def axes(name: str, value: Any) -> tuple[int, ...]:
    """A tuple of distinct integers from one integer or several."""
    given = value if isinstance(value, (tuple, list)) else (value,)
    # No backend has tensors of a higher rank.
    checked = tuple(integer(name, each, minimum=-32) for each in given)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(invalid(name, "one or more axes, each once", value))
    return checked


def boolean(name: str, value: Any) -> bool:
    """`value` if it is a bool."""
    if not isinstance(value, bool):
        raise TypeError(invalid(name, "True or False", value))
    return value


def choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """`value` if it is one of `choices`."""
    # Arrays are left out first: `in` would ask for the truth of a comparison.
    if not isinstance(value, (str, numbers.Integral)) or value not in choices:
        expected = "one of " + ", ".join(repr(each) for each in choices)
        raise ValueError(invalid(name, expected, value))
    return value


def data_format(value: Any) -> DataFormat:
    """`"channels_last"`, `"channels_first"`, or Keras's own default for None."""
    if value is None:
        return keras.config.image_data_format()
    return choice("data_format", value, ("channels_last", "channels_first"))


def noise_shape(value: Any) -> Shape | None:
    """A tuple of positive integers and `None`, or `None` for the input's shape."""
    if value is None:
        return None
    if isinstance(value, str):
        expected = "a tuple or list of integers"
        raise ValueError(invalid("noise_shape", expected, value))
    try:
        value = tuple(value)
    except TypeError as error:
        expected = "an iterable of integers (e.g., a tuple or list)"
        raise ValueError(invalid("noise_shape", expected, value)) from error
    for size in value:
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, numbers.Integral):
            expected = "all elements to be integers or None"
            raise ValueError(invalid("noise_shape", expected, value))
        if size < 1:
            expected = "all dimensions to be positive integers or None"
            raise ValueError(invalid("noise_shape", expected, value))
    return value


def seed(value: Any) -> Seed:
    """An int in [0, 2^31), `None`, or a `keras.random.SeedGenerator`."""
    if value is None or isinstance(value, keras.random.SeedGenerator):
        return value
    expected = (
        "an integer in [0, 2**31), a `keras.random.SeedGenerator`, or None "
        "for a new seed each time"
    )
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(invalid("seed", expected, value))
    if not 0 <= value < 1 << 31:
        raise ValueError(invalid("seed", expected, value))
    return int(value)
