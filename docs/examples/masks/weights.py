"""Pictures of the layers that drop weights: what is left of a kernel of ones."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

ROWS, COLUMNS = 14, 20
LABELS = {"x": "to units", "y": "from inputs"}


def dense(initializer="ones"):
    """A layer without bias: given the unit vectors it returns its kernel."""
    return keras.layers.Dense(COLUMNS, use_bias=False, kernel_initializer=initializer)


def drop_connect():
    layer = layers.DropConnect(dense(), 0.3, seed=1)
    eye = np.eye(ROWS, dtype="float32")
    return drawing.calls(lambda: layer(eye, training=True), 3, **LABELS)


def mixout():
    """Ones that were tuned from an anchor of zeros: faint where the anchor is back."""
    layer = layers.Mixout(dense("zeros"), 0.5, seed=1)
    eye = np.eye(ROWS, dtype="float32")
    layer(eye)
    layer.layer.kernel.assign(np.ones((ROWS, COLUMNS), "float32"))
    return drawing.calls(lambda: layer(eye, training=True), 3, **LABELS)


def weight_drop():
    """The recurrent kernel, read off the second step of a linear network."""
    rnn = keras.layers.SimpleRNN(
        ROWS,
        activation="linear",
        use_bias=False,
        kernel_initializer="identity",
        recurrent_initializer="ones",
    )
    layer = layers.WeightDrop(rnn, 0.3, seed=1)
    steps = np.stack([np.eye(ROWS), np.zeros((ROWS, ROWS))], axis=1).astype("float32")
    return drawing.calls(
        lambda: layer(steps, training=True), 3, x="to units", y="from units"
    )


PICTURES = {"DropConnect": drop_connect, "Mixout": mixout, "WeightDrop": weight_drop}
