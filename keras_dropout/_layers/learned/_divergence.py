"""How far Gaussian noise is from the log-uniform prior."""

from __future__ import annotations

from keras import ops

from keras_dropout import _constants
from keras_dropout._typing import Tensor

# Molchanov et al. (2017), equation 14.
_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695


# Beyond these the divergence of weights does not change.
_LOWEST, _HIGHEST = -8.0, 8.0


def from_log_uniform(log_alpha: Tensor) -> Tensor:
    r"""The divergence of noise of the variance alpha, elementwise.

    $$k_1 \sigma(-k_2 - k_3 \log\alpha) + \tfrac{1}{2} \log(1 + 1 / \alpha)$$

    It is the paper's approximation with $\sigma(-z)$ for $1 - \sigma(z)$: at least 0
    for every alpha, and within 0.0094 of the exact one for $\log\alpha$ in [-8, 8].
    """
    sigmoid = ops.sigmoid(-_K2 - _K3 * log_alpha)
    return _K1 * sigmoid + 0.5 * ops.softplus(-log_alpha)


def of_weights(log_alpha: Tensor) -> Tensor:
    """The same with log alpha clipped to [-8, 8], as the paper does.

    1 / alpha is finite then, so the logarithm needs no second case, which costs time.
    """
    log_alpha = _constants.within(log_alpha, _LOWEST, _HIGHEST)
    sigmoid = ops.sigmoid(-_K2 - _K3 * log_alpha)
    return _K1 * sigmoid + 0.5 * ops.log1p(ops.exp(-log_alpha))
