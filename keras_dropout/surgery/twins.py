"""Keras's noise layers and ours that do the same."""

from __future__ import annotations

import inspect

import keras

from keras_dropout import layers
from keras_dropout._layers._base.live import live_names

TWINS = {
    getattr(keras.layers, name): getattr(layers, name)
    for name in (
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    )
}


def is_noise(layer: keras.layers.Layer) -> bool:
    """Whether it is a noise layer, ours or Keras's."""
    return isinstance(layer, (layers.NoiseLayer, *TWINS))


def ours(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Our twin of one of Keras's layers."""
    if type(layer) not in TWINS:
        return layer
    # Keras's spatial dropouts leave these two out, or write them wrongly.
    own = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    return TWINS[type(layer)].from_config({**layer.get_config(), **own})


def theirs(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Keras's twin of one of our layers."""
    if not isinstance(layer, layers.NoiseLayer):
        return layer
    twins = [twin for twin, own in TWINS.items() if type(layer) is own]
    live = [layer.source(name) for name in live_names(type(layer))]
    beyond = layer.monte_carlo or any(source.kind != "number" for source in live)
    if not twins or beyond or getattr(layer, "scaling", "train") != "train":
        raise ValueError(
            f"Keras has no layer that does the same as {layer.name!r}. Take the noise "
            "out with `strip_dropout`, or pass a function as `by` that returns the "
            f"replacement. Received: a {type(layer).__name__} with the configuration "
            f"{layer.get_config()}"
        )
    (twin,) = twins
    config = layer.get_config()
    known = inspect.signature(twin.__init__).parameters
    own = {name: value for name, value in config.items() if name in known}
    new = twin(**{**own, "name": layer.name, "dtype": layer.dtype_policy})
    new.trainable = layer.trainable
    return new
