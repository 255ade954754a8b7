"""Taking the noise out of a built model."""

from __future__ import annotations

import keras

from keras_dropout import _keras, layers
from keras_dropout._model import flatten_layers
from keras_dropout._typing import Model
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.graph import rebuilt
from keras_dropout.surgery.twins import TWINS


def strip_dropout(model: Model) -> keras.Model:
    """Removes the noise from a built model, for example for export.

    Noise layers are removed, and wrappers are replaced by their layer:
    `DropConnect(Dense(...))` becomes the `Dense`. A layer that also acts at inference,
    such as `Zoneout` or `StochasticPooling2D`, stays, without its noise. Noise within
    other layers, such as attention, stays too; it is silent at inference.

    Args:
        model: A Functional or Sequential model; nested models are changed too.

    Returns:
        A new model that shares the weights of `model`. It computes what `model`
        computes at inference without Monte Carlo noise. If there was nothing to remove,
        `model` itself.

    Raises:
        TypeError: `model` is subclassed.
        ValueError: Monte Carlo noise is within another layer and cannot be removed.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [keras.Input((4,)), kd.layers.MCDropout(0.2), keras.layers.Dense(3)]
        ... )
        >>> [layer.name for layer in kd.strip_dropout(model).layers]
        ['dense']
    """

    def change(target):
        return Chain(target, _without_noise(target))

    stripped = rebuilt(model, change)
    for layer in flatten_layers(stripped):
        if getattr(layer, "monte_carlo", False):
            raise ValueError(
                f"The Monte Carlo noise of {layer.name!r} lies within another layer "
                "and cannot be taken out. Build the layer with `monte_carlo=False`, "
                f"or put it into the model itself. Received: model={model.name!r}"
            )
    return stripped


def _without_noise(layer):
    """What does the same as the layer at inference, without its noise."""
    if type(layer) in TWINS:
        return None
    if not isinstance(layer, layers.NoiseLayer):
        return layer
    bare = layer.without_noise()
    if bare is not layer:
        return bare if bare is None else _without_noise(bare)
    return _silent(layer) if layer.monte_carlo else layer


def _silent(layer):
    """The layer without Monte Carlo: the same weights, noisy in training only."""
    new = _keras.view_of(layer)
    new.monte_carlo = False
    return new
