"""Draws in programs that `torch.compile` makes, where no generator can be seeded.

They are Threefry-2x32 with 13 rounds, a function of the key and of the place, so that
the compiler makes one loop of a draw and of what uses it.
"""

from __future__ import annotations

import math

import torch

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random.threefry import threefry


def numbers(shape: Shape, key: Tensor, rank: int) -> Tensor:
    """Random 32-bit numbers, four from each pair of words, a quarter apart."""
    count = math.prod(shape)
    pair = words(-(-count // 4), key, rank)
    four = [number for word in pair for number in (word, rotate(word, 16))]
    return torch.stack(four).reshape(-1)[:count].reshape(shape)


def normals(shape: Shape, key: Tensor, rank: int) -> Tensor:
    """Normals by the transform of Box and Muller (1958), two from each pair of words.

    The compiler has fast logarithms and cosines, but no fast inverse of `erf`.
    """
    count = math.prod(shape)
    first, second = words(-(-count // 2), key, rank)
    # The middles of 2^24 steps, so that the logarithm is finite.
    radius = torch.sqrt(-2.0 * torch.log((shift_right(first, 8) + 0.5) * 2.0**-24))
    angle = shift_right(second, 8) * (2.0 * math.pi * 2.0**-24)
    both = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)])
    return both.reshape(-1)[:count].reshape(shape)


def words(count: int, key: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Pairs of random words as int32, whose sums wrap as those of unsigned ones do."""
    place = torch.arange(count, dtype=torch.int32, device=key.device)
    low = torch.bitwise_and(key, 0xFFFFFFFF)
    key = torch.where(low < 1 << 31, low, low - (1 << 32)).to(torch.int32)
    return threefry(key, place, torch.full_like(place, rank), rotate)


def shift_right(words: Tensor, bits: int) -> Tensor:
    """As of words without a sign."""
    return (words >> bits) & ((1 << (32 - bits)) - 1)


def rotate(words: Tensor, bits: int) -> Tensor:
    """To the left."""
    return (words << bits) | shift_right(words, 32 - bits)
