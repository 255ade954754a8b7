"""Where people work: scikit-learn, Ray, and whatever hands a function batches of rows.

`integrations.sklearn` and `integrations.ray` are imported when they are first used.
"""

import importlib

from keras_dropout.integrations.batches import BatchPredictor

__all__ = ["BatchPredictor", "ray", "sklearn"]


def __getattr__(name):
    if name in ("ray", "sklearn"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
