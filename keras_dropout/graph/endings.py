"""What a model's outputs are, read from how its graph ends.

From each output back: over what keeps its kind (casts, reshapes, dropouts), into nested
models and wrappers, to a softmax, a sigmoid or another activation. For any other ending
the result is `None`.
"""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np

from keras_dropout import layers
from keras_dropout._keras import PrivateNameError, nodes_of, operation_name
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers.weights._weight_noise import WeightNoise
from keras_dropout.graph.eager import eagerly
from keras_dropout.graph.models import graph_of

L = keras.layers


@dataclasses.dataclass(frozen=True)
class Ending:
    """What an output is.

    Attributes:
        kind: `"values"`, `"probabilities"` or `"binary"`.
        axis: Integer, the axis of the classes or labels counted from the last, or
            `None` for values.
    """

    kind: str
    axis: int | None = None


VALUES = Ending("values")
# Layers that apply their activation last. Gates and cells do not.
_ACTIVE = tuple(
    getattr(L, name)
    for name in (
        "Activation",
        "Dense",
        "EinsumDense",
        "SimpleRNN",
        *(f"Conv{n}D" for n in (1, 2, 3)),
        *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
        *(f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)),
    )
)
# Layers that are the identity without noise, or change nothing but types.
_IDENTITIES = tuple(
    getattr(L, name)
    for name in (
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    )
)
_SAME = ("Cast", "Identity", "StopGradient")
_SHAPES = ("Reshape", "Squeeze", "ExpandDims")


def endings(model: keras.Model) -> list[Ending | None] | None:
    """An `Ending` or `None` for each output of a model; `None` if there is no graph."""
    graph = graph_of(model)
    if graph is None:
        inner = _inner(model)
        return None if inner is None else endings(inner)
    try:
        made = {id(out): node for node in nodes_of(graph) for out in node.outputs}
        return [_of_tensor(tensor, made) for tensor in graph.outputs]
    except PrivateNameError:
        return None


def _of_tensor(tensor, made):
    node = made[id(tensor)]
    operation, sources = node.operation, node.inputs
    if node.is_input:
        return None
    place = [each is tensor for each in node.outputs].index(True)
    ending = _of_operation(operation, place, len(tensor.shape))
    if ending is not None or len(sources) != 1:
        return ending
    (source,) = sources
    if _is_identity(operation):
        return _of_tensor(source, made)
    move = _move(operation, source.shape, tensor.shape)
    if move is None:
        return None
    before = _of_tensor(source, made)
    if before in (None, VALUES):
        return before
    axis = None if before.axis is None else move(before.axis)
    if before.kind == "binary":
        return dataclasses.replace(before, axis=axis or _labels(len(tensor.shape)))
    return axis and dataclasses.replace(before, axis=axis)


def _of_operation(operation, place, rank):
    """What a layer or an operation ends in by itself, with so many axes."""
    if not isinstance(operation, L.Layer):
        name = operation_name(operation)
        if name == "Softmax":
            return _softmax(operation.axis, rank)
        return Ending("binary", _labels(rank)) if name == "Sigmoid" else None
    known = endings(operation)
    if known is not None:
        return known[place]
    inner = _inner(operation)
    if inner is not None:
        # Steps, and masks side by side, are an axis that the layer within lacks.
        stacked = getattr(operation, "reduction", None) == "stack"
        own = stacked or isinstance(operation, L.TimeDistributed)
        return _of_operation(inner, place, rank - own)
    if isinstance(operation, L.Softmax):
        return _softmax(operation.axis, rank)
    if _is_identity(operation) or not hasattr(operation, "activation"):
        return None
    ending = _of_activation(operation.activation, rank)
    if isinstance(operation, _ACTIVE) and _is_of_keras(type(operation).call):
        first = getattr(operation, "data_format", None) == "channels_first"
        if ending == Ending("binary", -1) and first and rank > 2:
            return Ending("binary", 2 - rank - 1)
        # Linear comes last: then the layer before it decides the kind.
        return None if _is_linear(operation) else ending
    # A layer of the user's own. By custom the activation is what it ends in; that
    # of probabilities can be seen, that of labels cannot.
    gated = isinstance(operation, L.RNN)
    return ending if ending and ending.kind == "binary" and not gated else None


