"""The schemes: how the noise of several samples is joined.

| scheme | what joins the samples |
|---|---|
| `independent` | nothing: each row of each sample has noise of its own |
| `shared` | all rows of a sample have one noise, so a sample is one function |
| `antithetic` | samples come in pairs: where one draws $u$, the other $1 - u$ |
| `stratified` | of the $k$ samples of one call each draws in another $k$-th of [0, 1) |

Every number is uniform (or normal) by itself in every scheme, so the mean over
samples is unbiased.

A backend is told in how many *parts* the rows of a draw lie, which are those of one
sample each. Where batches are filled up to sizes that are compiled already, it counts
the places of each part by themselves, so that further rows change no number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import counter, subsets

SCHEMES = ("independent", "shared", "antithetic", "stratified")

# The largest float32 below 1 on the grid that uniforms are drawn from.
_TOP = 1.0 - 2.0**-24


class Places:
    """Which axis of each draw counts rows, draw by draw, in the order of a call.

    A tensor of noise need not have a row for each row of the data: a table of
    positions has none, and a model may put its rows on another axis.

    Args:
        axes: Tuple with an axis, or `None` for no axis, for each draw of a call. Or
            `None` to note the shapes instead.
    """

    def __init__(self, axes: Sequence[int | None] | None = None) -> None:
        self.axes = axes
        self.shapes: list[Shape] = []

    def axis(self, shape: Shape) -> int | None:
        """The axis of the next draw that counts rows, or None."""
        self.shapes.append(tuple(shape))
        place = len(self.shapes) - 1
        return 0 if self.axes is None or place >= len(self.axes) else self.axes[place]


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How the rows of a tensor are arranged while samples are drawn.

    A tensor has `samples * rows` rows, sample by sample.

    Attributes:
        samples: How many samples one call computes. Noise without a row axis, that
            of weights, needs this to be 1.
        rows: Rows of data in each sample, an integer or a scalar tensor.
        scheme: One of `SCHEMES`.
        first: Integer or scalar tensor, the number of the first of these samples.
        places: Where the rows are in each draw.
    """

    samples: int
    rows: Any
    scheme: str = "independent"
    first: Any = 0
    places: Places = dataclasses.field(default_factory=Places)

    def row_axis(self, shape: Shape, per_row: bool) -> int | None:
        """The axis of this draw that counts rows, or None."""
        return self.places.axis(shape) if per_row else None


def keep_mask(
    arrangement: Arrangement,
    backend: Any,
    shape: Shape,
    rate: Tensor,
    key: Tensor,
    per_row: bool,
) -> Tensor:
    """Keep masks for all samples, joined by the scheme.

    A joined mask compares uniforms, of 24 bits. What a rate is finer the key decides,
    so that over all keys the probability is exact.
    """
    axis = arrangement.row_axis(shape, per_row)
    if arrangement.scheme == "independent":
        return _independent(
            arrangement,
            lambda size, parts: backend.keep_mask(size, rate, key, parts),
            shape,
            axis,
        )
    levels = ops.cast(rate, "float32") * 2.0**24
    whole = ops.floor(levels)
    levels = whole + ops.cast(backend.dither(key) < levels - whole, "float32")
    least, scheme = levels * 2.0**-24, arrangement.scheme
    if not len(levels.shape):
        if scheme == "stratified" and arrangement.samples > 1:
            return _stratified_mask(arrangement, backend, shape, key, levels)
        if scheme == "antithetic":
            # Compared before they are put together, in bytes.
            return _antithetic(
                arrangement,
                lambda size, parts: backend.uniform(size, key, parts),
                lambda u: u <= _TOP - least,
                shape,
                lambda u: u >= least,
            )
    return _uniform(arrangement, backend, shape, key, axis) >= least


def uniform(
    arrangement: Arrangement, backend: Any, shape: Shape, key: Tensor, per_row: bool
) -> Tensor:
    """Uniforms for all samples, joined by the scheme."""
    axis = arrangement.row_axis(shape, per_row)
    return _uniform(arrangement, backend, shape, key, axis)


def normal(
    arrangement: Arrangement, backend: Any, shape: Shape, key: Tensor, per_row: bool
) -> Tensor:
    """Standard normals for all samples, joined by the scheme."""
    axis = arrangement.row_axis(shape, per_row)

    def draw(size, parts):
        return backend.normal(size, key, parts=parts)

    if arrangement.scheme == "independent":
        return _independent(arrangement, draw, shape, axis)
    if arrangement.scheme == "antithetic":
        return _antithetic(arrangement, draw, lambda z: -z, shape)
    numbers = _uniform(arrangement, backend, shape, key, axis)
    return np.float32(np.sqrt(2.0)) * ops.erfinv(2.0 * inside(numbers) - 1.0)


def inside(numbers: Tensor) -> Tensor:
    """Uniforms on (0, 1) of those on [0, 1): the middles of 2^23 equal cells.

    Logarithms and quantiles are finite at both ends, which are mirror images.
    """
    return ops.floor(numbers * 2.0**23) * 2.0**-23 + 2.0**-24


def _uniform(arrangement, backend, shape, key, axis):
    def draw(size, parts):
        return backend.uniform(size, key, parts)

    if arrangement.scheme == "independent":
        return _independent(arrangement, draw, shape, axis)
    if arrangement.scheme == "shared":
        return _shared(arrangement, shape, key, axis)
    if arrangement.scheme == "antithetic":
        return _antithetic(arrangement, draw, lambda u: _TOP - u, shape)
    return _stratified(arrangement, draw, shape)


