"""Layers that are borrowed for one call, with other attributes."""

from __future__ import annotations

from typing import Any

from keras_dropout._keras.errors import PrivateNameError
from keras_dropout._keras.layers import is_exported


def borrowed(layer: Any, **changes: Any) -> Any:
    """A copy of a layer for one call of one of its methods, with other attributes."""
    new = object.__new__(type(layer))
    new.__dict__.update(vars(layer))
    # Past Keras's tracking, which would take in what is borrowed.
    new.__dict__.update(changes)
    return new


def convolved(layer: Any, x: Any, kernel: Any) -> Any:
    """What a convolution makes of `x` with another kernel, without its bias."""
    if "_kernel" not in vars(layer):
        raise PrivateNameError(f"{type(layer).__name__} has no attribute `_kernel`")
    bare = {"use_bias": False, "activation": None, "lora_enabled": False}
    other = borrowed(layer, _kernel=kernel, **bare)
    known = [cls for cls in type(layer).__mro__ if is_exported(cls)]
    return known[0].call(other, x)
