"""Rates that change with the training step: pure functions step → rate."""

from keras_dropout.schedules.base import Schedule
from keras_dropout.schedules.depth import linear_decay_rates
from keras_dropout.schedules.papers import Curriculum, Early, Late
from keras_dropout.schedules.ramps import Constant, Cosine, Linear, Piecewise

__all__ = [
    "Constant",
    "Cosine",
    "Curriculum",
    "Early",
    "Late",
    "Linear",
    "Piecewise",
    "Schedule",
    "linear_decay_rates",
]


def __dir__() -> list[str]:
    return __all__
