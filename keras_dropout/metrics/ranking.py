"""How well an uncertainty ranks errors, or rows of another kind, after all others.

Only the order counts, so an uncertainty may have any unit. For equal uncertainties the
scores are the average over all their orders.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics import _arrays


def area_under_risk_coverage(errors: ArrayLike, uncertainty: ArrayLike) -> float:
    r"""The mean error of the kept rows, averaged over all numbers of kept rows.

    $$\mathrm{AURC} = \frac1n \sum_{k=1}^n \frac1k \sum_{i=1}^k e_{(i)}$$

    where $e_{(1)}, e_{(2)}, \dots$ are the errors, sorted by growing uncertainty. Rows
    of equal uncertainty count with their mean error. A random ranking gives the mean
    error. The best ranking is that by the errors themselves, and does not give 0.

    Args:
        errors: The error of each row: 0 or 1, or a loss.
        uncertainty: The uncertainty of each row, of the same shape, larger where less
            certain.

    Returns:
        A float in the unit of `errors`, lower where the ranking is better.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN, or shapes differ.

    Examples:
        >>> from keras_dropout import metrics
        >>> uncertainty = [0.05, 0.1, 0.2, 0.3, 0.5, 0.8]
        >>> area = metrics.area_under_risk_coverage([0, 0, 1, 0, 1, 1], uncertainty)
        >>> round(area, 4)
        0.2472

    References:
        - Geifman and El-Yaniv, 2017, [Selective Classification for Deep Neural
          Networks](https://arxiv.org/abs/1705.08500)
        - Geifman, Uziel and El-Yaniv, 2019, [Bias-Reduced Uncertainty Estimation for
          Deep Neural Classifiers](https://arxiv.org/abs/1805.08206)
    """
    errors, uncertainty = _arrays.aligned(
        errors=_arrays.reals("errors", errors),
        uncertainty=_arrays.reals("uncertainty", uncertainty, infinite=True),
    )
    errors, uncertainty = np.atleast_1d(errors).ravel(), uncertainty.ravel()
    _, group, size = np.unique(uncertainty, return_inverse=True, return_counts=True)
    # The groups stand in the order of growing uncertainty.
    ordered = np.repeat(np.bincount(group, errors) / size, size)
    risks = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(risks.mean())


def separation(
    inside: ArrayLike, outside: ArrayLike
) -> dict[Literal["auroc", "average_precision", "fpr_at_95_recall"], float]:
    r"""How well an uncertainty separates strange rows from known ones.

    *Outside* are the rows to be found: data of another kind, or the rows that the model
    gets wrong. A row is found if its uncertainty reaches a threshold.

    - `auroc`: the probability that a row from outside is less certain than one from
      inside, $P(U_\text{out} > U_\text{in}) + \frac12 P(U_\text{out} = U_\text{in})$;
      0.5 is chance.
    - `average_precision`: $\sum_k (R_k - R_{k-1}) P_k$ over all thresholds, with the
      fraction $P$ of outside among the found rows, and the fraction $R$ of the outside
      rows that are found. Chance is the fraction of outside, so it depends on the sizes
      of both groups.
    - `fpr_at_95_recall`: the fraction of inside that is found at the highest threshold
      that finds 95 % of outside or more.

    Args:
        inside: Uncertainties of the rows from inside, of any shape.
        outside: Uncertainties of the rows from outside, of any shape.

    Returns:
        A dictionary of three floats in `[0, 1]`.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN.

    Examples:
        >>> from keras_dropout import metrics
        >>> found = metrics.separation([0.1, 0.4, 0.65, 0.35], [0.35, 0.8, 0.9])
        >>> {name: round(value, 4) for name, value in found.items()}
        {'auroc': 0.7917, 'average_precision': 0.8333, 'fpr_at_95_recall': 0.75}

    References:
        - Hendrycks and Gimpel, 2017, [A Baseline for Detecting Misclassified and
          Out-of-Distribution Examples](https://arxiv.org/abs/1610.02136)
    """
    inside = _arrays.reals("inside", inside, infinite=True).ravel()
    outside = _arrays.reals("outside", outside, infinite=True).ravel()
    thresholds, group = np.unique(
        np.concatenate([inside, outside]), return_inverse=True
    )
    counts = [
        np.bincount(part, minlength=len(thresholds))[::-1]
        for part in np.split(group, [len(inside)])
    ]
    # Highest threshold first: how many of each kind reach it.
    false, true = (np.cumsum(count) for count in counts)
    higher = false - counts[0] / 2
    auroc = 1 - np.average(higher, weights=counts[1]) / len(inside)
    precision = np.average(true / (true + false), weights=counts[1])
    # In whole numbers, since 0.95 is none in binary.
    first = np.argmax(100 * true >= 95 * len(outside))
    return {
        "auroc": float(auroc),
        "average_precision": float(precision),
        "fpr_at_95_recall": float(false[first] / len(inside)),
    }
