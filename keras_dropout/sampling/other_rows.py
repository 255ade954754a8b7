"""Rows to put beside some rows of the data, to see whether these look at them."""

from __future__ import annotations

import numpy as np

from keras_dropout._typing import Tensors
from keras_dropout.sampling import nested


def others(few: Tensors, inputs: Tensors) -> tuple[Tensors, Tensors]:
    """Further rows that differ from `few`: those that are near, and those far away.

    Some models look at rows that are like their own, others at the largest. Where the
    data has no more rows, near ones are made up.
    """
    rows = nested.rows(few)
    following = nested.mapped(lambda x: x[rows : 2 * rows], inputs)
    if nested.rows(following) < rows:
        near, following = nested.mapped(_moved, few), few
    else:
        near = following
    return near, nested.mapped(_far, few, following)


def _moved(x):
    """Rows a little beside those of `x`."""
    if x.dtype.kind not in "fV":
        return x
    values = x.astype("float32")
    return (values + 0.05 * np.abs(values).max(initial=0.0)).astype(x.dtype)


def _far(x, following):
    """Two rows or more of other values, that a model takes where it takes `x`."""
    if x.dtype.kind in "fV":
        # One above all of `x` and one below. Their mean differs from that of `x`.
        scale = np.abs(x.astype("float32")).max(initial=1.0)
        ends = [x[:1] + 3.0 * scale, x[-1:] - 1.5 * scale]
        return np.concatenate(ends).astype(x.dtype)
    if x.dtype.kind in "iu" and np.array_equal(x, following):
        # The first two ids are those that every table has.
        following = np.where(x.any(), np.zeros_like(x), np.ones_like(x))
    if x.dtype.kind == "b":
        following = ~x
    return np.concatenate([following, following])[:2]
