"""Noise as part of the model: dropouts, max-norm and uncertainty for Keras."""

from keras_dropout import (
    acquisition,
    calibration,
    callbacks,
    constraints,
    integrations,
    layers,
    losses,
    metrics,
    moments,
    plots,
    schedules,
)
from keras_dropout._registration import custom_objects
from keras_dropout._version import __version__
from keras_dropout.moments import propagate_moments
from keras_dropout.random.seeding import reseed
from keras_dropout.sampling import (
    MonteCarlo,
    mc_evaluate,
    mc_predict,
    noise_report,
)
from keras_dropout.surgery import (
    insert_dropout,
    learn_rates,
    lora_dropout,
    matching_dropout,
    replace_dropout,
    set_rates,
    strip_dropout,
)
from keras_dropout.trainers import BatchRepetition
from keras_dropout.uncertainty import Evaluation, Prediction, evaluate

__all__ = [
    "BatchRepetition",
    "Evaluation",
    "MonteCarlo",
    "Prediction",
    "__version__",
    "acquisition",
    "calibration",
    "callbacks",
    "constraints",
    "custom_objects",
    "evaluate",
    "insert_dropout",
    "integrations",
    "layers",
    "learn_rates",
    "lora_dropout",
    "losses",
    "matching_dropout",
    "mc_evaluate",
    "mc_predict",
    "metrics",
    "moments",
    "noise_report",
    "plots",
    "propagate_moments",
    "replace_dropout",
    "reseed",
    "schedules",
    "set_rates",
    "strip_dropout",
]


def __dir__() -> list[str]:
    return __all__
