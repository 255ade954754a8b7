"""Threefry-2x32, a counter-based generator, in the integers of any backend.

It encrypts a counter with a key: equal inputs give equal words, and words of
different counters or keys are as good as independent. Nothing is carried from one
word to the next, so compilers make one loop without memory of it, and devices that
share a mask draw their parts of it alone.

Published quality: Salmon et al., 2011, [Parallel random numbers: as easy as 1, 2,
3](https://doi.org/10.1145/2063384.2063405). 13 rounds are the fewest that pass all
tests of BigCrush; the period is that of the counter, 2^64 pairs of words a key.
"""

from __future__ import annotations

from collections.abc import Callable

from keras_dropout._typing import Tensor

ROUNDS = 13

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(
    key: Tensor,
    x0: Tensor,
    x1: Tensor,
    rotate: Callable[[Tensor, int], Tensor],
    rounds: int = ROUNDS,
) -> tuple[Tensor, Tensor]:
    """Two random 32-bit words for each counter.

    Args:
        key: Two words.
        x0: Words, the low half of the counters.
        x1: Words, the high half.
        rotate: Function that rotates words to the left by some bits.
        rounds: Number of rounds.
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for step in range(rounds):
        x0 = x0 + x1
        x1 = rotate(x1, _ROTATIONS[step // 4 % 2][step % 4]) ^ x0
        if step % 4 == 3:
            group = step // 4 + 1
            x0 = x0 + keys[group % 3]
            x1 = x1 + (keys[(group + 1) % 3] + group)
    return x0, x1
