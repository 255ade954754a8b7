"""Draws on the CPU by NumPy's generator SFC64, which is faster there than PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import torch

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import thresholds

# Below this many elements the call costs more than the loop.
_FEW = 4096


def reach(shape: Shape, rate: float, seeds: np.random.SeedSequence) -> Tensor:
    """True where random bits reach the threshold of the rate."""
    reached = _reach(math.prod(shape), rate, seeds)
    return torch.from_numpy(reached.reshape(shape))


def long_words(shape: Shape, seeds: np.random.SeedSequence) -> Tensor:
    """Random words of 32 bits as int64."""
    drawn = words(math.prod(shape), seeds, np.uint32).astype(np.int64)
    return torch.from_numpy(drawn.reshape(shape))


def words(count: int, seeds: np.random.SeedSequence, dtype: type) -> np.ndarray:
    """Random words of the size of a dtype."""
    each = 8 // np.dtype(dtype).itemsize
    drawn = np.random.SFC64(seeds).random_raw(-(-count // each))
    return drawn.view(dtype)[:count]


def _reach(count, rate, seeds):
    if rate <= 0 or rate >= 1:
        return np.full(count, rate <= 0)
    if not 1 / 256 <= rate < 255 / 256:
        return _tied(count, rate, seeds, np.uint16, np.uint32)
    if count < _FEW:
        return words(count, seeds, np.uint32) >= np.uint32(rate * 2.0**32)
    return _tied(count, rate, seeds, np.uint8, np.uint16)


def _tied(count, rate, seeds, first, second):
    """True where a first number reaches the threshold, with a second one for ties.

    Sixteen places, each a sixteenth of the mask from the next, share the second.
    """
    numbers = words(18 * -(-count // 16), seeds, first).reshape(18, -1)
    drawn, ties = numbers[:16], numbers[16:].reshape(-1).view(second)
    upper, lower = 8 * np.dtype(first).itemsize, 8 * np.dtype(second).itemsize
    high, low, _ = thresholds.parts(rate, math.floor, upper, lower)
    tie = (ties < second(low)).view(np.uint8).astype(first, copy=False)
    # Close to 1 the number that none reaches has a bit more, but not the one below it.
    reach, least = (np.greater_equal, high) if rate < 0.5 else (np.greater, high - 1)
    reached = reach(drawn, first(least) + tie)
    return reached.reshape(-1)[:count]
