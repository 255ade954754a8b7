"""What is known about a random tensor: its mean, its variance, and its independence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from keras import ops

from keras_dropout._typing import Shape, Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of each number of a tensor.

    Attributes:
        mean: Tensor `(rows, ...)`.
        variance: Tensor as `mean`, or `None` where the tensor is certain: no noise has
            reached it.
        exact: Whether mean and variance are those of the model, up to rounding.
        independent: Set of integers, the axes along which the numbers of a row are
            independent, all of them together. Of a certain tensor it has no meaning.
        gaussian: Whether each number is normal.
        sources: Set of objects, one for each noise that has reached the tensor.
        factor: Tensor that broadcasts to `mean`, or `None`. If given, the tensor is
            `mean` times a random factor that is never negative, of mean 1 and of this
            variance, and one for all positions along the axes that are not
            `independent`.
        covariance: Function without arguments that gives the covariance between the
            numbers along the last axis, `(rows, ..., n, n)`, or `None`.
        mask: Boolean tensor, the mask that Keras keeps with the tensor, or `None`.
    """

    mean: Any
    variance: Any = None
    exact: bool = True
    independent: frozenset[int] = frozenset()
    gaussian: bool = False
    sources: frozenset[object] = frozenset()
    factor: Any = None
    covariance: Any = None
    mask: Any = None

    @property
    def is_certain(self) -> bool:
        """Whether no noise has reached it."""
        return self.variance is None

    @property
    def shape(self) -> Shape:
        """The shape of the tensor."""
        return tuple(self.mean.shape)

    @property
    def rank(self) -> int:
        """The number of its axes."""
        return len(self.mean.shape)

    @property
    def spread(self) -> Tensor:
        """The variance as a tensor, of zeros where it is certain."""
        return ops.zeros_like(self.mean) if self.is_certain else self.variance

    def floats(self) -> Moments:
        """The same with a float32 mean: moments are computed in float32."""
        return dataclasses.replace(self, mean=ops.cast(self.mean, "float32"))

    def independent_along(self, axes: Iterable[int]) -> bool:
        """Whether the numbers of a row are independent along all of these axes."""
        if self.is_certain:
            return True
        sizes = self.shape
        needed = {axis % self.rank for axis in axes if sizes[axis] != 1}
        return needed <= self.independent

    def becomes(self, mean: Any, variance: Any, **changes: Any) -> Moments:
        """The moments after a deterministic step that adds no other noise.

        Args:
            mean: The mean after the step.
            variance: The variance after the step.
            **changes: Further fields: `exact`, whether the step keeps exact moments
                exact, by default not; `independent`, by default no axes; `gaussian`,
                by default not; `factor` and `covariance`, by default `None`.

        Returns:
            The `Moments` after the step.
        """
        exact = changes.pop("exact", False) and self.exact
        return Moments(
            mean, variance, exact, sources=self.sources, mask=self.mask, **changes
        )


def all_axes(x: Moments) -> frozenset[int]:
    """All axes but that of the rows."""
    return frozenset(range(1, x.rank))


def independent_of_each_other(several: Sequence[Moments]) -> bool:
    """Whether no noise has reached two of these moments."""
    sources = [source for each in several for source in each.sources]
    return len(set(sources)) == len(sources)


def joined_sources(several: Sequence[Moments]) -> frozenset[object]:
    """The noises that have reached any of these moments."""
    return frozenset().union(*(each.sources for each in several))
