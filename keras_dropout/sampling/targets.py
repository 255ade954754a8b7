"""What is true of a batch, for each output of a model, as `Model.evaluate` takes it."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout._validation import invalid


def labels(name: str, y: Any, rows: Any = None) -> Any:
    """Targets or weights as a structure of arrays, of as many rows as the data has.

    They keep their dtype. `None` stays `None`. A list of numbers is an array.
    """
    if y is None:
        return None
    if isinstance(y, (list, tuple)) and all(isinstance(e, numbers.Number) for e in y):
        y = np.asarray(y)
    y = keras.tree.map_structure(_array, y)
    for each in keras.tree.flatten(y):
        if not each.ndim or (rows is not None and len(each) != rows):
            many = "" if rows is None else f"{rows} "
            expected = f"arrays with the {many}rows of the data on axis 0"
            raise ValueError(invalid(name, expected, each.shape))
    return y


def by_output(
    name: str, y: Any, structure: Any, names: Sequence[str] | None
) -> list[Any]:
    """A list of arrays, one for each output.

    Args:
        name: What the errors call it.
        y: A structure of arrays: as the outputs are, or for a model that gives a list a
            dictionary by the names of its outputs. Of a single array, one output.
        structure: How the outputs are nested, with anything as its leaves.
        names: The names of the outputs, or `None`.
    """
    if isinstance(structure, dict):
        if not isinstance(y, dict) or set(y) != set(structure):
            expected = f"a dictionary with the keys of the outputs, {list(structure)}"
            raise ValueError(invalid(name, expected, _shapes(y)))
        return keras.tree.flatten({key: y[key] for key in structure})
    count = len(keras.tree.flatten(structure))
    if isinstance(y, dict) and names is not None and set(y) == set(names):
        y = [y[each] for each in names]
    flat = keras.tree.flatten(y)
    if isinstance(y, dict) or len(flat) != count:
        expected = f"an array for each of the {count} outputs of the model"
        if names is not None and count > 1:
            expected += f", as a list, or a dictionary by their names {list(names)}"
        raise ValueError(invalid(name, expected, _shapes(y)))
    return flat


def weights_by_output(
    weights: Any, structure: Any, names: Sequence[str] | None
) -> list[Any]:
    """As `by_output`; weights for all outputs are those of each."""
    count = len(keras.tree.flatten(structure))
    if weights is None:
        return [None] * count
    if not isinstance(weights, (list, tuple, dict)):
        return [weights] * count
    return by_output("sample_weight", weights, structure, names)


def _array(y):
    if hasattr(y, "iloc"):
        return y.to_numpy()
    if hasattr(y, "column_name"):
        # A column of a Hugging Face dataset, which is read when sliced.
        return np.asarray(y[:])
    # A torch tensor that wants its gradient gives no array.
    return keras.ops.convert_to_numpy(y.detach() if hasattr(y, "detach") else y)


def _shapes(y):
    return keras.tree.map_structure(lambda each: np.shape(each), y)
