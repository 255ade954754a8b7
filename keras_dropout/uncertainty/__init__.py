"""Statistics and measures of samples, as functions of arrays."""

from keras_dropout.uncertainty.evaluating import evaluate
from keras_dropout.uncertainty.evaluation import Evaluation
from keras_dropout.uncertainty.prediction import Prediction

__all__ = ["Evaluation", "Prediction", "evaluate"]


def __dir__() -> list[str]:
    return __all__
