"""Pictures of uncertainty. Matplotlib is imported only when one is drawn.

Each function takes a `Prediction` or arrays, and returns the axes that it drew on.
These arguments mean the same in all functions:

- `ax`: Matplotlib axes, or `None` for new ones.
- `label`: what to call the line, or `None`.
- `linestyle`: the Matplotlib style of the line, or `None` for one that these axes do
  not have yet.
- `weight`: a weight for each row or label, or `None`.

Lines on the same axes differ in colour and in style, and are visible on light and dark
backgrounds.
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
