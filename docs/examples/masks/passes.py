"""Pictures of the layers that make several passes."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

ROWS, COLUMNS = 8, 16


def multi_sample_dropout():
    """The masks before one head, here one that changes nothing."""
    layer = layers.MultiSampleDropout(
        keras.layers.Identity(), 0.4, samples=4, reduction="stack", seed=1
    )
    ones = np.ones((ROWS, COLUMNS), "float32")
    y = keras.ops.convert_to_numpy(layer(ones, training=True))
    panels = {f"sample {i + 1}": y[:, i] for i in range(y.shape[1])}
    return drawing.picture(panels, "features", "rows")


def r_drop():
    """The masks of the two passes of one batch."""
    model = keras.Sequential([keras.Input((COLUMNS,)), layers.Dropout(0.4, seed=1)])
    model = layers.RDrop(model).model
    ones = np.ones((ROWS, COLUMNS), "float32")
    panels = {}
    for name in ("first pass", "second pass"):
        panels[name] = keras.ops.convert_to_numpy(model(ones, training=True))
    return drawing.picture(panels, "features", "rows")


PICTURES = {"MultiSampleDropout": multi_sample_dropout, "RDrop": r_drop}
