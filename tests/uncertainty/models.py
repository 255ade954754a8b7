"""Small models with noise, shared by the tests of uncertainty."""

import keras
import numpy as np
from keras import ops

from keras_dropout import layers as noisy

L = keras.layers


def values(model):
    """All variables of a model as arrays."""
    return [ops.convert_to_numpy(variable) for variable in model.variables]


def unchanged(model, before):
    """Whether all variables are what they were, to the bit."""
    after = values(model)
    return len(after) == len(before) and all(map(np.array_equal, before, after))


def attributes(model):
    """The names of what every layer's instance holds."""
    layers = [model, *model._flatten_layers()]
    # Torch caches what it traverses, and functions compiled by `predict` stay.
    return [sorted(set(vars(layer)) - {"_compiled_call_impl"}) for layer in layers]


def x_of(*shape, seed=0):
    """Normal inputs."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def mlp(rate=0.5, dropout=noisy.Dropout, activation="softmax"):
    """A classifier with noise before its last layer."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(8, activation="relu"),
            L.BatchNormalization(),
            dropout(rate),
            L.Dense(3, activation=activation),
        ]
    )


def regression_oracle(dropout):
    """A net small enough to sum over all its masks: mean 2.85, variance 3.138125."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            dropout(0.2),
            L.Dense(3, activation="relu"),
            dropout(0.2),
            L.Dense(1),
        ]
    )
    model.set_weights(
        [
            np.array([[0.5, -1, 0.3], [0.25, 0.75, -0.6]]),
            np.array([0.1, 0, -0.2]),
            np.array([[1], [-0.5], [2]]),
            np.array([0.05]),
        ]
    )
    return model, np.array([[1.0, -2.0]], "float32")


def classes_oracle(dropout):
    """The same with classes: see the values in `EXACT_CLASSES`."""
    model = keras.Sequential(
        [keras.Input((3,)), dropout(0.5), L.Dense(3, activation="softmax")]
    )
    model.set_weights(
        [
            np.array([[1, 0, -1], [0.5, -0.5, 0], [0, 1, 2]]),
            np.array([0, 0.1, -0.1]),
        ]
    )
    return model, np.array([[1.0, 2.0, 0.5]], "float32")


EXACT_CLASSES = {
    "mean": np.array([0.6617823018, 0.1372671384, 0.2009505598]),
    "entropy": 0.8682493937,
    "expected_entropy": 0.5804141712,
    "mutual_information": 0.2878352225,
}
