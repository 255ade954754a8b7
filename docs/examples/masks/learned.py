"""Pictures of the layers that learn their noise, or have it fixed for good."""

import keras

from keras_dropout import layers
from masks import drawing

FEATURES = 32


def identity(**kwargs):
    """A dense layer that returns its inputs."""
    return keras.layers.Dense(
        FEATURES, use_bias=False, kernel_initializer="identity", **kwargs
    )


def concrete_dropout():
    layer = layers.ConcreteDropout(identity(), 0.4, temperature=0.3, seed=1)
    return drawing.features(layer, "value")


def masksembles():
    layer = layers.Masksembles(4, 2.0, seed=1)
    return drawing.features(layer)


PICTURES = {"ConcreteDropout": concrete_dropout, "Masksembles": masksembles}
