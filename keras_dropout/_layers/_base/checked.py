"""A variable of a layer's state that refuses what the layer could not use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_dropout import _bases, _keras, random


class CheckedVariable(_bases.Variable):
    """A number that is checked also where it is assigned to as a variable.

    So do `model.set_state_tree`, and code that holds the variables of a model. A value
    that only a device or a running program knows passes; who reads it next refuses it.

    Attributes:
        check: Function of the float that is to be assigned, which raises where the
            layer could not use it; `None` before there is a layer.
    """

    check: Callable[[float], None] | None = None

    def assign(self, value: Any) -> Any:
        # What a trainer brings back from its steps must come in, with all the rest.
        if not self.check or _keras.in_stateless_scope() or _keras.is_taken(self):
            return super().assign(value)
        number = _number(value)
        if number is None:
            return super().assign(value)
        self.check(number)
        assigned = super().assign(value)
        # So that a draw after it is the same to the bit, on a GPU too.
        random.note(self, number)
        return assigned


def _number(value):
    """What is assigned as a float, or `None` where the host does not know it."""
    value = value.value if isinstance(value, keras.Variable) else value
    if keras.ops.is_tensor(value):
        return random.at_hand(value)
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        return float(value) if np.size(value) == 1 else None
    return None
