"""The quantile of scores that makes a promise hold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics.values import level


def conformal_quantile(scores: ArrayLike, confidence_level: float) -> np.ndarray:
    r"""The smallest threshold that holds a new score with the asked confidence.

    It is the $k$-th smallest of $n$ scores with $k = \lceil (n + 1) c \rceil$, and
    infinite where $k > n$: with so few scores nothing less keeps the promise. A new
    score that is exchangeable with these is at most as large with a probability of at
    least $c$, and of exactly $k / (n + 1)$ if no scores are equal. Quantiles that
    interpolate, or that take $\lceil (n + 1) c \rceil / n$ with the next higher score,
    miss it by one place or more.

    Args:
        scores: Scores `(n, ...)`. NaN does not count.
        confidence_level: Float in `(0, 1)`, the probability $c$.

    Returns:
        Array of shape `(...)`.

    References:
        - Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World
    """
    confidence_level = level("confidence_level", confidence_level)
    # Sorting puts NaN last.
    scores = np.sort(np.asarray(scores, np.float64), axis=0)
    count = np.count_nonzero(~np.isnan(scores), axis=0)
    # 100 (1 - 0.43) is 57.00000000000001 in binary.
    place = np.ceil((count + 1) * confidence_level - 1e-9).astype(np.int64)
    if not len(scores):
        return np.full(scores.shape[1:], math.inf)
    last = np.minimum(place, np.maximum(count, 1))[None] - 1
    found = np.take_along_axis(scores, last, axis=0)[0]
    return np.where(place > count, math.inf, found)
