"""Noise as part of the model: dropouts, max-norm and honest uncertainty for Keras."""

from keras_dropout import layers, schedules
from keras_dropout._version import __version__
from keras_dropout.seeds import reseed

__all__ = [
    "__version__",
    "layers",
    "reseed",
    "schedules",
]
