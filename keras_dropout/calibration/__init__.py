"""Uncertainties that keep a promise: fitted on held-out data, valid for similar data.

Every object is fitted on a `Prediction` of data that the model was not trained on, and
refuses predictions that were made in another way. Several objects are applied in the
order in which they were fitted, each to the result of the previous one. They can be
saved alone, or in `MonteCarlo(model, calibration=[...])`.
"""

from keras_dropout.calibration.classifier import ConformalClassifier
from keras_dropout.calibration.outliers import OutlierDetector
from keras_dropout.calibration.quantiles import conformal_quantile
from keras_dropout.calibration.rates import RateTable, tune_rates
from keras_dropout.calibration.regressor import ConformalRegressor
from keras_dropout.calibration.residuals import ResidualNoise
from keras_dropout.calibration.temperature import TemperatureScaling

__all__ = [
    "ConformalClassifier",
    "ConformalRegressor",
    "OutlierDetector",
    "RateTable",
    "ResidualNoise",
    "TemperatureScaling",
    "conformal_quantile",
    "tune_rates",
]


def __dir__() -> list[str]:
    return __all__
