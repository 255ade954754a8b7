"""Scores of predicted distributions and intervals of values, in the values' unit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout.metrics import _arrays

_erf = np.vectorize(math.erf, otypes=[np.float64])


def crps_gaussian(
    y_true: ArrayLike,
    mean: ArrayLike,
    std: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean continuous ranked probability score of normal distributions.

    $$\mathrm{CRPS} = \sigma \left[ z\,(2 \Phi(z) - 1) + 2 \varphi(z) -
    \tfrac{1}{\sqrt\pi} \right], \qquad z = \frac{y - \mu}{\sigma}$$

    with the standard normal distribution $\Phi$ and density $\varphi$. It has the unit
    of $y$. Where $\sigma$ is 0 it is the absolute error.

    Args:
        y_true: The values $y$, of any shape.
        mean: The means $\mu$, of that shape.
        std: The standard deviations $\sigma$, not negative, of that shape.
        sample_weight: Weights `(rows,)`, or one for each value.

    Returns:
        A float of at least 0, in the unit of `y_true`.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN or infinity, shapes do not fit, or a
            standard deviation is negative.

    Examples:
        >>> from keras_dropout import metrics
        >>> round(metrics.crps_gaussian([0.5], [0.0], [1.0]), 4)
        0.3314

    References:
        - Gneiting and Raftery, 2007, [Strictly Proper Scoring Rules, Prediction, and
          Estimation](https://doi.org/10.1198/016214506000001437)
    """
    y, mean, std = _arrays.aligned(
        y_true=_arrays.reals("y_true", y_true),
        mean=_arrays.reals("mean", mean),
        std=_arrays.reals("std", std),
    )
    if (std < 0).any():
        raise ValueError(
            "`std` must hold standard deviations, no negative number. For log "
            f"variances s take `numpy.exp(s / 2)`. Received: a smallest of {std.min()}"
        )
    return _arrays.mean(crps_gaussian_of_values(y, mean, std), sample_weight)


