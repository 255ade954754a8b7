"""Pictures of the layers that learn their noise, or have it fixed for good."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture

FEATURES = 32
ROWS, COLUMNS = 14, 20


def identity(**kwargs):
    """A dense layer that returns its inputs."""
    return keras.layers.Dense(
        FEATURES, use_bias=False, kernel_initializer="identity", **kwargs
    )


def concrete_dropout(rate):
    layer = layers.ConcreteDropout(identity(), rate, temperature=0.3, seed=45)
    return drawing.features(layer, "value")


def masksembles(scale):
    layer = layers.Masksembles(4, scale, seed=46)
    layer.build((None, FEATURES))
    return Panels({"": drawing.numbers(layer.masks)}, "channels", "members")


def variational_dropout():
    layer = layers.VariationalDropout(0.1, granularity="unit", seed=47)
    layer.build((None, FEATURES))
    # As if it had learned that each unit can take more noise than the one before.
    layer.rate = np.linspace(0.001, 0.3, FEATURES)
    return drawing.features(layer, "noise")


def sparse_variational_dropout():
    """Which weights of a kernel of ones and small numbers are pruned."""
    dense = keras.layers.Dense(COLUMNS, use_bias=False)
    layer = layers.SparseVariationalDropout(dense, seed=48)
    layer.build((None, ROWS))
    useful = np.random.default_rng(48).random((ROWS, COLUMNS)) < 0.3
    layer.layer.kernel.assign(np.where(useful, 1.0, 0.1))
    layer.log_sigma2.assign(np.full((ROWS, COLUMNS), -1.0))
    eye = np.eye(ROWS, dtype="float32")
    panels = {"the weights": layer.layer.kernel, "at inference": layer(eye)}
    panels = {name: drawing.numbers(x) for name, x in panels.items()}
    return Panels(panels, "to units", "from inputs", "value")


def standout(beta):
    """Units that are excited from left to right, so kept ever more often."""
    layer = layers.Standout(identity(), alpha=1.0, beta=beta, seed=49)
    x = np.tile(np.linspace(-4, 4, FEATURES, dtype="float32"), (8, 1))
    y = drawing.numbers(layer(x, training=True))
    return Panels({"": y}, "features", "rows")


def targeted_dropout(target):
    """Small weights go, in training now and then, at inference all of them."""
    dense = keras.layers.Dense(COLUMNS, use_bias=False)
    layer = layers.TargetedDropout(dense, target=target, seed=50)
    layer.build((None, ROWS))
    sizes = np.random.default_rng(50).uniform(0.2, 1.0, (ROWS, COLUMNS))
    layer.layer.kernel.assign(sizes)
    eye = np.eye(ROWS, dtype="float32")
    panels = {
        "the weights": layer.layer.kernel,
        "in training": layer(eye, training=True),
        "at inference": layer(eye),
    }
    panels = {name: drawing.numbers(x) for name, x in panels.items()}
    return Panels(panels, "to units", "from inputs", "value")


def information_dropout():
    """Units that learned to take ever more noise from left to right."""
    layer = layers.InformationDropout(identity(), seed=51)
    layer.build((None, FEATURES))
    layer.noise_layer.kernel.assign(np.diag(np.linspace(-4, 4, FEATURES)))
    return drawing.features(layer, "noise")


PICTURES = {
    "ConcreteDropout": Picture(concrete_dropout),
    "InformationDropout": Picture(information_dropout, argument=None, shown=None),
    "Masksembles": Picture(
        masksembles, argument="scale", values=(1.0, 1.5, 2.0, 3.0, 4.0), shown=2.0
    ),
    "SparseVariationalDropout": Picture(
        sparse_variational_dropout, argument=None, shown=None
    ),
    "Standout": Picture(
        standout, argument="beta", values=(-2.0, -1.0, 0.0, 1.0, 2.0), shown=0.0
    ),
    "TargetedDropout": Picture(
        targeted_dropout,
        argument="target",
        values=(0.1, 0.25, 0.5, 0.75, 0.9),
        shown=0.5,
    ),
    "VariationalDropout": Picture(variational_dropout, argument=None, shown=None),
}
