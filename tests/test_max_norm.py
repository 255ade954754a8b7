"""The projection itself: exact, idempotent, in float32."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import constraints
from keras_dropout.constraints import max_norm

DTYPES = ("float32", "float16", "bfloat16")


def project(weights, max_value, axis=0):
    constraint = constraints.MaxNorm(max_value, axis)
    return ops.convert_to_numpy(constraint(ops.convert_to_tensor(weights)))


def random_weights(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_scales_the_golden_kernel():
    kernel = np.array([[3, 0.6], [4, 0.8]], "float32")

    projected = project(kernel, 3.0)

    np.testing.assert_array_max_ulp(
        projected, np.array([[1.8, 0.6], [2.4, 0.8]], "float32"), maxulp=1
    )


def test_scales_the_golden_depthwise_kernel():
    kernel = np.array([[3, 0.6], [4, 0.8]], "float32").reshape(2, 1, 2, 1)

    projected = project(kernel, 3.0, axis=(0, 1)).reshape(2, 2)

    np.testing.assert_array_max_ulp(
        projected, np.array([[1.8, 0.6], [2.4, 0.8]], "float32"), maxulp=1
    )


@pytest.mark.parametrize("count", [1, 7, 300, 20_000])
def test_agrees_with_numpy(count):
    weights = random_weights((count, 16)) * np.linspace(0.5, 2, 16, dtype="float32")
    limit = float(np.median(np.linalg.norm(weights.astype("float64"), axis=0)))

    projected = project(weights, limit)

    norms = np.linalg.norm(weights.astype("float64"), axis=0)
    expected = weights * np.minimum(1, limit / norms)
    bound = max_norm.rounding("float32", count)
    np.testing.assert_allclose(projected, expected, rtol=bound, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("room", np.linspace(1, 2, 9))
def test_does_not_move_what_is_inside(dtype, room):
    weights = ops.cast(random_weights((64, 32)), dtype)
    before = ops.convert_to_numpy(ops.cast(weights, "float32"))
    limit = room * float(np.linalg.norm(before.astype("float64"), axis=0).max())

    after = constraints.MaxNorm(limit)(weights)

    assert keras.backend.standardize_dtype(after.dtype) == dtype
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.cast(after, "float32")), before
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(5))
def test_is_idempotent_bit_for_bit(dtype, seed):
    weights = ops.cast(random_weights((5_000, 64), seed), dtype)
    constraint = constraints.MaxNorm(3.0)

    once = constraint(weights)
    twice = constraint(once)

    once, twice = (ops.convert_to_numpy(ops.cast(w, "float32")) for w in (once, twice))
    np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exceeds_the_limit_by_rounding_at_most(dtype):
    weights = ops.cast(random_weights((5_000, 64)), dtype)

    projected = constraints.MaxNorm(3.0)(weights)

    projected = ops.convert_to_numpy(ops.cast(projected, "float32")).astype("float64")
    norms = np.linalg.norm(projected, axis=0)
    bound = 3.0 * max_norm.rounding(dtype, 5_000)
    assert np.all(np.abs(norms - 3.0) <= bound)


def test_keeps_zero_at_zero_and_the_sign_of_it():
    weights = np.array([[0.0, -0.0], [0.0, 0.0]], "float32")

    projected = project(weights, 1.0)

    assert projected.tobytes() == weights.tobytes()


def test_does_not_hide_nan():
    weights = np.array([[np.nan, 3.0], [1.0, 4.0]], "float32")

    projected = project(weights, 1.0)

    assert np.isnan(projected[0, 0])
    np.testing.assert_allclose(projected[:, 1], [0.6, 0.8], rtol=1e-6)


def test_counts_axes_from_the_end_too():
    weights = random_weights((3, 4, 5)) * 10

    assert np.array_equal(
        project(weights, 1.0, axis=(0, 1)), project(weights, 1.0, axis=(-3, -2))
    )


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_refuses_a_limit_that_is_no_positive_number(value):
    with pytest.raises(ValueError, match="max_value"):
        constraints.MaxNorm(value)


@pytest.mark.parametrize("value", [None, "3", True, [3.0]])
def test_refuses_a_limit_of_another_kind(value):
    with pytest.raises(TypeError, match="max_value"):
        constraints.MaxNorm(value)


@pytest.mark.parametrize("axis", [(), (0, 0), -33])
def test_refuses_axes_that_are_none_or_repeated(axis):
    with pytest.raises(ValueError, match="axis"):
        constraints.MaxNorm(axis=axis)


@pytest.mark.parametrize("axis", [None, 1.0, "0", True, (0, "1")])
def test_refuses_axes_of_another_kind(axis):
    with pytest.raises(TypeError, match="axis"):
        constraints.MaxNorm(axis=axis)


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
def test_refuses_axes_that_the_weight_lacks(axis):
    with pytest.raises(ValueError, match=r"axes of a weight of shape \(2, 3\)"):
        constraints.MaxNorm(axis=axis)(ops.ones((2, 3)))


def test_comes_back_from_its_configuration():
    constraint = constraints.MaxNorm(2.5, axis=(0, 1))

    config = keras.saving.serialize_keras_object(constraint)
    copy = keras.saving.deserialize_keras_object(config)

    assert copy.get_config() == {"max_value": 2.5, "axis": (0, 1)}
