"""Attention in the fused operation of the backend.

It never stores the attention weights, so a layer cannot drop them. Keras uses it only
if the rate is always 0. A call without noise does not need the weights either, and on
CUDA PyTorch has an operation that drops them itself.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import ops

from keras_dropout import _keras, random
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers.units.dropout import Dropout, MCDropout
from keras_dropout._typing import Tensor
from keras_dropout.random import context


def at_once(
    layer: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    training: bool | None = None,
    is_causal: bool = False,
) -> Tensor | None:
    """What an attention layer computes in one operation, or None if it needs several.

    Args:
        layer: An attention of Keras, or one of ours.
        query: Projected query, `(batch, time, heads, dim)`.
        key: Projected key, likewise.
        value: Projected value, likewise.
        mask: Mask `(batch, queries, keys)`, or with an axis of heads, or None.
        training: What the call was told.
        is_causal: Boolean, whether no query sees a later key.
    """
    dropout = _keras.dropout_within(layer)
    if dropout is None or len(query.shape) != 4 or _changes_inference(dropout):
        return None
    if mask is not None:
        mask = ops.cast(mask, "bool")
        if len(mask.shape) == 3:
            mask = ops.expand_dims(mask, -3)
    told = {
        "mask": mask,
        "is_causal": is_causal,
        "scale": 1.0 / float(query.shape[-1]) ** 0.5,
    }
    if training is None:
        training = _keras.training_around()
    if _is_noisy(dropout, training):
        return _drop(dropout, query, key, value, training, told)
    if _is_slow():
        return None
    flash = _keras.flash_of(layer)
    if flash is None and keras.backend.backend() == "torch":
        # PyTorch chooses by itself. Keras asks first, by what `torch.compile` cannot
        # trace.
        flash = False
    return ops.dot_product_attention(query, key, value, flash_attention=flash, **told)


def _is_slow():
    """Whether several operations take less time: JAX has no fused one on a CPU."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


def _changes_inference(dropout):
    """Whether it does something at inference too, as a factor of the weights."""
    return isinstance(dropout, NoiseLayer) and dropout.without_noise() is not None


def _is_noisy(dropout, training):
    if isinstance(dropout, NoiseLayer):
        return dropout.is_noisy(training)
    return training or context.is_on(dropout)


def _drop(dropout, query, key, value, training, told):
    """Attention with dropout of its weights, or None if no operation does the same."""
    kinds = (Dropout, MCDropout, keras.layers.Dropout)
    # While samples are drawn, their schemes make the masks.
    if type(dropout) not in kinds or dropout.noise_shape or context.is_active():
        return None
    if isinstance(dropout, NoiseLayer):
        rate, draw = dropout.current("rate"), dropout.key
    else:
        # Keras makes no generator for a rate of 0.
        rate, generator = dropout.rate, getattr(dropout, "seed_generator", None)
        draw = functools.partial(random.next_key, generator)
    outputs = random.attend(query, key, value, rate, draw, **told)
    if outputs is not None and isinstance(dropout, NoiseLayer):
        dropout.advance(training)
    return outputs


def compute(
    layer: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    training: bool | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What a layer of Keras with our dropout computes in place of its own method."""
    if not (return_attention_scores or _keras.wants_scores(layer)):
        outputs = at_once(
            layer, query, key, value, attention_mask, training, use_causal_mask
        )
        if outputs is not None:
            return outputs, None
    told = {
        "return_attention_scores": return_attention_scores,
        "use_causal_mask": use_causal_mask,
    }
    # An older Keras, or a grouped attention, may know neither.
    told = {name: True for name, asked in told.items() if asked}
    return _keras.computed(layer, query, key, value, attention_mask, training, **told)
