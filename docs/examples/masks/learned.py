"""Pictures of the layers that learn their noise, or have it fixed for good."""

import keras
import numpy as np

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
    layer.build((None, FEATURES))
    masks = keras.ops.convert_to_numpy(layer.masks)
    return drawing.picture({"": masks}, "channels", "members")


def variational_dropout():
    layer = layers.VariationalDropout(0.1, granularity="unit", seed=1)
    layer.build((None, FEATURES))
    # As if it had learned that each unit can take more noise than the one before.
    layer.rate = np.linspace(0.001, 0.3, FEATURES)
    return drawing.features(layer, "noise")


def sparse_variational_dropout():
    """Which weights of a kernel of ones and small numbers are pruned."""
    rows, columns = 14, 20
    dense = keras.layers.Dense(columns, use_bias=False)
    layer = layers.SparseVariationalDropout(dense, seed=1)
    layer.build((None, rows))
    useful = np.random.default_rng(1).random((rows, columns)) < 0.3
    layer.layer.kernel.assign(np.where(useful, 1.0, 0.1))
    layer.log_sigma2.assign(np.full((rows, columns), -1.0))
    eye = np.eye(rows, dtype="float32")
    panels = {
        "the weights": layer.layer.kernel,
        "at inference": layer(eye),
    }
    panels = {name: keras.ops.convert_to_numpy(x) for name, x in panels.items()}
    return drawing.picture(panels, "to units", "from inputs", "value")


def standout():
    """Units that are excited from left to right, so kept ever more often."""
    layer = layers.Standout(identity(), alpha=1.0, seed=1)
    x = np.tile(np.linspace(-4, 4, FEATURES, dtype="float32"), (8, 1))
    return drawing.calls(lambda: layer(x, training=True), 1)


def targeted_dropout():
    """Small weights go, in training now and then, at inference all of them."""
    rows, columns = 14, 20
    dense = keras.layers.Dense(columns, use_bias=False)
    layer = layers.TargetedDropout(dense, target=0.5, seed=1)
    layer.build((None, rows))
    sizes = np.random.default_rng(1).uniform(0.2, 1.0, (rows, columns))
    layer.layer.kernel.assign(sizes)
    eye = np.eye(rows, dtype="float32")
    panels = {
        "the weights": layer.layer.kernel,
        "in training": layer(eye, training=True),
        "at inference": layer(eye),
    }
    panels = {name: keras.ops.convert_to_numpy(x) for name, x in panels.items()}
    return drawing.picture(panels, "to units", "from inputs", "value")


def information_dropout():
    """Units that learned to take ever more noise from left to right."""
    layer = layers.InformationDropout(identity(), seed=1)
    layer.build((None, FEATURES))
    layer.noise_layer.kernel.assign(np.diag(np.linspace(-4, 4, FEATURES)))
    return drawing.features(layer, "noise")


PICTURES = {
    "ConcreteDropout": concrete_dropout,
    "InformationDropout": information_dropout,
    "Masksembles": masksembles,
    "SparseVariationalDropout": sparse_variational_dropout,
    "Standout": standout,
    "TargetedDropout": targeted_dropout,
    "VariationalDropout": variational_dropout,
}
