"""Pictures of the layers that make several passes."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture

ROWS, COLUMNS = 8, 16


def multi_sample_dropout(rate):
    """The masks before one head, here one that changes nothing."""
    layer = layers.MultiSampleDropout(
        keras.layers.Identity(), rate, samples=4, reduction="stack", seed=25
    )
    y = drawing.numbers(layer(np.ones((ROWS, COLUMNS), "float32"), training=True))
    panels = {f"sample {i + 1}": y[:, i] for i in range(y.shape[1])}
    return Panels(panels, "features", "rows")


def r_drop(rate):
    """The masks of the two passes of one batch."""
    model = keras.Sequential([keras.Input((COLUMNS,)), layers.Dropout(rate, seed=26)])
    model = layers.RDrop(model).model
    ones = np.ones((ROWS, COLUMNS), "float32")
    panels = {}
    for name in ("first pass", "second pass"):
        panels[name] = drawing.numbers(model(ones, training=True))
    return Panels(panels, "features", "rows")


PICTURES = {
    "MultiSampleDropout": Picture(multi_sample_dropout),
    "RDrop": Picture(r_drop),
}
