"""Calls the operations of a Keras graph once more, on new symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_dropout._keras import history_of, nodes_of


def replay(graph: Any, call: Callable[..., Any]) -> tuple[Any, Any]:
    """The inputs and outputs of a graph like `graph`, made of the calls of `call`.

    Args:
        graph: A functional model.
        call: Function of an operation, the tuple and the dictionary of the arguments
            that it was called with, to what stands for its outputs.

    Returns:
        New inputs and outputs, nested as those of `graph`.
    """
    inputs = keras.tree.map_structure(_fresh, graph.input)
    known = dict(zip(map(id, graph.inputs), keras.tree.flatten(inputs), strict=True))
    for node in nodes_of(graph):
        # Some hang on inputs that the model does not have.
        if node.is_input or any(id(tensor) not in known for tensor in node.inputs):
            continue
        args, kwargs = node.filled([known[id(tensor)] for tensor in node.inputs])
        outputs = call(node.operation, args, kwargs)
        flat = keras.tree.flatten(outputs)
        known.update(zip(map(id, node.outputs), flat, strict=True))
    return inputs, keras.tree.map_structure(lambda x: known[id(x)], graph.output)


def _fresh(tensor):
    """An input like the one that `tensor` is."""
    given = history_of(tensor)[0]
    return keras.Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        name=tensor.name,
        sparse=getattr(tensor, "sparse", False),
        optional=getattr(given, "optional", False),
    )
