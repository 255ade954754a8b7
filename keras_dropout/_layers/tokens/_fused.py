"""Attention in the fused operation of the backend.

It never stores the attention weights, so dropout cannot act on them. Keras uses it only
if the rate is always 0. A call without noise does not need the weights either.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropout import _keras
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Tensor
from keras_dropout.random import context


def is_enough(layer: Any, query: Tensor, training: bool | None) -> bool:
    """Whether a call of an attention layer needs no weights of attention.

    Args:
        layer: An attention of Keras, or one of ours.
        query: The projected query.
        training: What the call was told.
    """
    dropout = _keras.dropout_within(layer)
    if dropout is None or len(query.shape) != 4:
        return False
    if training is None:
        training = _keras.training_around()
    if isinstance(dropout, NoiseLayer):
        return not dropout.is_noisy(training)
    return not training and not context.is_on(dropout)


def attend(
    layer: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    """Attention without dropout, as Keras computes it where the rate is 0.

    Args:
        layer: The attention layer.
        query: Projected query, `(batch, time, heads, dim)`.
        key: Projected key, likewise.
        value: Projected value, likewise.
        mask: Mask `(batch, queries, keys)`, or with an axis of heads, or None.
        is_causal: Boolean, whether no query sees a later key.
    """
    flash = _keras.flash_of(layer)
    if flash is None and keras.backend.backend() == "torch":
        # PyTorch chooses by itself. Keras asks first, by what `torch.compile` cannot
        # trace.
        flash = False
    if mask is not None:
        mask = ops.cast(mask, "bool")
        if len(mask.shape) == 3:
            mask = ops.expand_dims(mask, -3)
    return ops.dot_product_attention(
        query,
        key,
        value,
        mask=mask,
        scale=1.0 / float(query.shape[-1]) ** 0.5,
        is_causal=is_causal,
        flash_attention=flash,
    )


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
    scores = return_attention_scores or _keras.wants_scores(layer)
    if not scores and is_enough(layer, query, training):
        outputs = attend(layer, query, key, value, attention_mask, use_causal_mask)
        return outputs, None
    told = {
        "return_attention_scores": return_attention_scores,
        "use_causal_mask": use_causal_mask,
    }
    # An older Keras, or a grouped attention, may know neither.
    told = {name: True for name, asked in told.items() if asked}
    return _keras.computed(layer, query, key, value, attention_mask, training, **told)
