"""Layers that become others where they stand."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropout import _keras
from keras_dropout._layers.tokens import _fused
from keras_dropout._model import flatten_layers
from keras_dropout.layers import NoiseLayer

# The last is that of KerasHub's models.
_COMPILED = (
    "train_function",
    "test_function",
    "predict_function",
    "generate_function",
)


def check_turn(old: Any, new: Any) -> None:
    """Refuses what cannot become another layer, or be one."""
    for layer in (old, new):
        if layer is None or layer.weights or _keras.sublayers(layer):
            raise ValueError(
                f"Only a layer without weights and without inner layers can replace "
                f"another in place. Received: {new!r} for layer {old.name!r}"
            )


def turn(old: Any, new: Any) -> None:
    """Makes `old` the layer that `new` is, in its place, with its name and its seed.

    `new` must not be used afterwards.
    """
    name = old.name
    _draw_on(getattr(new, "seed_generator", None), getattr(old, "seed_generator", None))
    _keras.turn_into(old, new)
    old.name = name


def fuse_attention(model: keras.layers.Layer) -> None:
    """Has Keras's attentions with our dropout take the fused way without noise."""
    for layer in flatten_layers(model):
        ours = isinstance(_keras.dropout_within(layer), NoiseLayer)
        if ours and _keras.is_attention(layer) and not _keras.is_covered(layer):
            _keras.cover(layer, _fused.compute)


def forget_compiled(model: keras.Model) -> None:
    """Makes `fit` and the like recompile, in a model and its inner models."""
    for layer in flatten_layers(model):
        if isinstance(layer, keras.Model):
            for name in _COMPILED:
                if getattr(layer, name, None) is not None:
                    setattr(layer, name, None)


def _draw_on(new, old):
    """Lets the new layer go on where the old one stood in its stream."""
    if new is not None and old is not None and new is not old:
        new.state.assign(ops.convert_to_numpy(old.state))
