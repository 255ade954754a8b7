"""Pictures of the layers that pool at random, and of uniform noise."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

SIZES = {1: (16, 8), 2: (16, 16), 3: (2, 10, 10)}


def pooled(layer, rank):
    """An input, and what two calls make of it: the darker the larger."""
    x = np.random.default_rng(1).uniform(0.1, 1.0, SIZES[rank]).astype("float32")
    batch = x[None] if rank == 1 else x[None, ..., None]
    panels = {"input": x.reshape(-1, x.shape[-1]) if rank == 3 else x}
    for i in (1, 2):
        y = keras.ops.convert_to_numpy(layer(batch, training=True))[0]
        panels[f"call {i}"] = y.reshape(-1, y.shape[-1] if rank == 1 else y.shape[-2])
    labels = {1: ("channels", "steps"), 2: ("", ""), 3: ("", "slices")}[rank]
    return drawing.picture(panels, *labels, mode="value")


PICTURES = {
    "MaxPoolingDropout1D": lambda: pooled(layers.MaxPoolingDropout1D(0.5, seed=1), 1),
    "MaxPoolingDropout2D": lambda: pooled(layers.MaxPoolingDropout2D(0.5, seed=1), 2),
    "MaxPoolingDropout3D": lambda: pooled(layers.MaxPoolingDropout3D(0.5, seed=1), 3),
    "StochasticPooling1D": lambda: pooled(layers.StochasticPooling1D(seed=1), 1),
    "StochasticPooling2D": lambda: pooled(layers.StochasticPooling2D(seed=1), 2),
    "StochasticPooling3D": lambda: pooled(layers.StochasticPooling3D(seed=1), 3),
    "UOut": lambda: drawing.features(layers.UOut(0.1, seed=1), "noise"),
}
