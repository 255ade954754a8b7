"""Which rows to label next: the most uncertain ones, or an informative batch.

Functions take a `Prediction` of the rows that have no label yet, and return the
positions of the rows to label, the best first. They do not use the model.
"""

from keras_dropout.acquisition.batch import batch_bald
from keras_dropout.acquisition.ranking import select

__all__ = ["batch_bald", "select"]


def __dir__() -> list[str]:
    return __all__
