"""Pictures of uncertainty. Matplotlib is imported only when one is drawn.

Each function takes arrays or a `Prediction`, and an `ax` or `None` for a new one, and
returns the `ax`.
"""

from keras_dropout.plots.judged import quantiles, reliability, risk_coverage
from keras_dropout.plots.pictures import (
    accuracy_rejection,
    class_probabilities,
    regression_band,
    uncertainty_histogram,
)

__all__ = [
    "accuracy_rejection",
    "class_probabilities",
    "quantiles",
    "regression_band",
    "reliability",
    "risk_coverage",
    "uncertainty_histogram",
]


def __dir__() -> list[str]:
    return __all__
