"""The layers of a model whose incoming weights are limited, or reported."""

from __future__ import annotations

import keras

from keras_dropout._model import select
from keras_dropout._typing import Picks


def picked(model: keras.Model, layers: Picks, skip: Picks) -> list[keras.layers.Layer]:
    """The layers with weights that `layers` picks and `skip` does not.

    Layers that were never built have none: spare ones are passed over.
    """
    found = select(model, layers, _has_weights, "weights")
    if skip is None:
        return found
    left_out = select(model, skip, _has_weights, "weights", "skip")
    ids = {id(layer) for layer in left_out}
    return [layer for layer in found if id(layer) not in ids]


def _has_weights(layer):
    return bool(layer.weights)
