"""How a rate becomes a threshold: random words below it mean "dropped".

A word of 32 random bits is below the threshold T with probability T / 2^32, and 2^32
times a small rate is no integer. There are two ways to be more exact:

- *Ties.* A word equal to the upper bits of the threshold is decided by other bits. The
  case is rare, so many places may share them. With b bits in a word, and f the share of
  ties that drop, two places that share correlate by f (1 - f) / (4^b p q), where p is
  the rate and q = 1 - p.
- *Dither.* T is the integer below or the one above, chosen by the key, so that over all
  keys the probability is the rate itself. In one mask it is the same T for all places,
  which makes their decisions correlate by f (1 - f) / (2^64 p q), less than 10^-11 down
  to p = 10^-9.

All computations are exact in float32, because multiplying by a power of 2 does not
round. The functions take the numbers and tensors of any backend.
"""

from __future__ import annotations

from collections.abc import Callable

from keras_dropout._typing import Tensor

# 2^32 times the fractions of irrational numbers, of 2 less the golden ratio and of the
# root of 2. The multiples of such a number, modulo 2^32, fill their range evenly. Both
# are below 2^31, since JAX takes no larger ones.
_COUNTER = 0x61C8864F
_SEED = 0x6A09E667


def parts(
    rate: Tensor, floor: Callable[[Tensor], Tensor], upper: int, lower: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The threshold of a rate, of `upper + lower` bits, in two parts, and what is left.

    Returns:
        The upper bits, the lower bits, and the fraction of the last of them, as floats
        of the kind of `rate`.
    """
    levels = rate * 2.0**upper
    high = floor(levels)
    levels = (levels - high) * 2.0**lower
    low = floor(levels)
    return high, low, levels - low


def dither(key: Tensor) -> Tensor:
    """A word of the key alone, in the lowest 32 bits of an integer that may wrap."""
    return key[0] * _SEED + key[1] * _COUNTER
