r"""Fixed masks of equal size that together cover all channels, drawn exactly.

Each of `members` masks keeps `size` of the channels. They are independent and uniform
given that every channel is kept by some mask. With $u$ channels uncovered so far, the
next mask covers $j$ of them with the hypergeometric probability $h(u, j)$, and the
chance that the masks from number $i$ on cover the rest is

$$f(i, u) = \sum_j h(u, j)\, f(i + 1, u - j), \qquad f(n, 0) = 1.$$

So $j$ is drawn with the probability $h(u, j)\, f(i + 1, u - j) / f(i, u)$, and then the
channels. Nothing is rejected, so it ends for every size. The computation uses
logarithms, because the probability may be smaller than any float.
"""

from __future__ import annotations

import numpy as np


def size(channels: int, members: int, scale: float) -> int:
    """How many channels each mask keeps."""
    covered = scale * -np.expm1(members * np.log1p(-1.0 / scale)) if scale > 1 else 1.0
    # Rounding must not take one away where the quotient is whole.
    asked = int(np.floor(channels / covered * (1.0 + 1e-12)))
    return min(channels, max(asked, -(-channels // members)))


def masks(
    channels: int, members: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """A Boolean array of the shape (members, channels).

    Args:
        channels: Integer, how many channels there are.
        members: Integer, how many masks.
        size: Integer, how many channels each keeps, at least channels / members.
        rng: A `numpy.random.Generator`.
    """
    log_f, log_h = _tables(channels, members, size)
    found = np.zeros((members, channels), bool)
    for number in range(members):
        new = np.flatnonzero(~found.any(axis=0))
        old = np.flatnonzero(found.any(axis=0))
        most = min(size, len(new))
        after = log_f[number + 1, len(new) - np.arange(most + 1)]
        chance = np.exp(log_h(len(new)) + after - log_f[number, len(new)])
        count = rng.choice(most + 1, p=chance / chance.sum())
        found[number, rng.choice(new, count, replace=False)] = True
        found[number, rng.choice(old, size - count, replace=False)] = True
    return found


def log_chance(channels: int, members: int, size: int) -> float:
    """The logarithm of the chance that independent masks cover all channels."""
    log_f, _ = _tables(channels, members, size)
    return log_f[0, channels]


def _tables(channels, members, size):
    """The logarithms of f, and the function from u to those of h(u, j) for all j."""
    log_factorial = np.concatenate(
        [[0.0], np.cumsum(np.log(np.arange(1, channels + 1)))]
    )

    def log_choose(n, k):
        return log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    every = log_choose(channels, size)

    def log_h(uncovered):
        new = np.arange(min(size, uncovered) + 1)
        covered, old = channels - uncovered, size - new
        fits = old <= covered
        chances = np.full(len(new), -np.inf)
        chances[fits] = (
            log_choose(uncovered, new[fits]) + log_choose(covered, old[fits]) - every
        )
        return chances

    log_f = np.full((members + 1, channels + 1), -np.inf)
    log_f[:, 0] = 0.0
    for uncovered in range(1, channels + 1):
        # After the first mask no more than these are left.
        if channels - size < uncovered < channels:
            continue
        own = log_h(uncovered)
        rest = log_f[1:, uncovered - np.arange(1, len(own))] + own[1:]
        some = np.logaddexp.reduce(rest, axis=1)
        none = -np.inf
        for number in range(members - 1, -1, -1):
            none = np.logaddexp(some[number], own[0] + none)
            log_f[number, uncovered] = none
    return log_f, log_h
