"""Whether a constraint is saved with a model: then Keras asks for its config."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras


def saved(model: keras.Model, constraints: Collection[Any]) -> set[int]:
    """The ids of those constraints that the configuration of `model` carries."""
    asked = set()

    def recorder(constraint):
        original = constraint.get_config

        def get_config():
            asked.add(id(constraint))
            return original()

        return get_config

    try:
        for constraint in constraints:
            constraint.get_config = recorder(constraint)
        model.get_config()
    except NotImplementedError:
        # Models and layers that cannot be saved at all say so by this.
        pass
    finally:
        for constraint in constraints:
            vars(constraint).pop("get_config", None)
    return asked