def _is_linear(layer):
    return isinstance(layer, L.Activation) and (
        layer.activation is keras.activations.linear
    )


def _is_identity(operation):
    if not isinstance(operation, L.Layer):
        return operation_name(operation) in _SAME
    if isinstance(operation, NoiseLayer):
        return operation.without_noise() is None
    return isinstance(operation, _IDENTITIES) or _is_linear(operation)


def _inner(layer):
    """The layer or model within a wrapper that returns its outputs, or None."""
    if getattr(layer, "is_trainer", False):
        return layer.model
    if isinstance(layer, layers.MultiSampleDropout):
        return layer.head
    ours = (
        layers.ConcreteDropout,
        layers.LayerDrop,
        layers.MaxNormDropout,
        WeightNoise,
    )
    return layer.layer if isinstance(layer, (*ours, L.Wrapper)) else None


def _is_of_keras(function):
    return function.__module__.partition(".")[0] in ("keras", "keras_dropout")


def _softmax(axis, rank):
    if not isinstance(axis, int):
        # Over several axes together.
        return VALUES
    return Ending("probabilities", axis if axis < 0 else axis - rank)


def _labels(rank):
    return -1 if rank > 1 else None


def _of_activation(activation, rank):
    """What an activation gives, tried out on numbers; `None` where that fails."""
    if activation in (None, keras.activations.linear):
        return VALUES
    # These need no trial, for which JAX would compile each of their operations.
    if activation is keras.activations.softmax and rank > 1:
        return Ending("probabilities", -1)
    if activation is keras.activations.sigmoid:
        return Ending("binary", _labels(rank))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)[:rank]).astype("float32")
    try:
        with eagerly():
            given = keras.ops.convert_to_tensor(x)
            y = keras.ops.convert_to_numpy(activation(given)).astype("float64")
    except Exception:
        # It is the user's function, and may not like these numbers or this shape.
        return None
    if y.shape != x.shape:
        return None
    for axis in range(-1, -rank, -1):
        powers = np.exp(x.astype("float64"))
        if np.allclose(y, powers / powers.sum(axis=axis, keepdims=True), atol=1e-5):
            return Ending("probabilities", axis)
    if np.allclose(y, 1 / (1 + np.exp(-x.astype("float64"))), atol=1e-5):
        return Ending("binary", _labels(rank))
    # Another way to make numbers sum to one can be seen in the outputs.
    return VALUES if (y < 0).any() or not _sums_to_one(y) else None


def _sums_to_one(y):
    return any(np.allclose(y.sum(axis=a), 1, atol=1e-3) for a in range(1, y.ndim))


def _move(operation, before, after):
    """Where an axis of `before` is in `after`, as a function, or None if unknown."""
    if isinstance(operation, L.Permute):
        order = (0, *operation.dims)
    elif isinstance(operation, L.Layer):
        order = None
        if not isinstance(operation, (L.Reshape, L.Flatten)):
            return None
    elif operation_name(operation) == "Transpose":
        order = operation.axes or tuple(reversed(range(len(before))))
    elif operation_name(operation) in _SHAPES:
        order = None
    else:
        return None
    if order is not None:
        order = [axis % len(before) for axis in order]
        return lambda axis: order.index(axis % len(before)) - len(after)
    return lambda axis: _reshaped(axis, before, after)


def _reshaped(axis, before, after):
    """The axis after a reshape, if one has the same size and stride, or None."""
    size, apart = before[axis], before[len(before) + axis + 1 :]
    if size is None or None in apart:
        return None
    for place in range(-1, -len(after), -1):
        rest = after[len(after) + place + 1 :]
        if None in rest:
            return None
        if after[place] == size and math.prod(rest) == math.prod(apart):
            return place
    return None
