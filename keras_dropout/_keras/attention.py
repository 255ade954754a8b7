"""Keras's attention: where it keeps its dropout, and how it computes."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import keras

# What both of Keras's attentions compute by, and its documentation names to override.
COMPUTE = "_compute_attention"
_ATTENTIONS = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)


def is_attention(layer: Any) -> bool:
    """Whether a layer computes attention as Keras's own do, by their own method."""
    method = getattr(type(layer), COMPUTE, None)
    own = [getattr(cls, COMPUTE, None) for cls in _ATTENTIONS]
    return isinstance(layer, _ATTENTIONS) and method in own


def dropout_within(layer: Any) -> Any:
    """The dropout of an attention layer that is built, or None."""
    return getattr(layer, "_dropout_layer", None)


def is_covered(layer: Any) -> bool:
    """Whether `cover` was called on the layer."""
    return COMPUTE in vars(layer)


def cover(layer: Any, compute: Callable[..., Any]) -> None:
    """Lets a function compute for an attention layer, which is its first argument."""
    # Into `__dict__`, past Keras's tracking of attributes.
    layer.__dict__[COMPUTE] = types.MethodType(compute, layer)


def computed(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """What the layer's class computes."""
    return getattr(type(layer), COMPUTE)(layer, *args, **kwargs)


def wants_scores(layer: Any) -> bool:
    """Whether a grouped attention was asked for its scores in this call."""
    return getattr(layer, "_return_attention_scores", False)


def flash_of(layer: Any) -> bool | None:
    """What the layer was told of flash attention; None leaves it to the backend."""
    return getattr(layer, "_flash_attention", None)
