"""Pictures of uncertainty. Matplotlib is imported only when one is drawn.

Each function takes a `Prediction` or arrays, and an `ax` or `None` for a new one, and
returns the `ax`. Lines on the same axes differ in colour and in style, and show on
light and dark grounds.
"""

from keras_dropout.plots.detection import roc
from keras_dropout.plots.inputs import class_probabilities, images, regression_band
from keras_dropout.plots.judged import (
    coverage,
    quantiles,
    reliability,
    risk_coverage,
)
from keras_dropout.plots.spread import uncertainty_histogram

__all__ = [
    "class_probabilities",
    "coverage",
    "images",
    "quantiles",
    "regression_band",
    "reliability",
    "risk_coverage",
    "roc",
    "uncertainty_histogram",
]


def __dir__() -> list[str]:
    return __all__
