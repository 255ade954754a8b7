"""Uncertainty at inference, for any Keras model."""

from keras_dropout.uncertainty.monte_carlo import MonteCarlo
from keras_dropout.uncertainty.predict import mc_predict
from keras_dropout.uncertainty.prediction import Prediction

__all__ = ["MonteCarlo", "Prediction", "mc_predict"]
