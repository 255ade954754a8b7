r"""Scores of predictions with the standard errors of their means over rows.

A score is a function $T$ of the weighted rows. How it moves with the weight of a row is
the row's *influence* $\psi_i$, so to first order $T = \theta + \frac1n \sum_i \psi_i$,
and its standard error is $\sqrt{\sum_i \psi_i^2 / (n (n - 1))}$. For a mean it is the
familiar one. Influences of two models on the same rows may be subtracted, which gives
the error of their difference. Steps, pixels and outputs of one row count as one.

References:
    - Hampel, 1974, The Influence Curve and Its Role in Robust Estimation
    - DeLong, DeLong and Clarke-Pearson, 1988, Comparing the Areas under Two or More
      Correlated Receiver Operating Characteristic Curves
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics.calibration import edges

BINS = 15
LEVELS = {"coverage_50": 0.5, "coverage_90": 0.9, "coverage_95": 0.95}
# +1 if more is better, -1 if less is better. For intervals neither holds.
BETTER = {
    "accuracy": 1,
    "nll": -1,
    "brier": -1,
    "ece": -1,
    "aurc": -1,
    "error_auroc": 1,
    "rmse": -1,
    "crps": -1,
}


@dataclasses.dataclass(frozen=True)
class Score:
    """A number, and how it moves with each row.

    Attributes:
        value: Float; NaN where it is not defined.
        influence: Array `(rows,)`.
    """

    value: float
    influence: np.ndarray

    @property
    def error(self) -> float:
        """The standard error over rows."""
        return standard_error(self.influence)


def standard_error(influence: np.ndarray) -> float:
    """The standard error of a score; NaN for a single row."""
    rows = len(influence)
    if rows < 2:
        return math.nan
    return math.sqrt(float((influence**2).sum()) / (rows * (rows - 1)))


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean of the scores of several models on the same rows."""
    value = float(np.mean([score.value for score in scores]))
    return Score(value, np.mean([score.influence for score in scores], axis=0))


def scores(columns: Mapping[str, np.ndarray]) -> dict[str, Score]:
    """All scores that these columns of `columns.of` allow.

    Args:
        columns: One number for each label or value: `row`, `weight`, and what was
            found of them.
    """
    _, row = np.unique(columns["row"], return_inverse=True)
    of = _Rows(row, columns["weight"])
    if "correct" in columns:
        return _of_classes(columns, of)
    return _of_values(columns, of)


def _of_classes(columns, of):
    correct, uncertainty = columns["correct"], columns["uncertainty"]
    return {
        "accuracy": of.mean(correct),
        "nll": of.mean(columns["nll"]),
        "brier": of.mean(columns["brier"]),
        "ece": _calibration(columns["confidence"], correct, of),
        "aurc": _risk_coverage(1 - correct, uncertainty, of),
        "error_auroc": _auroc(correct == 0, uncertainty, of),
    }


def _of_values(columns, of):
    found = {"rmse": of.root_mean(columns["error"] ** 2)}
    if "nll" in columns:
        found["nll"] = of.mean(columns["nll"])
    found["crps"] = of.mean(columns["crps"])
    if "nll" in columns:
        distance = np.abs(columns["error"])
        for name, level in LEVELS.items():
            reach = NormalDist().inv_cdf((1 + level) / 2) * columns["std"]
            found[name] = of.mean((distance <= reach).astype(np.float64))
    return {**found, "sharpness": of.root_mean(columns["std"] ** 2)}


class _Rows:
    """Sums over what belongs to a row."""

    def __init__(self, row, weight: ArrayLike | None) -> None:
        self.row, self.weight = row, weight
        self.count, self.total = int(row.max()) + 1, weight.sum()

    def summed(self, derivative):
        """Influences, from how a score moves with the weight of each element."""
        moved = self.weight * derivative * self.count
        return np.bincount(self.row, moved, minlength=self.count)

    def mean(self, values: Any):
        value = float((self.weight * values).sum() / self.total)
        # An infinite score has no error.
        with np.errstate(invalid="ignore"):
            return Score(value, self.summed((values - value) / self.total))

    def root_mean(self, squares):
        mean = self.mean(squares)
        root = math.sqrt(mean.value)
        return Score(root, mean.influence / (2 * root or 1))


def _calibration(confidence, correct, of):
    """The expected calibration error, which is a mean once its signs are given."""
    place = np.searchsorted(edges(BINS), confidence, side="left") - 1
    place = place.clip(0, BINS - 1)
    gap = correct - confidence
    signs = np.sign(np.bincount(place, of.weight * gap, minlength=BINS))
    return of.mean(signs[place] * gap)


def _risk_coverage(errors, uncertainty, of):
    r"""The weighted area under the risk-coverage curve, and its exact derivative.

    With cumulative weights $C_k$, risks $R_k$ and total weight $W$,
    $T = \sum_k w_k R_k / W$, and so $W\,\partial T / \partial w_j = R_j - T +
    \sum_{k \ge j} w_k (e_j - R_k) / C_k$. Of equal uncertainties the mean counts.
    """
    _, group = np.unique(uncertainty, return_inverse=True)
    order = np.argsort(group, kind="stable")
    weight, group = of.weight[order], group[order]
    mass = np.bincount(group, weight)

    def shared(values):
        return (np.bincount(group, weight * values) / mass)[group]

    kept = np.cumsum(weight)
    risk = np.cumsum(weight * shared(errors[order])) / kept
    value = float((weight * risk).sum() / of.total)
    later = np.cumsum((weight / kept)[::-1])[::-1]
    lost = np.cumsum((weight * risk / kept)[::-1])[::-1]
    moved = shared(risk) - value + shared(later) * errors[order] - shared(lost)
    derivative = np.empty_like(moved)
    derivative[order] = moved / of.total
    return Score(value, of.summed(derivative))


def _auroc(positive, score, of):
    """The area under the ROC curve, with the placements of DeLong et al."""
    weight = of.weight
    masses = weight[positive].sum(), weight[~positive].sum()
    if not all(masses):
        return Score(math.nan, np.full(of.count, math.nan))
    _, group = np.unique(score, return_inverse=True)
    placements = np.empty(len(score))
    for mine, other, mass, sign in (
        (positive, ~positive, masses[1], 1),
        (~positive, positive, masses[0], -1),
    ):
        at = np.bincount(group, np.where(other, weight, 0))
        below = np.cumsum(at) - at / 2
        below = below if sign == 1 else mass - below
        placements[mine] = below[group][mine] / mass
    value = float((weight * placements)[positive].sum() / masses[0])
    own = np.where(positive, *masses)
    return Score(value, of.summed((placements - value) / own))
