"""Pictures of the layers that drop paths and whole layers."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Picture

ONES = np.ones((8, 10), "float32")


def stochastic_depth(rate):
    """The residual, added to a shortcut of zeros, or not."""
    layer = layers.StochasticDepth(rate, seed=4)
    return drawing.calls(lambda: layer([0 * ONES, ONES], training=True), 5)


def layer_drop(rate):
    """A layer that makes ones of zeros, run or skipped."""
    dense = keras.layers.Dense(10, kernel_initializer="zeros", bias_initializer="ones")
    layer = layers.LayerDrop(dense, rate, seed=21)
    return drawing.calls(lambda: layer(0 * ONES, training=True), 5)


def shake_shake():
    """A mixture of zeros and twos, whose mean is one."""
    layer = layers.ShakeShake(seed=22)
    return drawing.calls(lambda: layer([0 * ONES, 2 * ONES], training=True), 4, "noise")


def shake_drop(rate):
    layer = layers.ShakeDrop(rate, gate_per="row", seed=23)
    return drawing.calls(lambda: layer(ONES, training=True), 4, "noise")


PICTURES = {
    "DropPath": Picture(lambda rate: drawing.features(layers.DropPath(rate, seed=24))),
    "StochasticDepth": Picture(stochastic_depth, shown=0.5),
    "LayerDrop": Picture(layer_drop, shown=0.5),
    "ShakeShake": Picture(shake_shake, argument=None, shown=None),
    "ShakeDrop": Picture(shake_drop, shown=0.5),
}
