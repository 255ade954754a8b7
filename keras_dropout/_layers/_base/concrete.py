"""Concrete dropout: what a learned rate costs, and masks between 0 and 1."""

from __future__ import annotations

import keras
from keras import ops

from keras_dropout import _constants
from keras_dropout._layers._base import formulas
from keras_dropout._typing import Tensor


def penalty(
    logit: Tensor,
    masks: int,
    squares: Tensor | None,
    weight_regularizer: Tensor,
    dropout_regularizer: Tensor,
) -> Tensor:
    r"""The penalty of a rate, a float32 scalar, which is often negative.

    $$\lambda_W \frac{\lVert W \rVert^2}{1 - p} - \lambda_p K H(p)$$

    Args:
        logit: The logit of the rate $p$.
        masks: Integer, the number $K$ of decisions in one mask.
        squares: The sum of the squares of the weights, or `None` if they cannot change.
        weight_regularizer: The strength $\lambda_W$.
        dropout_regularizer: The strength $\lambda_p$.
    """
    logit = ops.cast(logit, "float32")
    p = ops.sigmoid(logit)
    entropy = p * ops.softplus(-logit) + (1.0 - p) * ops.softplus(logit)
    total = -dropout_regularizer * masks * entropy
    if squares is None:
        return total
    return total + weight_regularizer * squares * inverse_keep(logit)


def squares_of(weights: Tensor) -> Tensor:
    """The sum of the squares of some weights, in float32."""
    return ops.sum(ops.square(ops.cast(weights, "float32")))


def inverse_keep(logit: Tensor) -> Tensor:
    """1 / (1 - p), which is finite also where p rounds to 1."""
    return 1.0 + ops.exp(_constants.at_most(logit, 80.0))


def masked(keep: Tensor, x: Tensor, scale: Tensor) -> Tensor:
    """What a mask keeps of `x`, scaled: a Boolean one, or one of numbers in [0, 1]."""
    if keras.backend.standardize_dtype(keep.dtype) == "bool":
        return formulas.where_kept(keep, x, scale)
    return x * ops.cast(keep * scale, x.dtype)
