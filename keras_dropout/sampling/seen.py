"""Sees probabilities in outputs without noise, where no graph says what they are.

They are not negative and sum to one. Whether one number is the probability of a label
cannot be seen, as many values lie between 0 and 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_dropout.graph.endings import VALUES, Ending

# The probability that so many other vectors look like probabilities by chance.
_LUCK = 1e-6
_MANY = 256


def probabilities(values: Any) -> Ending | None:
    """What values are: an `Ending`, or `None` where they are too few to say.

    All vectors along one axis must sum to one, within what the values are rounded to:
    they are taken for half precision if they are all on its grid. There must be enough
    different vectors to exclude chance. Vectors of one number do not count.
    """
    values = np.asarray(values, np.float32)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    if (finite < 0).any():
        return VALUES
    tolerance = _tolerance(finite)
    needed = math.ceil(math.log(_LUCK) / math.log(2 * tolerance))
    found = VALUES
    for axis in range(-1, -values.ndim, -1):
        size = values.shape[axis]
        if size < 2:
            continue
        vectors = np.moveaxis(values, axis, -1).reshape(-1, size)
        vectors = vectors[np.isfinite(vectors).all(axis=1)].astype("float64")
        if len(vectors) and (np.abs(vectors.sum(axis=1) - 1) < tolerance).all():
            if len(np.unique(vectors[:_MANY], axis=0)) >= needed:
                return Ending("probabilities", axis)
            found = None
    return found


def _tolerance(values):
    """How far a sum may be from one: some units of the coarsest grid that fits."""
    values = np.ascontiguousarray(values, np.float32)
    if not (values.view(np.uint32) & 0xFFFF).any():
        # bfloat16 is the first half of a float32.
        return 4 * 2.0**-7
    with np.errstate(over="ignore"):
        if (values.astype(np.float16) == values).all():
            return 4 * 2.0**-10
    return 64 * 2.0**-23
