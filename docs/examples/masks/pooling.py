"""Pictures of the layers that pool at random, and of uniform noise."""

import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture

SIZES = {1: (16, 8), 2: (16, 16), 3: (2, 10, 10)}


def pooled(layer, rank, seed):
    """An input, and what two calls make of it: the darker the larger."""
    x = np.random.default_rng(seed).uniform(0.1, 1.0, SIZES[rank]).astype("float32")
    batch = x[None] if rank == 1 else x[None, ..., None]
    panels = {"input": x.reshape(-1, x.shape[-1]) if rank == 3 else x}
    for i in (1, 2):
        y = drawing.numbers(layer(batch, training=True))[0]
        panels[f"call {i}"] = y.reshape(-1, y.shape[-1] if rank == 1 else y.shape[-2])
    labels = {1: ("channels", "steps"), 2: ("", ""), 3: ("", "slices")}[rank]
    return Panels(panels, *labels, mode="value")


def dropping(layer_class, rank, seed):
    return Picture(
        lambda rate: pooled(layer_class(rate, seed=seed), rank, seed), shown=0.5
    )


def drawing_one(layer_class, rank, seed):
    return Picture(
        lambda: pooled(layer_class(seed=seed), rank, seed), argument=None, shown=None
    )


PICTURES = {
    "MaxPoolingDropout1D": dropping(layers.MaxPoolingDropout1D, 1, 27),
    "MaxPoolingDropout2D": dropping(layers.MaxPoolingDropout2D, 2, 28),
    "MaxPoolingDropout3D": dropping(layers.MaxPoolingDropout3D, 3, 29),
    "StochasticPooling1D": drawing_one(layers.StochasticPooling1D, 1, 30),
    "StochasticPooling2D": drawing_one(layers.StochasticPooling2D, 2, 31),
    "StochasticPooling3D": drawing_one(layers.StochasticPooling3D, 3, 32),
    "UOut": Picture(
        lambda beta: drawing.features(layers.UOut(beta, seed=33), "noise"),
        argument="beta",
        values=(0.05, 0.1, 0.2, 0.3, 0.5),
        shown=0.1,
    ),
}
