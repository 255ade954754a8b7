"""The graph of a functional model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_dropout._keras.errors import private_names

try:
    from keras.src.models.functional import Functional
except ImportError:

    class Functional:
        """No class: no model is an instance, so each runs whole."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One call of an operation in a graph.

    Attributes:
        operation: The layer or the other operation.
        is_input: Whether it is an input of the model.
        inputs: The symbolic tensors that it was called on.
        outputs: The symbolic tensors that it gave.
        arguments: The arguments of the call.
    """

    operation: Any
    is_input: bool
    inputs: list
    outputs: list
    arguments: Any

    def filled(self, tensors: Sequence[Any]) -> Any:
        """The arguments with other tensors in the places of the symbolic ones."""
        with private_names():
            places = zip(map(id, self.inputs), tensors, strict=True)
            return self.arguments.fill_in(dict(places))


def functional_of(sequential: Any) -> Any:
    """The functional model that a `Sequential` keeps, or None before it is built."""
    return getattr(sequential, "_functional", None)


def nodes_of(graph: Any) -> list[Node]:
    """The nodes of a functional model, inputs first."""
    with private_names():
        depths = graph._nodes_by_depth
        nodes = [
            each for depth in sorted(depths, reverse=True) for each in depths[depth]
        ]
        return [
            Node(
                each.operation,
                each.is_input or not each.operation,
                list({id(tensor): tensor for tensor in each.input_tensors}.values()),
                list(each.outputs),
                each.arguments,
            )
            for each in nodes
        ]


def standard_inputs(graph: Any, inputs: Any) -> list[Any]:
    """Keras's own checks and conversions of a model's inputs, as a flat list."""
    return graph._standardize_inputs(inputs)


def input_structure(graph: Any) -> Any:
    """How a model's inputs are nested: a structure with a tensor for each."""
    with private_names():
        return graph._inputs_struct


def output_structure(graph: Any) -> Any:
    """How a model's outputs are nested: a structure with a tensor for each."""
    with private_names():
        return graph._outputs_struct


def history_of(tensor: Any) -> tuple[Any, int]:
    """The operation that a symbolic tensor comes from, and its place in the result."""
    with private_names():
        history = tensor._keras_history
        return history.operation, history.tensor_index


def operation_name(operation: Any) -> str:
    """The name of the class of an operation of `keras.ops`, such as "Softmax".

    Keras exports the functions only. Another name is unknown to who asks, who then
    leaves open what the operation does.
    """
    return type(operation).__name__
