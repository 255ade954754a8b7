"""The summary of what a call gave, within the call or on the host.

A call gives few numbers more often than many, and to compile the statistics of a few
takes a hundred times as long as NumPy takes to compute them. So the host does this for
few numbers. For many of them the statistics are part of what is compiled, and only they
are fetched. So it is for all numbers where nothing is compiled, on PyTorch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout.sampling import backends
from keras_dropout.sampling.outputs import Head
from keras_dropout.sampling.settings import DENSITY
from keras_dropout.uncertainty import statistics
from keras_dropout.uncertainty.statistics import Measure

# The most numbers of a call that the host summarises: as many as it takes a millisecond
# for, in which a device computes them too.
FEW: int = 0 if keras.backend.backend() == "torch" else 1 << 16
# What a call gives of each head.
_PARTS = ("values", "noise_variance", "valid")


@dataclasses.dataclass(frozen=True)
class Summing:
    """How to sum up the samples of a call.

    Attributes:
        masks: One of `schemes.SCHEMES`.
        keep: Whether the samples themselves are wanted, as in `Settings`.
    """

    masks: str
    keep: Any

    def within(
        self, heads: Sequence[Head], samples: int, rows: Any, kept: Any, count: Any
    ) -> list[dict[str, Any]]:
        """The summary of each head, in the backend's operations.

        Args:
            heads: The heads, whose rows are those of all samples.
            samples: How many samples there are.
            rows: How many rows each has.
            kept: Boolean array, which of the samples count.
            count: How many of them count, or `None` to count them.
        """
        return [
            self._summary(
                {n: _unfolded(x, samples, rows) for n, x in parts(head).items()},
                head.measure,
                kept,
                count,
                ops,
            )
            for head in heads
        ]

    def on_host(
        self, given: Sequence[Mapping[str, Any]], measures: Sequence[Measure], kept: Any
    ) -> list[dict[str, Any]]:
        """The same of the `parts` of heads, as NumPy arrays.

        Args:
            given: A dictionary for each head.
            measures: Which statistics hold for each.
            kept: NumPy array, which of the samples count.
        """
        count, samples = np.float32(np.sum(kept)), len(kept)
        with np.errstate(all="ignore"):
            return [
                self._summary(
                    {n: x.reshape(samples, -1, *x.shape[1:]) for n, x in head.items()},
                    measure,
                    kept,
                    count,
                    np,
                )
                for head, measure in zip(given, measures, strict=True)
            ]

    def _summary(self, head, measure, kept, count, xp):
        values, spread = head["values"], head.get("noise_variance")
        samples = values.shape[0]
        block = {"antithetic": min(2, samples), "stratified": samples}
        summary = statistics.summarise(
            values,
            kept,
            measure,
            xp,
            block=block.get(self.masks, 1),
            noise_variance=spread,
            count=count,
        )
        if self.keep is True or (self.keep and not measure.has_classes):
            summary["samples"] = values
            if self.keep == DENSITY and spread is not None:
                summary["noise_samples"] = spread
        if "valid" in head:
            summary["valid"] = head["valid"][0]
        return summary


def parts(head: Head) -> dict[str, Any]:
    """What there is of a head's arrays, by name."""
    found = {name: getattr(head, name) for name in _PARTS}
    return {name: x for name, x in found.items() if x is not None}


class Running:
    """A call that was started, and need not have ended.

    Args:
        heads: A dictionary of arrays for each head.
        finish: Function of these on the host, or `None` if they are what is wanted.
    """

    def __init__(
        self,
        heads: Sequence[Mapping[str, Any]],
        finish: Callable[..., Any] | None = None,
    ) -> None:
        self._heads, self._finish = heads, finish

    def summaries(self) -> list[dict[str, Any]]:
        """The summary of each head, as NumPy arrays, once the call has ended."""
        heads = [backends.fetched(head) for head in self._heads]
        return heads if self._finish is None else self._finish(heads)


def _unfolded(x, samples, rows):
    """Samples first, of an array that has them along its rows."""
    if samples == 1:
        return x[None]
    return ops.reshape(x, (samples, rows, *ops.shape(x)[1:]))
