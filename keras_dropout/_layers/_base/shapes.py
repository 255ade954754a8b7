"""Shapes of masks: which axes they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from keras_dropout._typing import DataFormat, Shape, Tensor, Tensors
from keras_dropout._validation import invalid
from keras_dropout.random import context


def shared_over(shape: Shape, axes: Iterable[int]) -> Shape:
    """`shape` with 1 on `axes`: one number for all positions along them."""
    rank = len(shape)
    axes = {axis % rank for axis in axes}
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def is_empty(shape: Shape) -> bool:
    """Whether one of the sizes is 0, as far as they are known."""
    return any(isinstance(size, int) and size == 0 for size in shape)


def at_least(size: Any, minimum: int) -> Any:
    """A size, or `minimum` where that is more. The size may be known only later."""
    if isinstance(size, int):
        return max(size, minimum)
    if keras.backend.backend() == "jax":
        import jax

        # In an export sizes are symbols, and so must be what shapes are made of.
        return jax.core.max_dim(size, minimum)
    return ops.maximum(size, minimum)


def padded(x: Tensor, padding: Sequence[tuple[Any, Any]]) -> Tensor:
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
    """The axes between batch and channels."""
    first = 2 if data_format == "channels_first" else 1
    return range(first, first + rank - 2)


def channels(data_format: DataFormat) -> int:
    """The axis of the channels."""
    return 1 if data_format == "channels_first" else -1


def one_per(
    per: str,
    shape: Shape,
    *,
    channels: tuple[int, ...] = (-1,),
    within: tuple[int, ...] = (),
) -> Shape:
    """The shape of what is drawn where each `per` has a draw of its own.

    Args:
        per: `"element"`, `"channel"` (of each row), `"row"`, `"step"` (of each row),
            `"batch"`, or for weights `"input"`: all axes but the last.
        shape: The shape of what the noise is for.
        channels: The axes of the channels.
        within: Axes along which a single draw differs: the units of a mask that all
            steps of a row share.
    """
    every = range(len(shape))
    own = {
        "element": every,
        "channel": (0, *channels),
        "row": (0,),
        "step": (0, 1),
        "batch": (),
        "input": every[:-1],
    }[per]
    # A single number has no axis to share, or not to.
    own = {axis % len(shape) for axis in (*own, *within)} if shape else set()
    return shared_over(shape, set(every) - own)


def resolve(noise_shape: Shape | None, shape: Shape) -> Shape:
    """The shape that `noise_shape` asks for, given the input's shape."""
    if noise_shape is None:
        return tuple(shape)
    if len(noise_shape) != len(shape):
        expected = f"one entry for each of the {len(shape)} axes of the input"
        raise ValueError(invalid("noise_shape", expected, noise_shape))
    resolved = []
    for axis, (asked, size) in enumerate(zip(noise_shape, shape, strict=True)):
        if asked is None or (axis == 0 and asked != 1 and context.is_active()):
            # While samples are drawn the batch is that of all samples.
            asked = size
        elif asked != 1 and isinstance(size, int) and asked != size:
            expected = f"1, None or {size} on axis {axis} of inputs of shape {shape}"
            raise ValueError(invalid("noise_shape", expected, noise_shape))
        resolved.append(asked)
    return tuple(resolved)


def check_rank(layer: keras.layers.Layer, inputs: Tensors, rank: int) -> None:
    """Refuses inputs of another rank."""
    if len(inputs.shape) != rank:
        raise ValueError(
            f"{type(layer).__name__} needs inputs of rank {rank}. Received: an input "
            f"of shape {tuple(inputs.shape)} in layer {layer.name!r}"
        )
