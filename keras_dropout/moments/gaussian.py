r"""Moments of functions of normal numbers, as pure functions of mean and variance.

With $X \sim \mathcal{N}(m, v)$, $a = m / \sqrt v$, $\Phi$ and $\varphi$ distribution
and density of a standard normal number, and $r = a \Phi(a) + \varphi(a)$,

$$\mathrm{E}[\max(X, 0)] = \sqrt v\, r, \qquad
\mathrm{Var}[\max(X, 0)] = v\,(\Phi(a) + r (a - r)).$$

The form of the variance matters: as a difference of squares it is 0 in float32 at
$m = 1000$, $v = 10^{-4}$.

References:
    - Clark, 1961, The Greatest of a Finite Set of Random Variables
    - Wang and Manning, 2013, [Fast dropout
      training](https://proceedings.mlr.press/v28/wang13a.html)
    - Gast and Roth, 2018, [Lightweight Probabilistic Deep
      Networks](https://arxiv.org/abs/1805.11327)
    - Lu, Ie and Sha, 2020, [Uncertainty Estimation with Infinitesimal
      Jackknife, Its Distribution and Mean-Field
      Approximation](https://arxiv.org/abs/2006.07584), whose mean field of a softmax
      is not used here: see `softmax`
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from keras_dropout._typing import Tensor

# Below it a variance is taken for none, so that what is divided by stays finite.
_TINY = 1e-30
# Nodes of the Gauss-Hermite quadrature. Kinks cost accuracy, smooth functions hardly.
_NODES = 32


def below(a: Tensor) -> Tensor:
    """The probability that a standard normal number is below `a`."""
    return 0.5 * (1.0 + ops.erf(a / math.sqrt(2.0)))


def density(a: Tensor) -> Tensor:
    """The density of a standard normal number at `a`."""
    return ops.exp(-0.5 * ops.square(a)) / math.sqrt(2.0 * math.pi)


def relu(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the positive part."""
    return leaky_relu(mean, variance, 0.0)


def leaky_relu(mean: Tensor, variance: Tensor, slope: Any) -> tuple[Tensor, Tensor]:
    """Mean and variance of a number that is scaled by `slope` where it is negative."""
    stddev = ops.sqrt(ops.maximum(variance, _TINY))
    a = mean / stddev
    p = below(a)
    r = a * p + density(a)
    positive = stddev * r
    spread = variance * ops.maximum(p + r * (a - r), 0.0)
    certain = variance <= _TINY
    positive = ops.where(certain, ops.relu(mean), positive)
    if not isinstance(slope, float) or slope:
        rest = 1.0 - slope
        both = 2.0 * slope * rest * variance * p
        spread = slope**2 * variance + rest**2 * spread + both
        positive = slope * mean + rest * positive
    return positive, ops.where(certain, ops.zeros_like(spread), spread)


def exponential(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the exponential: those of a log-normal number."""
    first = ops.exp(mean + 0.5 * variance)
    return first, ops.square(first) * ops.expm1(variance)


def quadrature(
    function: Callable[[Tensor], Tensor],
    mean: Tensor,
    variance: Tensor,
    nodes: Any = _NODES,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of a function that works number by number, by Gauss-Hermite.

    Args:
        function: Function of a tensor.
        mean: Tensor, the mean of its argument.
        variance: Tensor, the variance of its argument.
        nodes: How many values of the function to take.
    """
    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    stddev = ops.sqrt(variance)
    middle = function(mean)
    first = second = ops.zeros_like(middle)
    for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
        moved = function(mean + place * stddev) - middle
        first = first + weight * moved
        second = second + weight * ops.square(moved)
    return middle + first, ops.maximum(second - ops.square(first), 0.0)


def larger(
    mean: Tensor, variance: Tensor, other_mean: Tensor, other_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance of the larger of two independent numbers, as Clark has them."""
    theta = ops.sqrt(ops.maximum(variance + other_variance, _TINY))
    # Seen from the larger mean, so that squares do not cancel.
    base = ops.maximum(mean, other_mean)
    one, two = mean - base, other_mean - base
    b = (one - two) / theta
    p, q, d = below(b), below(-b), density(b)
    first = one * p + two * q + theta * d
    second = (one**2 + variance) * p + (two**2 + other_variance) * q
    second = second + (one + two) * theta * d
    return base + first, ops.maximum(second - ops.square(first), 0.0)


def softmax(
    mean: Tensor, variance: Tensor, covariance: Any = None
) -> tuple[Tensor, Tensor]:
    r"""Mean and variance of a softmax along the last axis, by the log odds of classes.

    A probability is the logistic function of the log odds of its class against all
    others, $p_k = \sigma(L_k)$ with $L_k = z_k - \log \sum_{j \ne k} e^{z_j}$. With
    $r_j$ the shares of the others at the mean, $g$ the gradient (1 for class $k$,
    $-r_j$ for the others) and $\Sigma$ the covariance of the logits, the expansion to
    second order has

    $$\mathrm{E}[L_k] = L_k(m) - \tfrac12 \Bigl(\sum_j r_j \Sigma_{jj}
    - r^\top \Sigma r\Bigr), \qquad \mathrm{Var}[L_k] = g^\top \Sigma g.$$

    $L_k$ is taken for normal, and mean and variance of $\sigma(L_k)$ are those of the
    quadrature; the means are scaled to sum to 1. Of two classes this is exact for
    normal logits. The pairwise mean field of Lu, Ie and Sha is off by 2 to 20 times as
    much (total variation, normal logits, 2 to 10 classes).

    Args:
        mean: Tensor `(..., classes)`, the mean of the logits.
        variance: Tensor as `mean`.
        covariance: Tensor `(..., classes, classes)`, or `None` for independent logits.
    """
    eye = ops.eye(mean.shape[-1], dtype="float32")
    # Row k: the logits of the others, seen from class k.
    others = ops.where(eye > 0, -1e30, mean[..., None, :])
    shares = ops.softmax(others, axis=-1)
    middle = mean - ops.logsumexp(others, axis=-1)
    own = ops.matmul(shares, variance[..., None])[..., 0]
    if covariance is None:
        together = ops.matmul(ops.square(shares), variance[..., None])[..., 0]
        spread = variance + together
    else:
        crossed = ops.matmul(shares, covariance)
        together = ops.sum(crossed * shares, axis=-1)
        spread = variance + together - 2.0 * ops.sum(crossed * eye, axis=-1)
    middle = middle - 0.5 * (own - together)
    p, spread = quadrature(ops.sigmoid, middle, ops.maximum(spread, 0.0))
    p = p / ops.sum(p, axis=-1, keepdims=True)
    return p, ops.minimum(spread, p * (1.0 - p))
