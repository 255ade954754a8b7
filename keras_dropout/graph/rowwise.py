"""Which operations are known to treat each row separately.

A graph made only of these needs no test: its rows can be copied, one after the other.
Other operations may treat rows separately too; models with them are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_dropout import _keras, _model
from keras_dropout._typing import Tensor
from keras_dropout.graph.models import graph_of

# Layers that run code of the user's own, or of another library.
_UNKNOWN = ("Lambda", "JaxLayer", "FlaxLayer", "TFSMLayer", "TorchModuleWrapper")
# Operations of `keras.ops` that work element by element, so that shapes broadcast.
_ELEMENTWISE = (
    *("Absolute", "Add", "Cast", "Clip", "Divide", "Exp", "Log", "Maximum", "Minimum"),
    *("Multiply", "Negative", "Sqrt", "Square", "Subtract"),
    *("Elu", "Gelu", "LeakyRelu", "Relu", "Relu6", "Sigmoid", "Silu", "Softplus"),
    "Tanh",
)
_FUNCTIONS = ("activation", "recurrent_activation")
_AXES = ("axis", "axes")


def is_rowwise(operation: Any, inputs: Sequence[Tensor]) -> bool:
    """Whether each row of the outputs depends on the same row of the inputs alone.

    Args:
        operation: A layer or another node's operation.
        inputs: The symbolic tensors that it is called on.
    """
    # A fixed first axis may be anything, and the only axis is that of the rows.
    if any(len(x.shape) < 2 or x.shape[0] is not None for x in inputs):
        return False
    if isinstance(operation, keras.layers.Layer):
        # Attention takes the axis before the last for that of steps, whatever it is.
        is_flat = any(len(x.shape) == 2 for x in inputs)
        return _is_rowwise_layer(operation) and not (is_flat and _attends(operation))
    ranks = {len(tensor.shape) for tensor in inputs}
    return type(operation).__name__ in _ELEMENTWISE and len(ranks) == 1


def _is_rowwise_layer(layer):
    graph = graph_of(layer)
    if graph is not None:
        steps = [node for node in _keras.nodes_of(graph) if not node.is_input]
        return all(is_rowwise(step.operation, step.inputs) for step in steps)
    own, *inner = _model.flatten_layers(layer)
    # A function that somebody has put over the method of this one layer.
    if "call" in vars(own):
        return False
    known = (_is_of_keras(own) or _is_ours(own)) and _leaves_rows_alone(own)
    return known and all(map(_is_rowwise_layer, inner))


def _attends(layer):
    inner = _model.flatten_layers(layer)
    return any(isinstance(each, keras.layers.Attention) for each in inner)


def _is_of_keras(layer):
    return type(layer).__name__ not in _UNKNOWN and _keras.is_layer_of_keras(layer)


def _is_ours(layer):
    return type(layer).__module__.partition(".")[0] == __package__.partition(".")[0]


def _leaves_rows_alone(layer):
    """Whether no axis that a layer sums or joins over is that of the rows."""
    for name in _AXES:
        axes = getattr(layer, name, None)
        found = [each for each in keras.tree.flatten(axes) if each is not None]
        # Counted from the end, only the last is sure not to be the first.
        if not all(
            isinstance(each, int) and (each > 0 or each == -1) for each in found
        ):
            return False
    equation = getattr(layer, "equation", None)
    if isinstance(equation, str):
        inputs, _, outputs = equation.replace("...", "").partition("->")
        if inputs[:1] != outputs[:1]:
            return False
    functions = (getattr(layer, name, None) for name in _FUNCTIONS)
    return all(f is None or _is_known_activation(f) for f in functions)


def _is_known_activation(function):
    if isinstance(function, keras.layers.Layer):
        return True
    name = getattr(function, "__name__", "")
    return getattr(keras.activations, name, None) is function
