"""The formulas, as pure functions of an input and the noise that was drawn."""

from __future__ import annotations

import keras
from keras import ops

from keras_dropout import random
from keras_dropout._typing import Tensor
from keras_dropout.random import context

# The constants of SELU, to the digits that Klambauer et al. (2017) give.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
SELU_SATURATION = -SELU_SCALE * SELU_ALPHA


def where_kept(keep: Tensor, x: Tensor, scale: Tensor | None = None) -> Tensor:
    r"""`scale * x` where kept and 0 elsewhere.

    A selection, not a product: NaN or infinity in a dropped unit stays there.
    """
    return random.select(keep, x, scale)


def inverse(probability: Tensor) -> Tensor:
    """1 / probability, and 0 instead of infinity where it is zero."""
    if isinstance(probability, float):
        return 1.0 / probability if probability else 0.0
    return ops.divide_no_nan(ops.ones_like(probability), probability)


def keep_scale(rate: Tensor) -> Tensor:
    """What is kept at a rate is multiplied by this; 0 where nothing is kept."""
    told = context.keep_scale(rate)
    return inverse(random.keep_probability(rate)) if told is None else told


def alpha_slope(keep_probability: Tensor) -> Tensor:
    r"""The slope that gives alpha dropout a variance of 1.

    $$a = \left(q (1 + p A^2)\right)^{-1/2}, \qquad p = 1 - q$$

    It is 0 where nothing is kept, since no slope gives a constant a variance.
    """
    square = SELU_SATURATION**2
    variance = keep_probability * ((1.0 + square) - square * keep_probability)
    return inverse(variance) ** 0.5


def alpha_drop(keep: Tensor, x: Tensor, keep_probability: Tensor) -> Tensor:
    r"""Alpha dropout of `x`: SELU's saturation where dropped, then the affine map.

    With the intercept $b = -a p A$ what is dropped becomes $a A + b = a q A$.
    """
    slope = alpha_slope(keep_probability)
    dropped = slope * (SELU_SATURATION * keep_probability)
    # Kept units are slope * x + intercept, written as the difference to dropped ones.
    if not isinstance(dropped, float):
        dropped = ops.cast(dropped, x.dtype)
    return where_kept(keep, x - SELU_SATURATION, slope) + dropped


def is_lost(strength: float, dtype: str) -> bool:
    """Whether a factor `1 + noise` rounds to 1 for all noise up to `strength`.

    Below 1 the numbers of a dtype lie half as far apart as above, and what is in the
    middle between two of them rounds to 1.
    """
    # The factor is made in float32.
    digits = {"float16": 10, "bfloat16": 7}.get(dtype, 23)
    return float(strength) <= 2.0 ** -(digits + 2)


def value_of_gradient_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """`value` forward, to the bit, and the gradient of `surrogate` backward."""
    # The difference is exactly 0, where the surrogate is finite.
    return ops.stop_gradient(value) + (surrogate - ops.stop_gradient(surrogate))


def mix(keep: Tensor, x: Tensor, anchor: Tensor, scale: Tensor) -> Tensor:
    """Mixout of `x`: the anchor where not kept, and what keeps the mean at `x`.

    With the mask m and q the probability of keeping it is (m/q) x + (1 - m/q) u,
    which is x itself to the bit at q = 1, and needs no selection in either direction.
    The scale is 1/q.
    """
    dtype = x.dtype
    x, anchor = ops.cast(x, "float32"), ops.cast(anchor, "float32")
    factor = ops.cast(keep, "float32") * scale
    return ops.cast(_between(anchor, x, factor), dtype)


def _between(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """`start` at a factor of 0 and `end` at 1, to the bit."""
    if keras.backend.backend() == "torch":
        import torch

        # In one pass over memory, and one backward.
        return torch.lerp(start, end, factor)
    return factor * end + (1.0 - factor) * start


def where_updated(updated: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Zoneout in training: the new state where `updated` is not 0, else the old."""
    return ops.where(updated != 0, new, old)


def blend(kept: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Zoneout at inference: the mean of the two states, `kept` of it the old."""
    return kept * old + (1 - kept) * new
