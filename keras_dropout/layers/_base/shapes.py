"""Shapes of masks: which axes they share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_dropout._typing import DataFormat, Shape, Tensors
from keras_dropout._validation import invalid
from keras_dropout.random import context


def shared_over(shape: Shape, axes: Iterable[int]) -> Shape:
    """`shape` with 1 on `axes`: one number for all positions along them."""
    rank = len(shape)
    axes = {axis % rank for axis in axes}
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def at_least(size: Any, minimum: int) -> Any:
    """A size, or `minimum` where that is more. The size may be known only later."""
    if isinstance(size, int):
        return max(size, minimum)
    if keras.backend.backend() == "jax":
        import jax

        # In an export sizes are symbols, and so must be what shapes are made of.
        return jax.core.max_dim(size, minimum)
    return ops.maximum(size, minimum)


def padded(x: Any, padding: Any) -> Any:
    """`x` with zeros before and after, so many on each axis.

    `ops.pad` numbers its calls, so `torch.compile` would compile each of them anew.

    Args:
        x: A tensor, also of Booleans.
        padding: For each axis a pair of sizes.
    """
    for axis, sizes in enumerate(padding):
        before, after = (
            [] if isinstance(size, int) and size == 0 else [_zeros(x, axis, size)]
            for size in sizes
        )
        if before or after:
            x = ops.concatenate([*before, x, *after], axis=axis)
    return x


def _zeros(like, axis, size):
    shape = list(ops.shape(like))
    shape[axis] = size
    return ops.zeros(shape, like.dtype)


def positions(rank: int, data_format: DataFormat) -> range:
