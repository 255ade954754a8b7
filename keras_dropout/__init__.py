"""Noise as part of the model: dropouts, max-norm and honest uncertainty for Keras."""

from keras_dropout import callbacks, constraints, layers, schedules
from keras_dropout._version import __version__
from keras_dropout.registration import custom_objects
from keras_dropout.seeds import reseed
from keras_dropout.uncertainty import Prediction, mc_predict

__all__ = [
    "Prediction",
    "__version__",
    "callbacks",
    "constraints",
    "custom_objects",
    "layers",
    "mc_predict",
    "reseed",
    "schedules",
]
