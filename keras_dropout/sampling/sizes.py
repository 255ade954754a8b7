"""How much to compute at a time: enough to keep a processor busy, and no more.

Sizes are found from the widest tensor that a part of the model makes for one row, so a
small network is sampled in calls of thousands of rows and a wide one in calls of few.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from keras_dropout._typing import Tensors
from keras_dropout.sampling import backends, nested
from keras_dropout.sampling.plan import Plan

# Bytes of the widest tensor in a call of the suffix: more would leave the cache.
_CACHE = 4 << 20
# Bytes of the widest tensor in a call of the prefix.
_MEMORY = 64 << 20
_MOST_ROWS = 4096
# The batch that Keras predicts with, so it is known to fit; and the largest.
_BATCH, _LARGEST_BATCH = 32, 256
# A GPU has tens of thousands of threads, and waits for the host between calls. So its
# memory sets the bounds, not a cache: this is a thirtieth of 8 GiB.
_DEVICE_MEMORY = 256 << 20
_DEVICE_ROWS = 1 << 16
# So that forty samples of a batch take one call there.
_DEVICE_BATCH = 2048
# How many times as wide as its inputs a model that runs whole is assumed to be, if its
# layers were not watched.
_WIDER = 8
# Samples of one call. They are few, so that little is compiled, and round, as numbers
# of samples are, so that little is wasted.
_ROUND = (10, 12, 16, 20, 25, 32, 40, 50, 64, 80)
# Fifty samples, which is what people take, are four times 13 or three times 17.
_SMALL = (*range(1, 7), 8, 13, 17)
_SIZES = (*_SMALL, *(n * 10**power for power in range(4) for n in _ROUND))
# Samples that stratified masks join at least: more gain little, fewer leave a spread.
_JOINED = 10
# With a tolerance, look at the error this often.
_LOOK = 32


def max_rows(plan: Plan, inputs: Tensors, wider: float | None = None) -> int:
    """How many rows, of all samples together, to compute in one call.

    Args:
        plan: The plan of a model.
        inputs: Its inputs, a structure of arrays.
        wider: As in `meeting.Learned`.
    """
    _, suffix = _widths(plan, inputs, wider)
    return _rows_of(suffix)


def _rows_of(suffix):
    space, most = _CACHE, _MOST_ROWS
    if backends.on_accelerator():
        space, most = _DEVICE_MEMORY, _DEVICE_ROWS
    rows = min(1 << (max(1, space // suffix) - 1).bit_length(), most)
    # Numbers of samples are round, so a power of 2 times 5 leaves nothing over.
    return max(1, rows * 5 // 4)


def joined(samples: int, masks: str) -> int:
    """How many of so many samples one call must hold, so that the scheme joins them."""
    return min(samples, _JOINED) if masks == "stratified" else 1


def batch_size(
    plans: Sequence[Plan],
    inputs: Tensors,
    wider: Sequence[float | None] = (),
    least: int = 1,
    told: int | None = None,
) -> int:
    """How many rows of `inputs` to take at a time, a multiple of 32.

    Args:
        plans: The plans of all models.
        inputs: Their inputs, a structure of arrays.
        wider: For each model as in `meeting.Learned`.
        least: How many samples one call must hold at least. For more than one a batch
            has as many times fewer rows.
        told: How many rows of all samples a call may have, or `None` for a good size.
    """
    most = _DEVICE_BATCH if backends.on_accelerator() else _LARGEST_BATCH
    step = max(_BATCH // filled(least), 1)
    told = told if least > 1 else None
    for plan, times in itertools.zip_longest(plans, wider):
        prefix, suffix = _widths(plan, inputs, times)
        rows = (told or _rows_of(suffix)) // least
        most = min(most, rows, _MEMORY // prefix)
    if least > 1:
        # A size that is not filled up, or a call would have room for fewer samples.
        step = 1 if told else step
        most = 1 << (max(most, step).bit_length() - 1)
    most = max(most // step * step, step)
    rows = nested.rows(inputs)
    # As many in each batch as in the others.
    each = -(-rows // -(-rows // most))
    return min(max(filled(each), step), most)


def filled(rows: int, most: int | None = None) -> int:
    """The size that so many rows are filled up to where each size is compiled.

    It is a power of two, or, above 64, one and a half of one, or `most` if that is
    enough.
    """
    power = 1 << (rows - 1).bit_length()
    middle = power // 4 * 3
    size = middle if power > 64 and rows <= middle else power
    return min(size, most) if most and rows <= most else size


def samples_per_call(
    samples: int,
    rows: int,
    most: int,
    masks: str,
    tol: float | None = None,
    is_told: bool = False,
) -> int:
    """How many samples to compute in one call, so that few are wasted.

    Each call computes as many as the others. Another number would need a recompile.

    Args:
        samples: How many there are in all.
        rows: Rows of each sample.
        most: How many rows of all samples to compute at most.
        masks: The scheme that joins the samples.
        tol: The error from which on to stop, or `None`.
        is_told: Whether a person said how many rows to compute at most. If not, a call
            has more where the scheme joins too few samples else.
    """
    step = 2 if masks == "antithetic" else 1
    most = max(step, most // rows if tol is None else min(most // rows, _LOOK))
    least = joined(samples, masks)
    if is_told:
        least = min(least, most, 2)
    elif least > 1:
        # Of a few more than `least` all are joined in one call.
        most = max(most, 2 * least - 1)
        least = max(n for n in _SIZES if n <= least)
    found = [n for n in _SIZES if n % step == 0 and least <= n <= most]
    # A quarter of that is enough to keep a processor busy.
    found = [n for n in found if n >= min(most, samples) // 4]
    # A call as such takes about as long as a few of the rows in it.
    return min(found, key=lambda size: -(-samples // size) * (size + most / 32))


def _widths(plan, inputs, wider=None):
    """Bytes of the widest tensors of one row, in the prefix and in the suffix."""
    shapes = [each.shape[1:] for each in nested.present(inputs)]
    # Symbolic inputs do not know all of their sizes.
    shapes = [[size or 1 for size in shape] for shape in shapes]
    # What the model leaves open, such as the number of steps, is open in its inputs.
    longest = max((size for shape in shapes for size in shape), default=1)
    whole = math.ceil((wider or _WIDER) * max(map(math.prod, shapes)))
    widths = plan.widths(longest) or (whole, whole)
    return tuple(4 * max(1, width) for width in widths)
