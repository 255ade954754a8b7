"""Constants beside tensors, made on the device where the tensors are.

On PyTorch `ops.minimum(x, 1.0)`, `ops.where(mask, x, 0.0)` and `ops.full` first make a
tensor on the host, and send it to the device of `x` in each step. The host waits for
that. Operators such as `x + 1.0` send nothing. The functions here send nothing either.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_dropout._typing import Tensor


def scalar(value: float, dtype: Any = "float32") -> Tensor:
    """A tensor without axes that holds a number."""
    return ops.zeros((), dtype) + value


def like(x: Tensor, value: float) -> Tensor:
    """A number in the shape and the dtype of `x`."""
    return ops.zeros_like(ops.convert_to_tensor(x)) + value


def at_most(x: Tensor, bound: float) -> Tensor:
    """`x`, or the bound where `x` is more."""
    return ops.minimum(x, like(x, bound))


def at_least(x: Tensor, bound: float) -> Tensor:
    """`x`, or the bound where `x` is less."""
    return ops.maximum(x, like(x, bound))


def within(x: Tensor, low: float, high: float) -> Tensor:
    """`x`, or the nearer of two bounds where it lies outside."""
    return at_most(at_least(x, low), high)
