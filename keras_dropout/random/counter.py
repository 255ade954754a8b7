"""A counter-based generator in plain Keras ops: numbers known by their place.

Threefry-2x32 with 20 rounds (Salmon et al., 2011). The backends' own generators are
faster, but what they draw at a place depends on how much is drawn with it. Here the
number for sample `t` at position `i` is a function of the key, `t` and `i` alone.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random.threefry import threefry as threefry_of_words

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_MASK = 0xFFFFFFFF

# JAX has no 64-bit integers by default, the others cannot add unsigned ones.
_WORD = "uint32" if keras.backend.backend() == "jax" else "int64"


def uniform(shape: Shape, key: Tensor, first: Any) -> Tensor:
    """Float32 uniforms on [0, 1), on a grid of 2^-24.

    Args:
        shape: `(samples, ...)`.
        key: A key of `random.next_key`.
        first: Integer tensor, which sample the first of these is.
    """
    samples, *rest = shape
    count = 1
    for size in rest:
        count = count * size
    sample = ops.cast(ops.arange(samples), _WORD) + ops.cast(first, _WORD)
    position = ops.cast(ops.arange(count), _WORD)
    zero = ops.zeros((samples, count), _WORD)
    word, _ = threefry(
        _and(ops.cast(key[0], _WORD)),
        _and(ops.cast(key[1], _WORD)),
        zero + sample[:, None],
        zero + position[None, :],
    )
    top = ops.cast(ops.right_shift(word, _word(8)), "int32")
    return ops.reshape(ops.cast(top, "float32") * 2.0**-24, (samples, *rest))


def hashed(key: Tensor, first: Tensor, second: Tensor) -> list[Tensor]:
    """Two 30-bit integers for each pair of `first` and `second`, under a key."""
    words = threefry(
        _and(ops.cast(key[0], _WORD)),
        _and(ops.cast(key[1], _WORD)),
        ops.cast(first, _WORD),
        ops.cast(second, _WORD),
    )
    return [ops.cast(ops.right_shift(word, _word(2)), "int32") for word in words]


def hashed_words(key: Any, first: Any, second: Any) -> list[np.ndarray]:
    """What `hashed` gives, in NumPy: `first` and `second` integers or arrays."""

    def rotate(words, bits):
        return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))

    key = np.asarray(key, np.uint32)
    first, second = np.broadcast_arrays(
        np.asarray(first, np.uint32), np.asarray(second, np.uint32)
    )
    with np.errstate(over="ignore"):
        words = threefry_of_words(key, first, second, rotate, rounds=20)
    return [(word >> np.uint32(2)).astype(np.int64) for word in words]


def threefry(
    key0: Tensor, key1: Tensor, x0: Tensor, x1: Tensor
) -> tuple[Tensor, Tensor]:
    """Encrypts the counter (x0, x1) with the key: two random 32-bit words."""
    parity = ops.bitwise_xor(ops.bitwise_xor(key0, key1), _word(_PARITY))
    keys = (key0, key1, parity)
    x0, x1 = _and(x0 + keys[0]), _and(x1 + keys[1])
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = _and(x0 + x1)
            left = _and(ops.left_shift(x1, _word(rotation)))
            right = ops.right_shift(x1, _word(32 - rotation))
            x1 = ops.bitwise_xor(ops.bitwise_or(left, right), x0)
        x0 = _and(x0 + keys[(group + 1) % 3])
        x1 = _and(x1 + keys[(group + 2) % 3] + _word(group + 1))
    return x0, x1


def _word(value):
    return ops.convert_to_tensor(np.asarray(value, _WORD))


def _and(x):
    return x if _WORD == "uint32" else ops.bitwise_and(x, _word(_MASK))
