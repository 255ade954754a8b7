"""What a layer is told when `keras.RematScope` has it run twice.

Keras gives all arguments of a call to the function that is run again. JAX makes
tensors of them, `training` too, which no layer can then ask; TensorFlow takes no
keywords there in a graph. So what has no gradient is fixed before, and only tensors of
floats are left.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras


def fixed(call: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The method `call` with those of its keywords that have no gradient."""
    known = {name: value for name, value in kwargs.items() if not _has_floats(value)}

    @functools.wraps(call)
    def function(*args, **others):
        return call(*args, **known, **others)

    return function


def open_only(call: Callable[..., Any]) -> Callable[..., Any]:
    """The reverse: leaves out of the keywords those that `fixed` has told already."""

    @functools.wraps(call)
    def function(*args, **kwargs):
        left = {name: value for name, value in kwargs.items() if _has_floats(value)}
        return call(*args, **left)

    return function


def _has_floats(value):
    return any(
        keras.ops.is_tensor(each)
        and keras.backend.is_float_dtype(keras.backend.standardize_dtype(each.dtype))
        for each in keras.tree.flatten(value)
    )
