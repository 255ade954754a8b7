"""Exchanging the noise of a built model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras

from keras_dropout._model import flatten_layers
from keras_dropout._typing import Model
from keras_dropout._validation import boolean, choice, invalid
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.graph import rebuilt
from keras_dropout.surgery.in_place import (
    check_turn,
    forget_compiled,
    fuse_attention,
    turn,
)
from keras_dropout.surgery.twins import is_noise, ours, theirs


def replace_dropout(
    model: Model,
    by: Literal["keras_dropout", "keras"] | Callable[[Any], Any] = "keras_dropout",
    *,
    in_place: bool = False,
) -> keras.Model:
    """Replaces the noise layers of a built model.

    Args:
        model: A Functional or Sequential model. Nested models are changed too. Noise
            within other layers, such as attention, does not change. With `in_place`, a
            Keras model or layer of any kind, with all noise within it.
        by: `"keras_dropout"` replaces Keras's layers by ours, `"keras"` replaces ours
            by Keras's. Or a function that takes each noise layer, ours or Keras's, and
            returns its replacement, or `None` for no layer.
        in_place: Boolean. If true, the noise layers of `model` itself are replaced,
            also within your own layers. The model keeps its class, its compiled state
            and its way of saving. Only layers without weights and without inner layers
            can be replaced, and none can be removed.

    Returns:
        A new model that shares the weights of `model`, or `model` itself if there was
        nothing to replace or `in_place` is true.

    Raises:
        TypeError: `model` is subclassed, and `in_place` is false.
        ValueError: Keras has no layer that does the same as one of ours; or, in place,
            a layer has weights or inner layers, or the replacement is `None`.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.2)])
        >>> ours = kd.replace_dropout(model)
        >>> isinstance(ours.layers[0], kd.layers.Dropout)
        True
        >>> mc = kd.replace_dropout(model, lambda old: kd.layers.MCDropout(old.rate))
        >>> mc.layers[0].monte_carlo
        True
    """
    if callable(by):
        exchange = by
    else:
        choice("by", by, ("keras_dropout", "keras"))
        exchange = ours if by == "keras_dropout" else theirs

    if boolean("in_place", in_place):
        return _turned(model, exchange)

    def change(target):
        return Chain(target, exchange(target) if is_noise(target) else target)

    return rebuilt(model, change)


def _turned(model, exchange):
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(invalid("model", "a Keras model or layer", model))
    noisy = [layer for layer in flatten_layers(model) if is_noise(layer)]
    found = [(layer, exchange(layer)) for layer in noisy]
    changed = [(old, new) for old, new in found if new is not old]
    for old, new in changed:
        check_turn(old, new)
    for old, new in changed:
        turn(old, new)
    if changed:
        fuse_attention(model)
        forget_compiled(model)
    return model
