"""Pictures of the layers that drop paths and whole layers."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

ONES = np.ones((8, 10), "float32")


def stochastic_depth():
    """The residual, added to a shortcut of zeros, or not."""
    layer = layers.StochasticDepth(0.5, seed=4)
    return drawing.calls(lambda: layer([0 * ONES, ONES], training=True), 5)


def layer_drop():
    """A layer that makes ones of zeros, run or skipped."""
    dense = keras.layers.Dense(10, kernel_initializer="zeros", bias_initializer="ones")
    layer = layers.LayerDrop(dense, 0.5, seed=1)
    return drawing.calls(lambda: layer(0 * ONES, training=True), 5)


def shake_shake():
    """A mixture of zeros and twos, whose mean is one."""
    layer = layers.ShakeShake(seed=1)
    return drawing.calls(lambda: layer([0 * ONES, 2 * ONES], training=True), 4, "noise")


def shake_drop():
    layer = layers.ShakeDrop(0.5, gate_per="row", seed=2)
    return drawing.calls(lambda: layer(ONES, training=True), 4, "noise")


PICTURES = {
    "DropPath": lambda: drawing.features(layers.DropPath(0.4, seed=1)),
    "StochasticDepth": stochastic_depth,
    "LayerDrop": layer_drop,
    "ShakeShake": shake_shake,
    "ShakeDrop": shake_drop,
}
