"""Which numbers of each column are the smallest, without sorting them.

Sorting all weights of a layer takes many times as long as a training step. Only one
number per column is needed: the largest of the smallest ones, and how many equal
numbers belong to them. Non-negative floats have the same order as their bits, read as
integers. So the number is found bit by bit, from the highest bit, by counting. The last
of the equal numbers is found by position in the same way.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import random
from keras_dropout._typing import Tensor

BACKEND = keras.backend.backend()
_BITS = 31


def smallest(sizes: Tensor, share: Tensor) -> Tensor:
    """True for the share of each column with the smallest numbers.

    Of equal numbers the upper ones come first.

    Args:
        sizes: Float32 tensor `(rows, columns)` of numbers that are not negative.
        share: Float or scalar tensor in `[0, 1]`.
    """
    # A share times a count that is a whole number may be rounded below it.
    count = random.plain(share) * (1.0 + 2.0**-22) * sizes.shape[0]
    if random.is_exported_without_state():
        return _ranked(sizes, ops.floor(count))
    if BACKEND == "torch":
        return _on_torch(sizes, count)
    if random.loops_wait():
        return _sorted(sizes, ops.floor(count))
    return _counted(sizes, ops.floor(count))


def _sorted(sizes, count):
    """By sorting twice, for devices that would wait for the host in each pass."""
    order = ops.argsort(sizes, axis=0)
    # As floats: TensorFlow computes with integers of 32 bits on the host.
    return ops.cast(ops.argsort(ops.cast(order, "float32"), axis=0), "float32") < count


def _ranked(sizes, count):
    """By what ONNX and LiteRT have: the largest of each row, of equals the first."""
    rows, columns = sizes.shape[0], ops.transpose(sizes)
    _, order = ops.top_k(-columns, rows)
    _, place = ops.top_k(-ops.cast(order, "float32"), rows)
    return ops.transpose(ops.cast(place, "float32") < count)


def _counted(sizes, count):
    """By counting: some passes over all numbers, for compilers to make one loop of."""
    bits = _bits(sizes)
    level = _largest(lambda level: bits < level, count, _BITS, sizes.shape[1])
    below, ties = bits < level, ops.equal(bits, level)
    missing = count - _total(below)
    rows = sizes.shape[0]
    place = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    last = _largest(
        lambda last: ops.logical_and(ties, place < last),
        missing,
        max(rows - 1, 1).bit_length(),
        sizes.shape[1],
    )
    taken = ops.logical_and(place <= last, missing > 0)
    return ops.logical_or(below, ops.logical_and(ties, taken))


def _largest(chosen, count, bits, columns):
    """For each column the largest integer for which fewer than `count` are chosen."""

    def step(number, found):
        bit = ops.left_shift(1, bits - 1 - number)
        more = found + bit
        return ops.where(_total(chosen(more)) < count, more, found)

    return ops.fori_loop(0, bits, step, ops.zeros((columns,), "int32"))


def _total(chosen):
    # In floats, exact up to 2^24 of them: JAX is slower at sums of integers.
    return ops.sum(ops.cast(chosen, "float32"), axis=0)


def _bits(sizes):
    if BACKEND == "jax":
        import jax

        return jax.lax.bitcast_convert_type(sizes, jax.numpy.int32)
    import tensorflow as tf

    return tf.bitcast(sizes, tf.int32)


def _on_torch(sizes: Any, count: Any) -> Any:
    import torch

    if sizes.is_cpu and not isinstance(count, torch.Tensor):
        return torch.from_numpy(_partitioned(sizes.numpy(), int(count)))
    order = torch.argsort(sizes, dim=0, stable=True)
    # The last place that counts is below the floor of the count.
    places = torch.arange(1, len(sizes) + 1, device=sizes.device)
    first = (places <= count).unsqueeze(1).expand(order.shape)
    return torch.zeros_like(first).scatter(0, order, first)


def _partitioned(sizes, count):
    """In NumPy, which is fast at parting numbers by their size."""
    if not 0 < count < len(sizes):
        return np.full(sizes.shape, count > 0)
    # One column behind the other, as they are parted one by one.
    columns = np.ascontiguousarray(sizes.T)
    level = np.partition(columns, count - 1, axis=1)[:, count - 1]
    taken = sizes <= level
    for column in np.flatnonzero(taken.sum(axis=0) > count):
        ties = np.flatnonzero(sizes[:, column] == level[column])
        extra = taken[:, column].sum() - count
        taken[ties[len(ties) - extra :], column] = False
    return taken
