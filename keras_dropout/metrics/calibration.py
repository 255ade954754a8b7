"""How far confidence is from accuracy."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout.metrics import _arrays, _labels

Norm = Literal["l1", "l2", "max"]
NORMS = ("l1", "l2", "max")


def expected_calibration_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    bins: int = 15,
    norm: Norm = "l1",
    adaptive: bool = False,
    classwise: bool = False,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""The distance between confidence and accuracy, over bins of confidence.

    $$\mathrm{ECE} = \sum_{b=1}^B \frac{n_b}{n} \left|\mathrm{acc}_b -
    \mathrm{conf}_b\right|$$

    Confidence is the largest probability. Accuracy is the fraction of rows where this
    class is the label. Of equal probabilities the first class counts. Bin $b$ is
    $((b-1)/B, b/B]$, and the first bin includes 0. Edges are in float64, and empty bins
    do not count. The error grows with $B$ and falls with $n$, so compare it only for
    the same number of bins and rows.

    Args:
        y_true: Labels: integers `(...)`, or one-hot `(..., classes)`.
        y_pred: Probabilities `(..., classes)`; for binary labels the probability of 1,
            `(rows,)` or `(..., 1)`.
        bins: Integer of at least 1, the number $B$.
        norm: `"l1"` as above; `"l2"`, the root of the mean square $\sum_b \frac{n_b}{n}
            (\mathrm{acc}_b - \mathrm{conf}_b)^2$; `"max"`, the largest distance of a
            bin, which is the *maximum calibration error*.
        adaptive: Boolean. If true, bins have equal numbers of rows (they differ by at
            most 1) instead of equal widths. Rows of equal confidence share their
            accuracy, so their order does not matter.
        classwise: Boolean. If true, the result is the mean over the classes $c$ of the
            error of $p_c$ as the probability of $y = c$, instead of the error of the
            largest probability.
        sample_weight: Weights `(rows,)`, or one for each label.

    Returns:
        A float in `[0, 1]`, a difference of probabilities.

    Raises:
        TypeError: An argument is not an array of real numbers, or `bins`
            is not an integer.
        ValueError: An array is empty or holds NaN, shapes do not fit, `y_pred` holds
            no probabilities, or an argument is out of its range.

    Examples:
        >>> from keras_dropout import metrics
        >>> p = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]
        >>> round(metrics.expected_calibration_error([0, 1, 1, 1], p, bins=10), 3)
        0.375

    References:
        - Naeini, Cooper and Hauskrecht, 2015, [Obtaining Well Calibrated Probabilities
          Using Bayesian Binning](https://doi.org/10.1609/aaai.v29i1.9602)
        - Guo et al., 2017, [On Calibration of Modern Neural
          Networks](https://arxiv.org/abs/1706.04599)
        - Nixon et al., 2019, [Measuring Calibration in Deep
          Learning](https://arxiv.org/abs/1904.01685), for `adaptive` and `classwise`
    """
    bins = _validation.integer("bins", bins, minimum=1)
    _validation.choice("norm", norm, NORMS)
    adaptive = _validation.boolean("adaptive", adaptive)
    classwise = _validation.boolean("classwise", classwise)
    targets, p, _ = _labels.read(y_true, y_pred)
    weights = _arrays.weights_like(p[..., 0], sample_weight).ravel()
    targets, p = (a.reshape(-1, p.shape[-1])[weights > 0] for a in (targets, p))
    weights = weights[weights > 0]
    if classwise:
        pairs = list(zip(p.T, targets.T, strict=True))
    else:
        best = p.argmax(axis=-1)[:, None]
        pairs = [
            tuple(np.take_along_axis(a, best, axis=-1)[:, 0] for a in (p, targets))
        ]
    split = _equal_numbers if adaptive else _equal_widths
    errors = [
        _error(confidence, correct, weights, split, bins, norm)
        for confidence, correct in pairs
    ]
    return float(np.mean(errors))


def edges(bins: int) -> np.ndarray:
    """The ends of bins of equal width on [0, 1], as float64."""
    return np.arange(bins + 1) / bins


def _error(confidence, correct, weights, split, bins, norm):
    place, correct = split(confidence, correct, weights, bins)
    gaps = np.bincount(place, weights * (correct - confidence), minlength=bins)
    mass = np.bincount(place, weights, minlength=bins)
    gaps, mass = np.abs(gaps[mass > 0]), mass[mass > 0]
    if norm == "l1":
        return gaps.sum() / mass.sum()
    gaps = gaps / mass
    return gaps.max() if norm == "max" else np.sqrt(np.average(gaps**2, weights=mass))


def _equal_widths(confidence, correct, weights, bins):
    """The bin of each row, and whether the row is correct."""
    place = np.searchsorted(edges(bins), confidence, side="left") - 1
    return place.clip(0, bins - 1), correct


def _equal_numbers(confidence, correct, weights, bins):
    """The bin of each row, and how correct the rows of its confidence are."""
    _, group = np.unique(confidence, return_inverse=True)
    mass = np.bincount(group, weights)
    correct = (np.bincount(group, weights * correct) / mass)[group]
    order = np.argsort(confidence, kind="stable")
    place = np.empty(len(confidence), np.int64)
    for number, rows in enumerate(np.array_split(order, bins)):
        place[rows] = number
    return place, correct
