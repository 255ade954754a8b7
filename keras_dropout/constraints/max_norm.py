"""The projection of weights onto a ball, and the constraint that applies it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_dropout import _bases, _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Tensor
from keras_dropout._validation import invalid

# The largest relative error of rounding a number to each dtype.
_ROUNDOFF = {
    "bfloat16": 2.0**-8,
    "float16": 2.0**-11,
    "float32": 2.0**-24,
    "float64": 2.0**-53,
}


def incoming_norms(weights: Tensor, axes: Sequence[int]) -> Tensor:
    """L2 norms over `axes`, kept as axes of size 1, in float32 or better."""
    if keras.backend.standardize_dtype(weights.dtype) != "float64":
        weights = ops.cast(weights, "float32")
    return ops.sqrt(ops.sum(ops.square(weights), axis=axes, keepdims=True))


def rounding(dtype: str, count: int) -> float:
    """By how much rounding may move a norm of `count` weights, relative to it.

    Weights that were scaled down onto the limit must count as inside, else the
    projection would not be idempotent. Rounding them moves their norm by at most the
    roundoff of their dtype. A float32 sum of `count` squares errs by sqrt(count) / 3
    roundoffs (root mean square; Higham and Mary, 2019), its root by half of that:
    eight times as much is allowed, and four roundoffs for the other operations.
    """
    summed = _ROUNDOFF["float64" if dtype == "float64" else "float32"]
    return _ROUNDOFF[dtype] + (4 + 2 * math.sqrt(count)) * summed


def project(weights: Tensor, max_value: float, axes: Sequence[int]) -> Tensor:
    """`weights`, with every norm over `axes` brought down to `max_value`.

    What is inside the ball, or on it to rounding, comes back bit for bit.
    """
    dtype = keras.backend.standardize_dtype(weights.dtype)
    norms = incoming_norms(weights, axes)
    count = math.prod(weights.shape[axis] for axis in axes)
    inside = norms <= max_value * (1.0 + rounding(dtype, count))
    scale = ops.where(inside, 1.0, max_value / norms)
    return ops.cast(ops.cast(weights, norms.dtype) * scale, dtype)


@registered
class MaxNorm(_bases.Constraint):
    r"""Limits the L2 norm of the incoming weights of each unit.

    After each update, for each unit, with $c$ = `max_value`,

    $$w \leftarrow w \cdot \min\left(1, \frac{c}{\lVert w \rVert_2}\right).$$

    It is the exact projection: weights below the limit do not change by one bit, the
    projection is idempotent, and zero stays zero. (`keras.constraints.MaxNorm` shrinks
    all weights a little at each step.) Norms are computed in float32 for every dtype of
    the weights.

    Args:
        max_value: Float above 0, the limit $c$. Usual values are 3 to 4.
        axis: Integer or tuple of integers, the axes of the inputs of a unit, over which
            the norm is taken: 0 for the kernel of `Dense`, `(0, 1, 2)` for that of
            `Conv2D`. [keras_dropout.constraints.apply_max_norm][] and
            [keras_dropout.layers.MaxNormDropout][] know them for each Keras layer. Some
            layers, such as `MultiHeadAttention`, use one constraint for several
            sublayers. For these pass a dictionary from the names of the sublayers to
            their axes.

    Raises:
        TypeError: `max_value` is not a number, or `axis` is not made of integers.
        ValueError: `max_value` is not finite or not above 0, `axis` is empty, repeats
            itself, or, when the constraint is first applied, does not fit the weight.

    Examples:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_dropout import constraints
        >>> kernel = np.array([[3.0, 0.6], [4.0, 0.8]], "float32")
        >>> projected = constraints.MaxNorm(2.5, axis=0)(kernel)
        >>> ops.convert_to_numpy(projected).tolist() == [
        ...     [1.5, kernel[0, 1]],
        ...     [2.0, kernel[1, 1]],
        ... ]
        True

    References:
        - Srivastava et al., 2014, [Dropout: A Simple Way to Prevent Neural Networks
          from Overfitting](https://jmlr.org/papers/v15/srivastava14a.html)
        - Srebro and Shraibman, 2005, [Rank, Trace-Norm and
          Max-Norm](https://doi.org/10.1007/11503415_37)
    """

    def __init__(self, max_value: float = 3.0, axis: int | Sequence[int] = 0) -> None:
        self.max_value: float = _validation.positive("max_value", max_value)
        if isinstance(axis, dict):
            self.axis = {
                name: _validation.axes("axis", each) for name, each in axis.items()
            }
        else:
            self.axis: tuple[int, ...] = _validation.axes("axis", axis)

    def __call__(self, w: Tensor) -> Tensor:
        axes = self.axes_of(w)
        return project(ops.convert_to_tensor(w), self.max_value, axes)

    def axes_of(self, w: Tensor) -> tuple[int, ...]:
        """The incoming axes of the weight `w`, counted from 0."""
        axes = self.axis
        if isinstance(axes, dict):
            # A constraint gets only the weight. Its path ends in "sublayer/kernel".
            sublayer = getattr(w, "path", "").split("/")[-2:][0]
            if sublayer not in axes:
                expected = f"an entry for the sublayer of the weight {sublayer!r}"
                raise ValueError(invalid("axis", expected, axes))
            axes = axes[sublayer]
        rank = len(w.shape)
        if any(not -rank <= axis < rank for axis in axes):
            expected = f"axes of a weight of shape {tuple(w.shape)}"
            raise ValueError(invalid("axis", expected, axes))
        return tuple(sorted({axis % rank for axis in axes}))

    def get_config(self) -> Config:
        """The arguments that rebuild the constraint."""
        return {"max_value": self.max_value, "axis": self.axis}
