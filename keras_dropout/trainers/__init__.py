"""Models that train another model in a way of their own."""

from keras_dropout.trainers.batch_repetition import BatchRepetition

__all__ = ["BatchRepetition"]


def __dir__() -> list[str]:
    return __all__
