"""Adds up the samples of one batch in double precision, and finishes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout.uncertainty import pooling, statistics
from keras_dropout.uncertainty.statistics import Measure


class Total:
    """The running summary of one head, in double precision."""

    def __init__(self, measure: Measure, rows: int, pairs_calls: bool) -> None:
        self.measure: Measure = measure
        self.rows: int = rows
        self.pairs_calls: bool = pairs_calls
        self.summary: Any = None
        self.valid: Any = None
        self.partner: Any = None
        self.kept: dict[str, list[np.ndarray]] = {}
        self.drawn: int = 0

    def add(self, head: Mapping[str, Any]) -> None:
        """Adds the summary of one call."""
        head = {name: keras.ops.convert_to_numpy(value) for name, value in head.items()}
        self.drawn += round(float(head["count"]))
        self.valid = head.pop("valid", None)
        for name in ("samples", "noise_samples"):
            if name in head:
                kept = head.pop(name)[:, : self.rows]
                self.kept.setdefault(name, []).append(kept)
        head = {
            name: value[: self.rows].astype(np.float64) if value.ndim else float(value)
            for name, value in head.items()
        }
        if self.pairs_calls:
            if self.partner is None:
                self.partner = head
                return
            pair = statistics.merge(self.partner, head, self.measure, np)
            head, self.partner = pooling.join_blocks(pair, np), None
        self.summary = (
            head
            if self.summary is None
            else statistics.merge(self.summary, head, self.measure, np)
        )

    @property
    def count(self) -> int:
        """How many samples there are."""
        return round(self.summary["count"])

    def repeat(self, samples: int) -> None:
        """Counts the one sample of a model without noise so many times."""
        for name in ("count", "votes"):
            if name in self.summary:
                self.summary[name] = self.summary[name] * samples
        for name, parts in self.kept.items():
            self.kept[name] = [np.repeat(kept, samples, axis=0) for kept in parts]

    def is_within(self, tol: float) -> bool:
        """Whether the mean is known well enough, from ten samples on."""
        if self.summary is None or self.summary["count"] < 10:
            return False
        # No sample ever makes a row of NaN better known.
        return not np.any(pooling.error_variance(self.summary) > tol**2)


def finished(totals: Sequence[Total], measure: Measure) -> dict[str, Any]:
    """The arrays of a `Prediction`, pooled over the members."""
    arrays = pooling.fields([total.summary for total in totals], measure)
    first = totals[0]
    if first.valid is not None:
        arrays["valid"] = first.valid[: first.rows]
    return {**arrays, **{name: _limited(totals, name) for name in first.kept}}


def _limited(totals, name):
    """The samples that count; those of a last call that do not are left out."""
    per_model = round(totals[0].summary["count"])
    kept = [np.concatenate(total.kept[name])[:per_model] for total in totals]
    return np.concatenate(kept)