def _independent(arrangement, draw, shape, axis):
    samples = arrangement.samples
    if axis != 0:
        return draw(shape, 1)
    if _is_one(shape[0]):
        return _over_rows(arrangement, draw((samples, *shape[1:]), samples))
    return draw(shape, samples if _is_even(shape[0], samples) else 1)


def _shared(arrangement, shape, key, axis):
    """One noise for all rows of a sample, whichever axis they are on."""
    rest = [size for place, size in enumerate(shape) if place != axis]
    samples, first = arrangement.samples, arrangement.first
    if axis == 0 and not _is_one(shape[0]):
        # Each row of the data has so many places, if layers have folded axes into it.
        rows, places = arrangement.rows, _rows(arrangement, shape)
        folded = places // rows if _is_even(places, rows) else 1
        numbers = counter.uniform((samples, 1, folded, *rest), key, first)
        numbers = ops.repeat(numbers, places // folded, axis=1)
        return ops.reshape(numbers, (samples * places, *rest))
    numbers = counter.uniform((samples, *rest), key, first)
    if axis is None:
        return numbers[0]
    if axis > 0:
        numbers = ops.repeat(numbers, shape[axis], axis=0)
        return ops.moveaxis(numbers, 0, axis)
    return _over_rows(arrangement, numbers)


def _antithetic(arrangement, draw, reflect, shape, take=lambda numbers: numbers):
    """`take` of the numbers and `reflect` of them, in turn."""
    if arrangement.samples == 1:
        # Both of a pair draw with one key, one after the other.
        numbers = draw(shape, 1)
        odd = ops.cast(arrangement.first, "int32") % 2 == 1
        return ops.where(odd, reflect(numbers), take(numbers))
    pairs, rest = arrangement.samples // 2, tuple(shape[1:])
    rows = _drawn_rows(arrangement, shape)
    numbers = draw((pairs * rows, *rest), pairs)
    numbers = ops.reshape(numbers, (pairs, 1, rows, *rest))
    both = ops.concatenate([take(numbers), reflect(numbers)], axis=1)
    return _by_rows(arrangement, both, shape)


def _stratified(arrangement, draw, shape):
    samples, rest = arrangement.samples, tuple(shape[1:])
    if samples == 1:
        return draw(shape, 1)
    rows = _drawn_rows(arrangement, shape)
    drawn = draw((2 * samples * rows, *rest), 2 * samples)
    drawn = ops.reshape(drawn, (2, samples, rows, *rest))
    # The order of independent uniforms is a random permutation of the strata.
    stratum = ops.cast(_order(drawn[0], samples), "float32")
    numbers = ops.minimum((stratum + drawn[1]) / samples, _TOP)
    return _by_rows(arrangement, numbers, shape)


def _order(numbers, samples):
    """The places of the samples in the order of their numbers of 24 bits."""
    size = 1 << (samples - 1).bit_length()
    if size > 1 << 7:
        return ops.argsort(numbers, axis=0)
    # Integers of 31 bits that end in their places are sorted much faster.
    shape = (samples,) + (1,) * (len(numbers.shape) - 1)
    places = ops.reshape(ops.arange(samples, dtype="int32"), shape)
    joined = ops.cast(numbers * 2.0**24, "int32") * size + places
    return ops.sort(joined, axis=0) % size


def _stratified_mask(arrangement, backend, shape, key, levels):
    """What stratified uniforms would keep at one rate, without their order."""
    samples, rest = arrangement.samples, tuple(shape[1:])
    rows = _drawn_rows(arrangement, shape)
    drawn = backend.uniform(((1 + samples) * rows, *rest), key, 1 + samples)
    drawn = ops.reshape(drawn, (1 + samples, rows, *rest))
    keep = subsets.keep_mask(drawn, levels, samples)
    return _by_rows(arrangement, keep, shape)


def _drawn_rows(arrangement, shape):
    """Rows of each sample that are drawn: one, if all rows share it."""
    return 1 if _is_one(shape[0]) else _rows(arrangement, shape)


def _by_rows(arrangement, joined, shape):
    """What was joined sample by sample, with the rows of all samples first."""
    rows = arrangement.samples * _drawn_rows(arrangement, shape)
    numbers = ops.reshape(joined, (rows, *shape[1:]))
    return _over_rows(arrangement, numbers) if _is_one(shape[0]) else numbers


def _over_rows(arrangement, numbers):
    if arrangement.samples == 1:
        # One for all rows as it is, wherever the rows are.
        return numbers
    return ops.repeat(numbers, arrangement.rows, axis=0)


def _rows(arrangement, shape):
    """Rows in each sample of this tensor; layers may have folded axes into them."""
    total = shape[0]
    if not _is_even(total, arrangement.samples):
        raise ValueError(
            f"The first axis of a noisy tensor must count rows, so that samples can "
            f"be joined by masks={arrangement.scheme!r}. Use masks='independent'. "
            f"Received: a shape of {tuple(shape)} for {arrangement.samples} samples"
        )
    return total // arrangement.samples


def _is_even(total, parts):
    """Whether so many rows can be divided into equal parts, as far as is known."""
    return not isinstance(total, int) or total % parts == 0


def _is_one(size):
    return isinstance(size, int) and size == 1
