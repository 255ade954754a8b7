"""Works with scikit-learn, Ray, and any library that maps batches of rows.

`integrations.sklearn` and `integrations.ray` are imported when they are first used.
"""

import importlib
import types
from typing import TYPE_CHECKING

from keras_dropout.integrations.batches import BatchPredictor

if TYPE_CHECKING:
    from keras_dropout.integrations import ray, sklearn

__all__ = ["BatchPredictor", "ray", "sklearn"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> types.ModuleType:
        if name in ("ray", "sklearn"):
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
