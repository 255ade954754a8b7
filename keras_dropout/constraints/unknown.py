"""Weights of layers that the table does not know: what their names and shapes tell.

Kernels say nothing by their shapes: that of a `Conv1D` and that of an attention's query
look alike. Tables of vectors, biases and single vectors do, where they are called so,
as in the layers of KerasHub for positions, relative biases and class tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout._model import flatten_layers


def by_shape(
    layer: keras.layers.Layer, rows: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    """The incoming axes of weights that `rows` does not name, by their attributes.

    Raises:
        ValueError: The layer has a matrix that nothing explains.
    """
    explained = {id(getattr(layer, name, None)) for name in rows}
    for sublayer in flatten_layers(layer)[1:]:
        explained.update(map(id, sublayer.weights))
    names = {id(value): name for name, value in _keras.attributes(layer).items()}
    found = {}
    for weight in layer.trainable_weights:
        if len(weight.shape) < 2 or id(weight) in explained:
            continue
        name = names.get(id(weight))
        axes = _axes(name or weight.name, weight.shape)
        if name is None or axes == "unknown":
            raise ValueError(_refusal(layer, weight, name))
        found[name] = axes
    return found


def _axes(name, shape):
    words = set(re.split("_|(?<=[a-z])(?=[A-Z])", name.lower()))
    single = all(size == 1 for size in shape[:-1])
    if "bias" in words or (single and words & {"token", "embedding", "embeddings"}):
        return None
    if len(shape) == 2 and words & {"embedding", "embeddings"}:
        return (1,)
    return "unknown"


def _refusal(layer, weight, name):
    kind, shape = type(layer).__name__, tuple(weight.shape)
    leave = f"leave the layer out with `skip={layer.name!r}`"
    if name is None:
        return (
            f"The weight {weight.path!r}, of shape {shape}, of layer {layer.name!r} of "
            f"class {kind} is not an attribute of the layer, so its incoming axes "
            f"cannot be named. Keep it in an attribute, or {leave}."
        )
    if all(size == 1 for size in shape[:-1]):
        axes = f"`{{{name!r}: None}}` for a single vector, which is not limited"
    elif len(shape) == 2:
        axes = (
            f"`{{{name!r}: 0}}` for a kernel (in, out), `{{{name!r}: 1}}` for a table "
            f"of vectors, or `{{{name!r}: None}}` for weights without a limit"
        )
    else:
        axes = (
            f"`{{{name!r}: (...)}}` with those of the {len(shape)} axes that a unit "
            f"sums over, or `{{{name!r}: None}}` for weights without a limit"
        )
    return (
        f"The incoming axes of the weight {weight.path!r}, of shape {shape}, are not "
        f"known for layer {layer.name!r} of class {kind}. Register them with "
        f"`constraints.register_incoming_axes({kind}, axes)`, where the axes are "
        f"{axes}; or with an attribute `incoming_axes` of the class; or {leave}."
    )
