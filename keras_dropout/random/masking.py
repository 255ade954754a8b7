"""What a mask does to a tensor, in as few operations as the backend has for it."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import context
from keras_dropout.random.backends import backend

# Where the compiler makes one loop of a draw and a selection, there is none.
_drop = getattr(backend, "drop", None)
# Only PyTorch's fused attention has dropout of its own.
_attend = getattr(backend, "attend", None)
# What TensorFlow and JAX trace once is not worth asking.
_are_tensors = getattr(backend, "are_tensors", None)


def select(keep: Tensor, x: Tensor, scale: Tensor = None) -> Tensor:
    """`scale * x` where kept and 0 elsewhere, in the backend's fastest way.

    A selection, not a product: NaN or infinity that is not kept does not come
    through, forward or backward.
    """
    keep, x = _tensors(keep, x)
    if isinstance(x, keras.Variable):
        # A tensor for TensorFlow, but without what its tensors have.
        x = x.value
    if scale is not None and not isinstance(scale, float):
        scale = ops.cast(scale, x.dtype)
    return backend.select(keep, x, scale)


def drop(
    x: Tensor, shape: Shape, rate: Tensor, key: Tensor, scale: Tensor = None
) -> Tensor | None:
    """What `keras_dropout.random.drop` gives, at once, or None if it takes two."""
    if _drop is None or context.arrangement() is not None:
        return None
    (x,) = _tensors(x)
    if tuple(shape) != tuple(x.shape):
        return None
    return _drop(x, rate, key, scale)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rate: Tensor,
    draw: Callable[[], Tensor],
    *,
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float = 1.0,
) -> Tensor | None:
    """Attention with dropout of its weights, in one operation that stores none.

    Args:
        query: Tensor `(batch, time, heads, dim)`.
        key: Likewise.
        value: Likewise.
        rate: Float or scalar tensor in `[0, 1]`, the probability of dropping.
        draw: Function that returns a key of `next_key`. It is called once, if the
            backend has such an operation.
        mask: Boolean tensor that broadcasts to `(batch, heads, queries, keys)`, true
            where a query sees a key, or None.
        is_causal: Whether no query sees a later key.
        scale: The factor of the products of queries and keys.

    Returns:
        A tensor `(batch, queries, heads, size of a value)`, or `None` where the backend
        has no such operation.
    """
    if _attend is None or context.arrangement() is not None:
        return None
    told = {"mask": mask, "is_causal": is_causal, "scale": scale}
    return _attend(query, key, value, rate, draw, **told)


def _tensors(*given):
    """Tensors of the backend."""
    if _are_tensors is not None and _are_tensors(given):
        return given
    return tuple(map(ops.convert_to_tensor, given))
