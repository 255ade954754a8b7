"""Pictures of the layers that drop weights: what is left of a kernel of ones."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Picture

ROWS, COLUMNS = 14, 20
LABELS = {"x": "to units", "y": "from inputs"}


def dense(initializer="ones"):
    """A layer without bias: given the unit vectors it returns its kernel."""
    return keras.layers.Dense(COLUMNS, use_bias=False, kernel_initializer=initializer)


def drop_connect(rate):
    layer = layers.DropConnect(dense(), rate, seed=42)
    eye = np.eye(ROWS, dtype="float32")
    return drawing.calls(lambda: layer(eye, training=True), 3, **LABELS)


def mixout(rate):
    """Ones that were tuned from an anchor of zeros: faint where the anchor is back."""
    layer = layers.Mixout(dense("zeros"), rate, seed=43)
    eye = np.eye(ROWS, dtype="float32")
    layer(eye)
    layer.layer.kernel.assign(np.ones((ROWS, COLUMNS), "float32"))
    return drawing.calls(lambda: layer(eye, training=True), 3, **LABELS)


def weight_drop(rate):
    """The recurrent kernel, read off the second step of a linear network."""
    rnn = keras.layers.SimpleRNN(
        ROWS,
        activation="linear",
        use_bias=False,
        kernel_initializer="identity",
        recurrent_initializer="ones",
    )
    layer = layers.WeightDrop(rnn, rate, seed=44)
    steps = np.stack([np.eye(ROWS), np.zeros((ROWS, ROWS))], axis=1).astype("float32")
    return drawing.calls(
        lambda: layer(steps, training=True), 3, x="to units", y="from units"
    )


PICTURES = {
    "DropConnect": Picture(drop_connect),
    "Mixout": Picture(mixout, shown=0.5),
    "WeightDrop": Picture(weight_drop),
}
