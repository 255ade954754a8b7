"""Batches from whatever a user predicts on: arrays, datasets, loaders, generators."""

from __future__ import annotations

import itertools
import numbers
import operator
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_dropout._typing import Data
from keras_dropout._validation import invalid
from keras_dropout.sampling import nested


def batches(
    x: Data,
    batch_size: int | None,
    steps: int | None,
    filling: Callable[[Any], Callable[[int, int], int] | None],
    targets: Any = None,
) -> Iterator[tuple[Any, Any, Any]]:
    """Yields `(batch, rows, targets)`, the batch a structure of arrays of one size.

    Arrays come in batches of `batch_size`, all other sources in their own. The targets
    are the pair of `y` and weights of a source, or `targets` of arrays, either `None`
    where there is none. `filling(batch)` gives `None`, or a function from the number of
    rows and the most rows so far to the size that the batch is filled up to, with
    copies of its last row. `rows` counts those that are real. Targets are not filled.
    """
    if is_source(x):
        source, batch_size = _from_source(x, steps), None
    else:
        source = _from_arrays(x, batch_size, targets or (None, None))
        source = source if steps is None else itertools.islice(source, steps)
    largest = 0
    for batch, targets in source:
        size = rows = _rows(batch)
        fill = filling(batch)
        if fill is not None:
            size = fill(rows, largest or batch_size or rows)
            if largest and not is_source(x):
                # The last of equal batches.
                size = max(size, largest)
        largest = max(largest, size)
        yield (batch if size == rows else _map(_fill, batch, size)), rows, targets
    if not largest:
        raise ValueError(
            "`x` must have at least one row. Received: a source that gave no batches"
        )


def count(x: Data, batch_size: int | None, steps: int | None) -> int | None:
    """How many batches will come, or None if nobody knows."""
    if not is_source(x):
        found = -(-_rows(x) // batch_size)
    elif hasattr(x, "num_batches"):
        found = x.num_batches
    else:
        try:
            found = len(x)
        except TypeError:
            found = None
    if steps is None or found is None:
        return found if steps is None else steps
    return min(found, steps)


def is_source(x: Data) -> bool:
    """Whether `x` gives batches by itself, rather than being arrays."""
    if isinstance(x, keras.utils.PyDataset):
        return True
    if hasattr(x, "with_format"):
        raise TypeError(
            "`x` must give batches, but a Hugging Face dataset gives single rows. Pass "
            "the columns that the model takes, as in "
            '`x.with_format("numpy")[:]["pixels"]`, or '
            "`x.to_tf_dataset(columns=..., batch_size=32)`. "
            f"Received: a {type(x).__name__}"
        )
    if isinstance(x, (list, tuple, dict)) or hasattr(x, "shape") or _is_column(x):
        return False
    whole = hasattr(x, "__iter__") or hasattr(x, "__array__")
    if hasattr(x, "__getitem__") and not whole:
        raise TypeError(
            "`x` must give batches, but a `Dataset` of PyTorch gives single rows. Pass "
            "`torch.utils.data.DataLoader(x, batch_size=32)`. "
            f"Received: a {type(x).__name__}"
        )
    return hasattr(x, "__iter__") and not isinstance(x, (str, bytes))


def _from_source(x, steps):
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is None and steps is None:
            raise ValueError(
                "`steps` must say how many batches to take from a `PyDataset` "
                "without end. Received: steps=None"
            )
        total = x.num_batches if steps is None else steps
        elements = (x[place] for place in range(total))
    else:
        elements = itertools.islice(iter(x), steps)
    for element in elements:
        batch, *targets = keras.utils.unpack_x_y_sample_weight(element)
        yield _arrays(batch, _array), targets


def _from_arrays(x, batch_size, targets):
    for start in range(0, _rows(x), batch_size):
        rows = slice(start, start + batch_size)
        cut = [_cut(each, rows) for each in targets]
        yield _map(operator.getitem, x, rows), cut


def _cut(structure, rows):
    return None if structure is None else _map(operator.getitem, structure, rows)


def arrays(x: Data) -> Any:
    """`x` as a structure of arrays, or what slices to arrays, with at least one row."""
    x = _arrays(x, lambda each: _Sparse(each) if _is_sparse(each) else _array(each))
    _rows(x)
    return x


def _arrays(x, read):
    """`x` as arrays. An optional input of several may be `None`, as in `predict`."""
    return nested.mapped(read, x) if nested.present(x) else read(None)


class _Sparse:
    """A matrix of SciPy. Only the rows that are asked for become dense."""

    def __init__(self, matrix) -> None:
        # Others cannot be sliced.
        self._matrix = matrix.tocsr()
        self.shape, self.dtype = matrix.shape, matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any):
        return _array(self._matrix[rows])


def _array(x):
    """A NumPy array of a dtype that models take."""
    if x is None or isinstance(x, (str, bytes, numbers.Number)):
        expected = (
            "arrays, or a source of batches of them; a list is one array for each "
            "input of the model, so make rows an array with `np.array(x)`"
        )
        raise TypeError(invalid("x", expected, x))
    if _is_sparse(x):
        x = x.toarray()
    elif _is_column(x):
        x = np.asarray(x[:])
    elif hasattr(x, "iloc"):
        # As Keras does it, a series of pandas is a column.
        x = x.to_numpy() if x.ndim > 1 else x.to_numpy()[:, None]
    # A torch tensor that wants its gradient gives no array.
    x = keras.ops.convert_to_numpy(x.detach() if hasattr(x, "detach") else x)
    if x.dtype.kind in "USO" and all(isinstance(each, (str, bytes)) for each in x.flat):
        if keras.backend.backend() == "tensorflow":
            return x
        raise TypeError(
            "`x` can hold strings on TensorFlow only, as other backends have no "
            "tensors of them. Apply the layer that reads them (`TextVectorization`, "
            "`StringLookup`) first, and pass its outputs. "
            f"Received: an array of dtype {x.dtype}"
        )
    if x.dtype.kind not in "biufcV":
        raise TypeError(
            "`x` must hold arrays of numbers whose rows have one shape. "
            f"Received: an array of dtype {x.dtype}"
        )
    return x.astype(keras.config.floatx()) if x.dtype == np.float64 else x


def _is_sparse(x):
    return hasattr(x, "tocsr") and hasattr(x, "toarray")


def _is_column(x):
    """Whether `x` is a column of a Hugging Face dataset, which is read when sliced."""
    return hasattr(x, "column_name") and hasattr(x, "__getitem__")


def _rows(x):
    shapes = [np.shape(each) for each in nested.present(x)]
    sizes = {shape[:1] for shape in shapes}
    if len(sizes) != 1 or sizes == {()}:
        raise ValueError(
            "All arrays in `x` must have the same number of rows, on axis 0. "
            f"Received: shapes {shapes}"
        )
    ((rows,),) = sizes
    if not rows:
        raise ValueError("`x` must have at least one row. Received: 0 rows")
    return rows


def _map(function, structure, argument):
    return nested.mapped(lambda each: function(each, argument), structure)


def _fill(x, size):
    missing = size - len(x)
    if not missing:
        return x
    return np.concatenate([x, np.repeat(x[-1:], missing, axis=0)])
