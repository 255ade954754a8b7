"""Pictures of the layers that drop or perturb single units."""

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture


def kept_by_alpha(layer, shape=(8, 32)):
    """Alpha dropout sets units to a saturation, not to zero: show where."""
    y = drawing.noisy(layer, shape)
    # At a rate above 0.5 what is kept may be negative too: the two differ in value.
    dropped = np.isclose(y, y.min()) & (y.max() > y.min())
    return np.where(dropped, 0.0, 1.0)


def alpha_dropout(rate):
    kept = kept_by_alpha(layers.AlphaDropout(rate, seed=15))
    return Panels({"": kept}, "features", "rows")


def feature_alpha_dropout(rate):
    layer = layers.FeatureAlphaDropout(rate, seed=16)
    kept = kept_by_alpha(layer, (2, 14, 14, 3))
    panels = {
        f"image {i + 1}, channel {c + 1}": kept[i, :, :, c]
        for i in range(2)
        for c in range(3)
    }
    return Panels(panels)


def max_norm_dropout(rate):
    dense = keras.layers.Dense(32, kernel_initializer="ones")
    return drawing.features(layers.MaxNormDropout(dense, rate, seed=17))


PICTURES = {
    "Dropout": Picture(lambda rate: drawing.features(layers.Dropout(rate, seed=1))),
    "MaxNormDropout": Picture(max_norm_dropout),
    "MCDropout": Picture(lambda rate: drawing.features(layers.MCDropout(rate, seed=2))),
    "GaussianDropout": Picture(
        lambda rate: drawing.features(layers.GaussianDropout(rate, seed=18), "noise")
    ),
    "GaussianNoise": Picture(
        lambda stddev: drawing.features(layers.GaussianNoise(stddev, seed=19), "noise"),
        argument="stddev",
        values=(0.1, 0.25, 0.5, 0.75, 1.0),
        shown=0.5,
    ),
    "AlphaDropout": Picture(alpha_dropout),
    "FeatureAlphaDropout": Picture(feature_alpha_dropout, shown=0.5),
}
