"""The settings of rates that were tried, and the held-out likelihood of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Trial:
    """One setting of the rates.

    Attributes:
        factor: What was multiplied by it; 0 for the model without noise.
        changed: The path of the one rate that was multiplied, from the best setting so
            far; `None` where all were, from those that the model came with.
        nll: Held-out negative log-likelihood in nats, summed over outputs.
        error: Its standard error over rows.
        above_best: How much larger it is than that of the best factor.
        above_best_error: The standard error of that difference, on the same rows.
        rates: The rates by the paths of their layers.
    """

    factor: float
    changed: str | None
    nll: float
    error: float
    above_best: float
    above_best_error: float
    rates: dict[str, float]


class RateTable(Sequence[Trial]):
    """What `tune_rates` saw: a `Trial` each, the one without noise first.

    Attributes:
        best: The `Trial` that was set.
        baseline: The `Trial` of the model without noise, of factor 0.
    """

    def __init__(self, trials: Sequence[Trial], best: Trial) -> None:
        self._trials = tuple(trials)
        self.best: Trial = best
        self.baseline: Trial = self._trials[0]

    def __getitem__(self, place: Any) -> Any:
        return self._trials[place]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        lines = ["  factor           nll        above best"]
        for trial in self:
            mark = " *" if trial is self.best else ""
            name = "no noise" if trial is self.baseline else f"{trial.factor:g}"
            nll = f"{trial.nll:.4f} ± {trial.error:.4f}"
            above = f"{trial.above_best:+.4f} ± {trial.above_best_error:.4f}"
            of = "" if trial.changed is None else f"  {trial.changed}"
            lines.append(f"{name:>8}  {nll:>18}  {above}{mark}{of}")
        return "\n".join(lines)
