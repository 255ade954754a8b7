"""Which rows to label next: the most uncertain, or a batch that tells most together.

Functions take a `Prediction` of the rows that have no label yet, and give the places of
the rows to label, the first first. Nothing here knows a model.
"""

from keras_dropout.acquisition.batch import batch_bald
from keras_dropout.acquisition.ranking import select

__all__ = ["batch_bald", "select"]


def __dir__() -> list[str]:
    return __all__
