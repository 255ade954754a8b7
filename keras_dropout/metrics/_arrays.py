"""Arrays of numbers as the metrics take them: checked, aligned and averaged."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def reals(name: str, value: ArrayLike, *, infinite: bool = False) -> np.ndarray:
    """`value` as a float64 array of one number or more, none of them NaN.

    Args:
        name: What the errors call it.
        value: The numbers.
        infinite: Whether infinity has a meaning.
    """
    array = np.asarray(value)
    if array.dtype.kind in "cSUOmM":
        raise TypeError(
            f"`{name}` must be an array of real numbers, of one shape. Received: "
            f"{name} of dtype {array.dtype}"
        )
    array = array.astype(np.float64)
    if not array.size:
        raise ValueError(
            f"`{name}` must have one element or more. Received: {name} of shape "
            f"{array.shape}"
        )
    good = ~np.isnan(array) if infinite else np.isfinite(array)
    if not good.all():
        what = "no NaN" if infinite else "neither NaN nor infinity"
        raise ValueError(
            f"`{name}` must hold {what}. Leave such rows out first, for example with "
            f"`numpy.isfinite`. Received: {name} of shape {array.shape} with "
            f"{np.count_nonzero(~good)} of them"
        )
    return array


def aligned(**arrays: np.ndarray) -> list[np.ndarray]:
    """Arrays of one shape; a single number fits all.

    A last axis of size 1 may be missing, since Keras models give `(rows, 1)` where
    targets are `(rows,)`. Nothing else is broadcast.
    """
    arrays_of_size = [array for array in arrays.values() if array.ndim]
    shape = max((a.shape for a in arrays_of_size), key=len, default=())
    done = []
    for array in arrays.values():
        if array.ndim and (*array.shape, 1) == shape:
            array = array[..., None]
        if array.ndim and array.shape != shape:
            shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
            raise ValueError(f"All arrays must have one shape. Received: {shapes}")
        done.append(np.broadcast_to(array, shape))
    return done


def weights_like(values: np.ndarray, sample_weight: ArrayLike | None) -> np.ndarray:
    """A weight for each value. A weight for a row holds for all that is in it."""
    if sample_weight is None:
        return np.ones(values.shape)
    weights = reals("sample_weight", sample_weight)
    if weights.shape == (*values.shape, 1):
        weights = weights[..., 0]
    if weights.shape != values.shape[: weights.ndim]:
        raise ValueError(
            "`sample_weight` must have one weight a row, or one for each value. "
            f"Received: sample_weight of shape {weights.shape} for values of shape "
            f"{values.shape}"
        )
    if (weights < 0).any() or not weights.any():
        raise ValueError(
            "`sample_weight` must hold no negative number, and one above 0. Received: "
            f"numbers from {weights.min()} to {weights.max()}"
        )
    trailing = (1,) * (values.ndim - weights.ndim)
    return np.broadcast_to(weights.reshape(weights.shape + trailing), values.shape)


def mean(values: np.ndarray, sample_weight: ArrayLike | None) -> float:
    """The weighted mean. What has weight 0 does not count, whatever it is."""
    weights = weights_like(values, sample_weight)
    counted = weights > 0
    return float(np.average(values[counted], weights=weights[counted]))
