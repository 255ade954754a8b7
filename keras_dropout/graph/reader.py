"""Turns the graph of a model into a list of steps.

Building two `keras.Model`s from the same tensors would be public, but leaves new nodes
on the layers of the user's model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_dropout._keras import nodes_of, standard_inputs, takes_training
from keras_dropout._typing import Tensor
from keras_dropout.graph.models import graph_of
from keras_dropout.graph.rowwise import is_rowwise


@dataclasses.dataclass(frozen=True)
class Step:
    """One node of the graph, from values in numbered slots to values in others."""

    run: Callable
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    noisy: bool
    is_rowwise: bool = True


class Reader:
    """Turns a graph, and those nested in it, into one list of steps."""

    def __init__(self, is_noisy: Callable[[Any], bool]) -> None:
        self.is_noisy = is_noisy
        self.steps: list[Step] = []
        self.shapes: dict[int, Any] = {}
        # By the slot of its result: what a step makes for itself that is wider.
        self.inner: dict[int, Any] = {}

    def new_slots(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        """Slots for what will stand where these symbolic tensors stand."""
        first = len(self.shapes)
        shapes = dict(enumerate((tensor.shape for tensor in tensors), first))
        self.shapes.update(shapes)
        return tuple(shapes)

    def read(self, graph: Any, entered: Sequence[int]) -> list[int]:
        """Reads the nodes of `graph`, its inputs given; returns its outputs' slots."""
        known = dict(zip(map(id, graph.inputs), entered, strict=True))
        for node in nodes_of(graph):
            if not node.is_input:
                self._read_node(node, known)
        return [known[id(tensor)] for tensor in graph.outputs]

    def _read_node(self, node, known):
        operation = node.operation
        reads = tuple(known[id(tensor)] for tensor in node.inputs)
        noisy = self.is_noisy(operation)
        nested = graph_of(operation) if noisy else None
        if nested is not None and _is_plain(node.arguments):

            def enter(values):
                (inputs,), _ = node.filled(values)
                return standard_inputs(nested, inputs)

            entered = self.new_slots(nested.inputs)
            self.steps.append(Step(enter, reads, entered, noisy=False))
            writes = self.read(nested, entered)
            known.update(zip(map(id, node.outputs), writes, strict=True))
            return

        def run(values):
            args, kwargs = node.filled(values)
            # Inside Keras's models an inner `training` gives way to the outer one.
            if takes_training(operation):
                kwargs["training"] = False
            return operation(*args, **kwargs)

        writes = self.new_slots(node.outputs)
        known.update(zip(map(id, node.outputs), writes, strict=True))
        rowwise = is_rowwise(operation, node.inputs)
        self.steps.append(Step(run, reads, writes, noisy, rowwise))
        shapes = [self.shapes[slot] for slot in reads]
        for scores in attention_scores(operation, shapes):
            self.inner[writes[0]] = scores


_ATTENTION = (
    keras.layers.Attention,
    keras.layers.GroupQueryAttention,
    keras.layers.MultiHeadAttention,
)


def attention_scores(
    operation: Any, shapes: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """The shape of the weights that a layer of attention makes; of others none.

    Args:
        operation: A layer or another node's operation.
        shapes: The shapes of what it is called on, the query first and a key last.
    """
    if not isinstance(operation, _ATTENTION) or not shapes:
        return []
    query, key = shapes[0], shapes[-1]
    names = ("num_heads", "num_query_heads")
    heads = max(getattr(operation, name, 1) for name in names)
    return [(query[0], heads, *query[1:-1], *key[1:-1])]


def _is_plain(arguments):
    """Whether a model is called with its inputs alone, so that it can be opened."""
    kwargs = {
        name: value
        for name, value in arguments.kwargs.items()
        if name != "training" and value is not None
    }
    return len(arguments.args) == 1 and not kwargs