def crps_gaussian_of_values(
    y: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """The score of each value."""
    error = y - mean
    known = std > 0
    with np.errstate(over="ignore"):
        z = np.divide(error, std, out=np.zeros_like(error), where=known)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    score = error * _erf(z / math.sqrt(2))
    score = score + std * (2 * density - 1 / math.sqrt(math.pi))
    return np.where(known, score, np.abs(error))


def crps_samples(
    y_true: ArrayLike,
    samples: ArrayLike,
    *,
    fair: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean continuous ranked probability score of distributions given by samples.

    $$\mathrm{CRPS} = \frac1T \sum_{t} |x_t - y| - \frac{1}{2\,T (T - 1)}
    \sum_{s, t} |x_s - x_t|$$

    This *fair* form has the same mean as for infinitely many samples of the
    distribution. With $T^2$ instead of $T (T - 1)$ it is the score of the $T$ samples
    themselves, which is larger. The time is $O(T \log T)$.

    Args:
        y_true: The values $y$, of shape `(...)`.
        samples: The samples $x_t$, of shape `(samples, ...)`.
        fair: Boolean, whether to use the fair form.
        sample_weight: Weights `(rows,)`, or one for each value.

    Returns:
        A float in the unit of `y_true`; a fair one may be negative.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN or infinity, shapes do not fit, or
            there is one sample only and `fair` needs two.

    Examples:
        >>> from keras_dropout import metrics
        >>> round(metrics.crps_samples([3.0], [[1.0], [2.0], [4.0]]), 4)
        0.3333
        >>> round(metrics.crps_samples([3.0], [[1.0], [2.0], [4.0]], fair=False), 4)
        0.6667

    References:
        - Gneiting and Raftery, 2007, [Strictly Proper Scoring Rules, Prediction, and
          Estimation](https://doi.org/10.1198/016214506000001437)
        - Ferro, 2014, [Fair scores for ensemble
          forecasts](https://doi.org/10.1002/qj.2270)
    """
    fair = _validation.boolean("fair", fair)
    y, samples = _arrays.reals("y_true", y_true), _arrays.reals("samples", samples)
    count = len(samples) if samples.ndim else 0
    if count < 1 + fair:
        raise ValueError(
            f"`samples` must hold {1 + fair} or more on its first axis; fair=False "
            f"takes a single one. Received: samples of shape {samples.shape}"
        )
    if samples.shape[1:] == (*y.shape, 1):
        y = y[..., None]
    if samples.shape[1:] != y.shape:
        raise ValueError(
            "`samples` must have the shape (samples, *y_true.shape). Received: samples "
            f"of shape {samples.shape} for y_true of shape {y.shape}"
        )
    return _arrays.mean(crps_samples_of_values(y, samples, fair), sample_weight)


def crps_samples_of_values(
    y: np.ndarray, samples: np.ndarray, fair: bool = True
) -> np.ndarray:
    """The score of each value."""
    errors = np.sort(samples - y, axis=0)
    count = len(errors)
    # Of all pairs, how often a sample is the larger less how often the smaller.
    ranks = 2.0 * np.arange(count) - (count - 1)
    spread = np.tensordot(ranks, errors, axes=1) / (count * (count - fair))
    return np.abs(errors).mean(axis=0) - spread


def interval_coverage(
    y_true: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""The fraction of values inside their intervals, ends included.

    $$\frac1n \sum_{i=1}^n [\,l_i \le y_i \le u_i\,]$$

    Args:
        y_true: The values $y$, of any shape.
        lower: The lower ends $l$, of that shape, $-\infty$ where open.
        upper: The upper ends $u$, of that shape, $\infty$ where open.
        sample_weight: Weights `(rows,)`, or one for each value.

    Returns:
        A float in `[0, 1]`.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN, shapes do not fit, or a lower end is
            above its upper end.

    Examples:
        >>> from keras_dropout import metrics
        >>> metrics.interval_coverage([1.0, 2.0], [0.0, 0.0], [1.0, 1.0])
        0.5
    """
    y, lower, upper = _interval(y_true, lower, upper)
    inside = (lower <= y) & (y <= upper)
    return _arrays.mean(inside.astype(np.float64), sample_weight)


def interval_score(
    y_true: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    confidence_level: float = 0.9,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean interval score: the width, plus a penalty for each value outside.

    $$(u - l) + \frac{2}{\alpha} (l - y)_+ + \frac{2}{\alpha} (y - u)_+,
    \qquad \alpha = 1 - \text{level}$$

    The quantiles at $\alpha / 2$ and $1 - \alpha / 2$ of the true distribution have the
    smallest mean score.

    Args:
        y_true: The values $y$, of any shape.
        lower: The lower ends $l$, of that shape.
        upper: The upper ends $u$, of that shape.
        confidence_level: Float in `(0, 1)`, the coverage that the intervals promise.
        sample_weight: Weights `(rows,)`, or one for each value.

    Returns:
        A float of at least 0 in the unit of `y_true`, infinite where an interval is
        open.

    Raises:
        TypeError: An argument is not an array of real numbers.
        ValueError: An array is empty or holds NaN, shapes do not fit, a lower end is
            above its upper end, or `confidence_level` is out of its range.

    Examples:
        >>> from keras_dropout import metrics
        >>> score = metrics.interval_score([1.5], [0.0], [1.0], confidence_level=0.8)
        >>> round(score, 6)
        6.0

    References:
        - Gneiting and Raftery, 2007, [Strictly Proper Scoring Rules, Prediction, and
          Estimation](https://doi.org/10.1198/016214506000001437)
    """
    alpha = 1 - level("confidence_level", confidence_level)
    y, lower, upper = _interval(y_true, lower, upper)
    outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    return _arrays.mean(upper - lower + 2 / alpha * outside, sample_weight)


def level(name: str, value: float) -> float:
    """`value` as a float above 0 and below 1."""
    expected = "a float value above 0 and below 1"
    value = _validation.real(name, value, expected)
    if not 0 < value < 1:
        raise ValueError(_validation.invalid(name, expected, value))
    return value


def _interval(y_true, lower, upper):
    y, lower, upper = _arrays.aligned(
        y_true=_arrays.reals("y_true", y_true),
        lower=_arrays.reals("lower", lower, infinite=True),
        upper=_arrays.reals("upper", upper, infinite=True),
    )
    if (lower > upper).any():
        raise ValueError(
            "`lower` must not be above `upper`. Where predicted quantiles cross, take "
            "`numpy.minimum` and `numpy.maximum` of the two first. Received: "
            f"{np.count_nonzero(lower > upper)} intervals that are crossed"
        )
    return y, lower, upper
