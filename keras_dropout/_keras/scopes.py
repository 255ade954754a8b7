"""Scopes of dtypes and values, and the masks that travel with tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

try:
    from keras.src.backend import AutocastScope
except ImportError:
    AutocastScope = contextlib.nullcontext


try:
    from keras.src.backend.common.stateless_scope import in_stateless_scope
except ImportError:

    def in_stateless_scope():
        """Unknown, so a variable is always assigned to, which respects a scope."""
        return True


try:
    from keras.src.backend.common.stateless_scope import get_stateless_scope
except ImportError:

    def get_stateless_scope():
        """Unknown, so variables are taken to have their own values."""
        return


def value_now(variable: Any) -> Any:
    """The value of a variable, or None while a JAX trainer has taken it away."""
    # `value` would make up a placeholder for one that is away.
    return variable._value if hasattr(variable, "_value") else variable.value


def scoped(variable: Any) -> Any:
    """The value that a stateless scope has for a variable, or None."""
    scope = get_stateless_scope()
    return None if scope is None else scope.get_current_value(variable)


try:
    from keras.src.backend.common.masking import get_keras_mask as mask_of
    from keras.src.backend.common.masking import set_keras_mask as set_mask
except ImportError:

    def mask_of(tensor):
        """The mask that Keras keeps with a tensor, or None."""
        return getattr(tensor, "_keras_mask", None)

    def set_mask(tensor, mask):
        """Keeps a mask with a tensor, as Keras does."""
        tensor._keras_mask = mask


try:
    from keras.src.backend.common.global_state import get_global_attribute
except ImportError:

    def get_global_attribute(name):
        """Nothing is known of the call around."""
        return


def training_around() -> Any:
    """What `training` is in the call around, for a layer that is not told; or None."""
    return getattr(get_global_attribute("current_call_ctx"), "training", None)


@contextlib.contextmanager
def training_as(value: Any) -> Iterator[None]:
    """Within this context the call around has this `training`, and then its own again.

    Keras notes there what a layer was told, for those within, and leaves it so: all
    layers that come later in this call and are not told get it as well.
    """
    call = get_global_attribute("current_call_ctx")
    before = training_around()
    try:
        if call is not None:
            call.training = value
        yield
    finally:
        if call is not None:
            call.training = before
