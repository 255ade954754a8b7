"""Made-up inputs for a model, if there are no real ones."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_dropout._keras import input_structure
from keras_dropout.graph.models import graph_of

# Rows and sizes, where the model leaves them open: enough to tell probabilities.
_OPEN = 8


def made_up(model: keras.Model) -> Any:
    """Inputs for a model that says what it takes, or None."""
    graph = graph_of(model)
    if graph is None or any(tensor.dtype == "string" for tensor in graph.inputs):
        return None
    return for_tensors(input_structure(graph))


def for_tensors(structure: Any) -> Any:
    """Inputs that fit a structure of symbolic tensors or specs of them."""
    numbers = np.random.default_rng(0)
    return keras.tree.map_structure(lambda each: _made_up(each, numbers), structure)


def _made_up(tensor, numbers):
    rows, *rest = tensor.shape
    shape = (rows or _OPEN, *(size or _OPEN for size in rest))
    if keras.backend.is_float_dtype(tensor.dtype):
        return numbers.normal(size=shape).astype("float32")
    return numbers.integers(0, 2, shape).astype(tensor.dtype)
