"""The machine that samples any Keras model, and its faces."""

from keras_dropout.sampling.evaluate import mc_evaluate
from keras_dropout.sampling.monte_carlo import MonteCarlo
from keras_dropout.sampling.noise_report import noise_report
from keras_dropout.sampling.predict import mc_predict

__all__ = ["MonteCarlo", "mc_evaluate", "mc_predict", "noise_report"]


def __dir__() -> list[str]:
    return __all__
