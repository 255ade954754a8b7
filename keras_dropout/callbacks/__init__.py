"""Callbacks that set and record the rates of a model."""

from keras_dropout.callbacks.rate_logger import RateLogger
from keras_dropout.callbacks.rate_scheduler import RateScheduler

__all__ = ["RateLogger", "RateScheduler"]


def __dir__() -> list[str]:
    return __all__
