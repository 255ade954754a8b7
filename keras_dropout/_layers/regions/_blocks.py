"""The algebra of DropBlock: what blocks cover, and how many to seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_dropout import _constants
from keras_dropout._layers._base import shapes
from keras_dropout._typing import Tensor

# Newton's method converges fast here: after six steps only the rounding of float32 is
# left, for every rate, block and map that we tried, up to 64 on 512 x 512.
_STEPS = 6

# Nearer to 1 than this, float32 cannot tell the share of kept units from none.
_CERTAIN = 1.0 - 2.0**-17


def places(size: Any, block: int) -> Any:
    """In how many places a block fits whole on an axis; larger blocks are cut to it."""
    return shapes.at_least(size - block, 0) + 1


def coverage(size: Any, block: int) -> Any:
    r"""How many blocks cover a position of an axis, and how often that occurs.

    Position $s$ of an axis of size $S$ lies in $\min(s, S - k) - \max(0, s - k + 1)
    + 1$ of the $S - k + 1$ blocks of size $k$. So from both ends the counts rise 1, 2,
    and so on to the largest, which all positions between share.

    Returns:
        The counts, and for each the share of positions that have it.
    """
    if isinstance(size, int):
        # On the device, where a list of numbers would have to be sent.
        largest = min(block, size, places(size, block))
        ends = ops.zeros(largest - 1) + 2 / size
        middle = ops.zeros(1) + (size - 2 * (largest - 1)) / size
        counts = ops.arange(1, largest + 1, dtype="float32")
        return counts, ops.concatenate([ends, middle])
    counts = ops.arange(1, block + 1, dtype="int32")
    largest = ops.minimum(ops.minimum(block, size), places(size, block))
    between = size - 2 * (largest - 1)
    number = ops.where(counts < largest, 2, ops.where(counts == largest, between, 0))
    return counts, ops.cast(number, "float32") / ops.cast(size, "float32")


def seed_rate(rate: Tensor, sizes: Sequence[Any], blocks: Sequence[int]) -> Tensor:
    r"""The probability of starting a block that drops the share `rate` on average.

    A position that $n$ blocks cover is dropped with probability $1 - (1 - \gamma)^n$.
    This solves for $\gamma$ that the mean over all positions be $p$, as a live tensor:
    with $u = -\log(1 - \gamma)$, $\log \overline{e^{-n u}} = \log(1 - p)$ is convex
    and falling in $u$, so that Newton's method from 0 rises to the root and never
    beyond it.
    """
    counts = shares = ops.ones(1)
    for size, block in zip(sizes, blocks, strict=True):
        axis_counts, axis_shares = coverage(size, block)
        counts = _products(counts, axis_counts)
        shares = _products(shares, axis_shares)

    target = ops.log1p(-_constants.at_most(rate, _CERTAIN))
    u = ops.zeros_like(target)
    for _ in range(_STEPS):
        dropped = -ops.expm1(-counts * u)
        mean = ops.sum(shares * dropped)
        slope = ops.sum(shares * counts * (1.0 - dropped)) / (1.0 - mean)
        u = u + (ops.log1p(-mean) - target) / slope
    return ops.where(rate > _CERTAIN, ops.ones_like(u), -ops.expm1(-u))


def _products(numbers, others):
    return ops.reshape(ops.outer(numbers, ops.cast(others, "float32")), (-1,))


def spread(seeds: Tensor, axis: int, block: int) -> Tensor:
    """Where any of the `block` positions before, or the position itself, is a seed.

    The axis grows by `block - 1`. Windows double by shifts, so that the work grows
    with the logarithm of the block.
    """
    before = [slice(None)] * len(seeds.shape)
    after = list(before)
    padding = [(0, 0)] * len(seeds.shape)
    padding[axis] = (block - 1, block - 1)
    covered = shapes.padded(seeds, padding)
    width = 1
    while width < block:
        shift = min(width, block - width)
        before[axis], after[axis] = slice(None, -shift), slice(shift, None)
        covered = ops.logical_or(covered[tuple(before)], covered[tuple(after)])
        width += shift
    return covered


def drop(
    seeds: Tensor, axes: Sequence[int], sizes: Sequence[Any], blocks: Sequence[int]
) -> Tensor:
    """Where a block lies, given the first corners of the blocks."""
    dropped = seeds
    for axis, size, block in zip(axes, sizes, blocks, strict=True):
        if isinstance(size, int):
            dropped = spread(dropped, axis, min(block, size))
        else:
            # A block larger than the map, known only now, hangs over its end.
            inside = [slice(None)] * len(seeds.shape)
            inside[axis] = slice(None, size)
            dropped = spread(dropped, axis, block)[tuple(inside)]
    return dropped
