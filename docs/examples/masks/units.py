"""Pictures of the layers that drop or perturb single units."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing


def alpha(layer, shape=(8, 32)):
    """Alpha dropout sets units to a saturation, not to zero: show where."""
    y = drawing.noisy(layer, shape)
    return np.where(y < 0, 0.0, 1.0)


def alpha_dropout():
    kept = alpha(layers.AlphaDropout(0.3, seed=1))
    return drawing.picture({"": kept}, "features", "rows")


def feature_alpha_dropout():
    kept = alpha(layers.FeatureAlphaDropout(0.4, seed=5), (2, 14, 14, 2))
    panels = {
        f"image {i + 1}, channel {c + 1}": kept[i, :, :, c]
        for i in range(2)
        for c in range(2)
    }
    return drawing.picture(panels)


def max_norm_dropout():
    dense = keras.layers.Dense(32, kernel_initializer="ones")
    return drawing.features(layers.MaxNormDropout(dense, 0.3, seed=1))


PICTURES = {
    "Dropout": lambda: drawing.features(layers.Dropout(0.3, seed=1)),
    "MaxNormDropout": max_norm_dropout,
    "MCDropout": lambda: drawing.features(layers.MCDropout(0.3, seed=2)),
    "GaussianDropout": lambda: drawing.features(
        layers.GaussianDropout(0.3, seed=1), "noise"
    ),
    "GaussianNoise": lambda: drawing.features(
        layers.GaussianNoise(0.5, seed=1), "noise"
    ),
    "AlphaDropout": alpha_dropout,
    "FeatureAlphaDropout": feature_alpha_dropout,
}
