"""Proper scores of class probabilities: the Brier score and likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics import _arrays, _labels

# A class of probability 0 that occurs has infinite loss. A float32 softmax rounds what
# is smaller to 0, so this stands for it: 85.2 nats at most.
TINY = 1e-37


def brier_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean squared distance between the probabilities and the one-hot labels.

    $$\mathrm{BS} = \frac1n \sum_{i=1}^n \sum_{c=1}^C (p_{ic} - [y_i = c])^2$$

    from 0 (certain and right) to 2 (certain and wrong). For binary labels with one
    probability each it is $(p_i - y_i)^2$, which is half as much, as is usual.

    Args:
        y_true: Labels: integers `(...)`, or one-hot `(..., classes)`.
        y_pred: Probabilities `(..., classes)`; for binary labels the probability of 1,
            `(rows,)` or `(..., 1)`.
        sample_weight: Weights `(rows,)`, or one for each label.

    Returns:
        A float in `[0, 2]`, without unit.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN, shapes do not fit, or `y_pred` holds
            no probabilities.

    Examples:
        >>> from keras_dropout import metrics
        >>> p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]
        >>> round(metrics.brier_score([0, 1], p), 3)
        0.1
        >>> round(metrics.brier_score([1, 0], [0.9, 0.2]), 3)
        0.025

    References:
        - Brier, 1950, [Verification of Forecasts Expressed in Terms of
          Probability](https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2)
    """
    targets, p, binary = _labels.read(y_true, y_pred)
    return _arrays.mean(brier_of_rows(targets, p, binary), sample_weight)


def brier_of_rows(targets: np.ndarray, p: np.ndarray, binary: bool) -> np.ndarray:
    """The Brier score of each row, of what `_labels.read` gives."""
    squares = ((p - targets) ** 2).sum(axis=-1)
    return squares / 2 if binary else squares


def negative_log_likelihood(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean negative logarithm of the probability of the true label, in nats.

    $$\mathrm{NLL} = -\frac1n \sum_{i=1}^n \log p_{i y_i}$$

    For the mean probabilities of Monte Carlo samples it is the likelihood of their
    mixture. A probability below 1e-37 counts as 1e-37, so one row adds at most 85.2
    nats.

    Args:
        y_true: Labels: integers `(...)`, or one-hot `(..., classes)`.
        y_pred: Probabilities `(..., classes)`; for binary labels the probability of 1,
            `(rows,)` or `(..., 1)`.
        sample_weight: Weights `(rows,)`, or one for each label.

    Returns:
        A float, in nats per label.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN, shapes do not fit, or `y_pred` holds
            no probabilities.

    Examples:
        >>> from keras_dropout import metrics
        >>> p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]
        >>> round(metrics.negative_log_likelihood([0, 1], p), 4)
        0.2899

    References:
        - Good, 1952, [Rational
          Decisions](https://doi.org/10.1111/j.2517-6161.1952.tb00104.x)
    """
    targets, p, _ = _labels.read(y_true, y_pred)
    return _arrays.mean(nll_of_rows(targets, p), sample_weight)


def nll_of_rows(targets: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The negative log-likelihood of each row, of what `_labels.read` gives."""
    # The one that happened has target 1, the others 0.
    return -np.log(np.maximum((targets * p).sum(axis=-1), TINY))
