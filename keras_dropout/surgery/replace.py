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
    """Exchanges the noise layers of a built model.

    Args:
        model: A Functional or Sequential model; nested models are changed too. Noise
            within other layers, as in attention, stays as it is. In place, a Keras
            model or layer of any kind, and all noise within.
        by: `"keras_dropout"` puts our layers in the place of Keras's, `"keras"` puts
            Keras's in the place of ours. A function is given each noise layer, ours or
            Keras's, and returns the layer to stand there, or `None` for none.
        in_place: Boolean. If true, the noise layers of `model` itself become others
            where they stand, within layers of your own too, and the model keeps its
            class, its compiled state and its way of saving. Only layers without
            weights and layers within can become others, and none can be left out.

    Returns:
        A new model that shares the weights of `model`, or `model` itself if there was
        nothing to exchange or `in_place` is true.

    Raises:
        TypeError: `model` is subclassed, and `in_place` is false.
        ValueError: Keras has no layer that does what one of ours does; or, in place, a
            layer holds weights or other layers, or `None` should stand there.

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
