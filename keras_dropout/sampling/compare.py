"""Whether two answers of a layer are the same, as far as that can be seen."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Data


def differ(one: Any, two: Any) -> bool:
    """Whether two answers differ by more than rounding; unknown while traced."""
    one, two = keras.tree.flatten(one), keras.tree.flatten(two)
    if len(one) != len(two):
        return True
    for a, b in zip(one, two, strict=True):
        try:
            a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
            a, b = a.astype("float64"), b.astype("float64")
        except Exception:
            continue
        if a.shape != b.shape:
            return True
        largest = np.max(np.abs(a), initial=0, where=np.isfinite(a))
        if not np.allclose(a, b, rtol=1e-4, atol=1e-5 * largest, equal_nan=True):
            return True
    return False


def is_traced(x: Data) -> bool:
    """Whether tensors are symbolic, without values yet."""
    try:
        keras.tree.map_structure(ops.convert_to_numpy, x)
    except Exception:
        return True
    return False
