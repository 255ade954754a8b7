"""Reading the inputs of a model out of columns, and adding its answers to them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_dropout._validation import invalid

# What a prediction can tell, as attributes of `Prediction`.
OUTPUTS = (
    "mean",
    "std",
    "variance",
    "standard_error",
    "count",
    "epistemic",
    "aleatoric",
    "total",
    "entropy",
    "expected_entropy",
    "mutual_information",
    "mutual_information_corrected",
    "mutual_information_error",
    "max_probability",
    "margin",
    "variation_ratio",
    "disagreement",
    "uncertainty",
    "samples",
)
# What a batch may be, for errors.
BATCHES = (
    "a dictionary of columns, a frame of pandas or polars, or an array with rows on "
    "axis 0"
)


def is_table(batch: Any) -> bool:
    """Whether a batch has columns: a dictionary, or a frame of pandas or polars.

    Raises:
        TypeError: It is a table of another kind.
    """
    if isinstance(batch, Mapping):
        return True
    # These are how a frame of pandas or of polars gets columns.
    is_frame = hasattr(batch, "assign") or hasattr(batch, "hstack")
    if hasattr(batch, "columns") and not is_frame:
        kind = f"{type(batch).__module__}.{type(batch).__name__}"
        raise TypeError(
            f"A batch must be {BATCHES}. Ask for such batches (`batch_format='numpy'`, "
            "`with_format('numpy')`), or convert them (`to_pandas()`, `collect()`). "
            f"Received: a {kind}"
        )
    return is_frame and hasattr(batch, "columns")


def read(batch: Any, x: Any) -> Any:
    """The inputs of a model: an array, or a dictionary of them.

    Args:
        batch: A table.
        x: The name of a column; a list of names, whose columns are laid side by side;
            or a dictionary from the inputs of the model to either.

    Raises:
        ValueError: There is no such column, or none was named.
    """
    if isinstance(x, Mapping):
        return {name: read(batch, each) for name, each in x.items()}
    if isinstance(x, str):
        return _column(batch, x)
    if isinstance(x, (list, tuple)) and x:
        parts = [_column(batch, name) for name in x]
        if _are_mixed(parts):
            expected = (
                "columns of numbers, or columns of strings, since they become one "
                "array; a dictionary has one for each input"
            )
            raise ValueError(invalid("x", expected, x))
        parts = [part[:, None] if part.ndim == 1 else part for part in parts]
        return np.concatenate(parts, axis=-1)
    expected = (
        "the name of a column, a list of names, or a dictionary from the inputs of the "
        "model to either, since the batch has columns"
    )
    raise ValueError(invalid("x", expected, x))


def told(prediction: Any, outputs: tuple[str, ...], prefix: str) -> dict[str, Any]:
    """The columns of a prediction, or of a structure of predictions.

    Those of several outputs have the key, or the place, of the output in front.
    """
    if isinstance(prediction, Mapping):
        parts = prediction.items()
    elif isinstance(prediction, (list, tuple)):
        parts = enumerate(prediction)
    else:
        return {f"{prefix}{name}": _of(prediction, name) for name in outputs}
    found = {}
    for key, each in parts:
        found |= told(each, outputs, f"{prefix}{key}_")
    return found


def added(batch: Any, found: dict[str, np.ndarray]) -> Any:
    """The table with more columns.

    Raises:
        ValueError: It has a column of that name.
    """
    doubled = sorted(set(found) & set(map(str, _names(batch))))
    if doubled:
        raise ValueError(
            "The answers need names of their own. Pass a `prefix`, as in "
            f"prefix='mc_'. Received: a batch with columns {doubled}"
        )
    if isinstance(batch, Mapping):
        return {**batch, **found}
    if hasattr(batch, "assign"):
        found = {name: a if a.ndim == 1 else _rows(a) for name, a in found.items()}
        return batch.assign(**found)
    return batch.hstack(type(batch)(found))


def digest(x: Any) -> int:
    """A number for inputs, the same for the same ones in each process."""
    hashed = hashlib.blake2b(digest_size=8)
    for each in keras.tree.flatten(x):
        each = np.asarray(each[:])
        hashed.update(f"{each.shape}{each.dtype}".encode())
        hashed.update(each.tobytes())
    return int.from_bytes(hashed.digest(), "big")


def _names(batch):
    return batch.keys() if isinstance(batch, Mapping) else batch.columns


def _column(batch, name):
    if name not in _names(batch):
        expected = f"names of the columns {list(_names(batch))}"
        raise ValueError(invalid("x", expected, name))
    try:
        return _array(batch[name])
    except (TypeError, ValueError) as error:
        raise ValueError(
            "A column that the model takes must hold numbers, strings, or arrays or "
            "lists of one shape, and no row may be missing. Received: the column "
            f"{name!r}, {error}"
        ) from error


def _array(column):
    """A column as one array, also where each of its rows is an array or a list."""
    array = np.asarray(column)
    if array.dtype.kind in "US" and isinstance(column, (list, tuple)):
        # NumPy turns numbers among strings into strings.
        array = np.asarray(column, object)
    if array.dtype != object or not array.size:
        return array
    if not array.ndim:
        raise ValueError(f"with {column!r}")
    if all(isinstance(each, (str, bytes)) for each in array):
        return array.astype(str) if isinstance(array[0], str) else array.astype(bytes)
    rows = [_array(each) for each in array]
    if _are_mixed(rows):
        raise ValueError("with strings and numbers")
    return np.stack(rows)


def _are_mixed(arrays):
    """Whether NumPy would turn numbers into strings to join these."""
    return len({each.dtype.kind in "USO" for each in arrays}) > 1


def _rows(array):
    """One thing a row, as a column of pandas holds it.

    Arrow, and so Spark, takes lists of arrays with one axis, not arrays with several.
    """
    return list(array) if array.ndim < 3 else [_rows(row) for row in array]


def _of(prediction, name):
    try:
        value = getattr(prediction, name)
    except (AttributeError, KeyError, ValueError) as error:
        expected = (
            f"what outputs of kind {prediction.kind!r} have: "
            f"{', '.join(prediction.to_dict())}"
        )
        raise ValueError(invalid("outputs", expected, name)) from error
    return np.moveaxis(value, 0, 1) if name == "samples" else value
