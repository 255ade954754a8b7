"""Adds up the samples of one batch in double precision, and finishes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dropout.uncertainty import pooling, statistics
from keras_dropout.uncertainty.statistics import Measure

# Summaries that wait to be merged together, which is faster than one by one. More would
# keep too much: of large ones each is merged as it comes.
_MOST = 32
_ELEMENTS = 1 << 16


class Total:
    """The running summary of one head, in double precision."""

    def __init__(self, measure: Measure, rows: int, pairs_calls: bool) -> None:
        self.measure: Measure = measure
        self.rows: int = rows
        self.pairs_calls: bool = pairs_calls
        self.valid: Any = None
        self.kept: dict[str, list[np.ndarray]] = {}
        self.drawn: int = 0
        self._merged: list[Any] = []
        self._waiting: list[Any] = []

    def add(self, head: Mapping[str, Any]) -> None:
        """Adds the summary of one call, a dictionary of NumPy arrays."""
        self.drawn += round(float(head["count"]))
        if "valid" in head:
            self.valid = np.array(head.pop("valid")[: self.rows])
        for name in ("samples", "noise_samples"):
            if name in head:
                kept = head.pop(name)[:, : self.rows]
                self.kept.setdefault(name, []).append(kept)
        self._waiting.append(
            {name: x[: self.rows] if x.ndim else x for name, x in head.items()}
        )
        if len(self._waiting) >= min(_MOST, _ELEMENTS // max(1, head["mean"].size)):
            self._merge()

    def _merge(self):
        """Merges what waits; of pairs only whole ones."""
        each = 2 if self.pairs_calls else 1
        whole = len(self._waiting) // each * each
        ready, self._waiting = self._waiting[:whole], self._waiting[whole:]
        ready = [
            {n: np.asarray(x, np.float64) for n, x in head.items()} for head in ready
        ]
        if self.pairs_calls:
            pairs = zip(ready[::2], ready[1::2], strict=True)
            ready = [pooling.join_blocks(self._together([*pair]), np) for pair in pairs]
        if ready:
            self._merged = [self._together(self._merged + ready)]

    def _together(self, summaries):
        if len(summaries) == 1:
            return summaries[0]
        return statistics.merge(summaries, self.measure, np)

    @property
    def summary(self) -> Any:
        """The summary of all calls so far, of whole pairs only; `None` of none."""
        self._merge()
        return self._merged[0] if self._merged else None

    @property
    def count(self) -> int:
        """How many samples there are."""
        return round(float(self.summary["count"]))

    def repeat(self, samples: int) -> None:
        """Counts the one sample of a model without noise so many times."""
        summary = self.summary
        for name in ("count", "votes"):
            if name in summary:
                summary[name] = summary[name] * samples
        for name, parts in self.kept.items():
            self.kept[name] = [np.repeat(kept, samples, axis=0) for kept in parts]

    def is_within(self, tol: float) -> bool:
        """Whether the mean is known well enough, from ten samples on."""
        summary = self.summary
        if summary is None or summary["count"] < 10:
            return False
        # More samples do not make a row of NaN more exact.
        return not np.any(pooling.error_variance(summary) > tol**2)


def finished(totals: Sequence[Total], measure: Measure) -> dict[str, Any]:
    """The arrays of a `Prediction`, pooled over the members."""
    arrays = pooling.fields([total.summary for total in totals], measure)
    first = totals[0]
    if first.valid is not None:
        arrays["valid"] = first.valid
    return {**arrays, **{name: _limited(totals, name) for name in first.kept}}


def _limited(totals, name):
    """The samples that count; those of a last call that do not are left out."""
    per_model = totals[0].count
    kept = [np.concatenate(total.kept[name])[:per_model] for total in totals]
    return np.concatenate(kept)
