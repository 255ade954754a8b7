"""A table of the norms in a model, and of the units that are at their limit."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from keras_dropout._table import Table
from keras_dropout._typing import Model, Picks
from keras_dropout.constraints.incoming import incoming
from keras_dropout.constraints.max_norm import MaxNorm, incoming_norms, rounding
from keras_dropout.constraints.picked import picked


@dataclasses.dataclass(frozen=True)
class NormRow:
    """The incoming norms of one weight.

    Attributes:
        weight: Path of the weight in the model.
        shape: Shape of the weight.
        axes: The axes that come into one unit.
        units: How many units, and so how many norms, there are.
        largest: The largest of the norms.
        limit: The limit, or `None` where there is none.
        at_limit: How many units are at the limit, to rounding.
    """

    weight: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    units: int
    largest: float
    limit: float | None
    at_limit: int


class MaxNormReport(Table[NormRow]):
    """The rows of a report, one a weight. Printed, it is a table."""

    __slots__ = ()
    row: Any = NormRow


def max_norm_report(
    model: Model, layers: Picks = None, *, skip: Picks = None
) -> MaxNormReport:
    """Reports the incoming norms of each weight, and how many units are at their limit.

    Before you apply max-norm, it shows which limit would have an effect. After that, it
    shows whether the limit has an effect. Quantized layers are left out.

    Args:
        model: A Keras model or layer that is built.
        layers: The layers to report on, as in
            [keras_dropout.constraints.apply_max_norm][].
        skip: The layers to leave out, likewise.

    Returns:
        A `MaxNormReport`: a tuple of rows with the attributes `weight`, `shape`,
        `axes`, `units`, `largest`, `limit` and `at_limit`, which prints as a table.

    Raises:
        TypeError: `layers` or `skip` is of another kind.
        ValueError: The model is not built, `layers` or `skip` picks no layer with
            weights, or a layer has weights with unknown incoming axes.

    Examples:
        >>> import keras
        >>> from keras_dropout import constraints
        >>> dense = keras.layers.Dense(2, kernel_initializer="ones", name="dense")
        >>> model = keras.Sequential([keras.Input((4,)), dense], name="mlp")
        >>> model = constraints.apply_max_norm(model, max_value=1.5)
        >>> constraints.max_norm_report(model)
        weight            shape   axes  units  largest  limit  at limit
        ----------------  ------  ----  -----  -------  -----  --------
        mlp/dense/kernel  (4, 2)  (0,)  2      1.5      1.5    2
    """
    if not model.built:
        raise ValueError(
            f"There are no norms before the model is built, for example by calling it "
            f"on a batch. Received: {model.name!r}, which is not built."
        )
    chosen = picked(model, layers, skip)
    return MaxNormReport(_row(w) for layer in chosen for w in incoming(layer))


def _row(weight):
    variable = weight.variable
    axes = MaxNorm(axis=weight.axes).axes_of(variable)
    norms = ops.convert_to_numpy(incoming_norms(variable, axes))
    limit = getattr(variable.constraint, "max_value", None)
    at_limit = 0
    if limit is not None:
        dtype = keras.backend.standardize_dtype(variable.dtype)
        count = math.prod(variable.shape) // norms.size
        at_limit = int((norms >= limit * (1 - rounding(dtype, count))).sum())
    return NormRow(
        weight=variable.path,
        shape=tuple(variable.shape),
        axes=axes,
        units=norms.size,
        largest=float(norms.max()),
        limit=limit,
        at_limit=at_limit,
    )
