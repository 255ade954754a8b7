"""Reads Keras's graphs of layers, for which there is no public way.

Building two `keras.Model`s from the same tensors would be public, but leaves new nodes
on the layers of the user's model. This file is the only one that knows how Keras keeps
its graphs.
"""

import dataclasses
from collections.abc import Callable

import keras

from keras_dropout._keras import (
    Functional,
    functional_of,
    history_of,
    nodes_of,
    standard_inputs,
    takes_training,
)


@dataclasses.dataclass(frozen=True)
class Step:
    """One node of the graph, from values in numbered slots to values in others."""

    run: Callable
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    noisy: bool


class Reader:
    """Turns a graph, and those nested in it, into one list of steps."""

    def __init__(self, is_noisy):
        self.is_noisy = is_noisy
        self.steps = []
        self.shapes = {}
        # By the slot of its result: what a step makes for itself that is wider.
        self.inner = {}

    def new_slots(self, tensors):
        """Slots for what will stand where these symbolic tensors stand."""
        first = len(self.shapes)
        shapes = dict(enumerate((tensor.shape for tensor in tensors), first))
        self.shapes.update(shapes)
        return tuple(shapes)

    def read(self, graph, entered):
        """Reads the nodes of `graph`, its inputs given; returns its outputs' slots."""
        known = dict(zip(map(id, graph.inputs), entered, strict=True))
        for node in nodes_of(graph):
            if node.operation and not node.is_input:
                self._read_node(node, known)
        return [known[id(tensor)] for tensor in graph.outputs]

    def _read_node(self, node, known):
        operation = node.operation
        tensors = list({id(tensor): tensor for tensor in node.input_tensors}.values())
        reads = tuple(known[id(tensor)] for tensor in tensors)

        def arguments(values):
            filled = dict(zip(map(id, tensors), values, strict=True))
            return node.arguments.fill_in(filled)

        noisy = self.is_noisy(operation)
        nested = graph_of(operation) if noisy else None
        if nested is not None and _is_plain(node.arguments):

            def enter(values):
                (inputs,), _ = arguments(values)
                return standard_inputs(nested, inputs)

            entered = self.new_slots(nested.inputs)
            self.steps.append(Step(enter, reads, entered, noisy=False))
            writes = self.read(nested, entered)
            known.update(zip(map(id, node.outputs), writes, strict=True))
            return

        def run(values):
            args, kwargs = arguments(values)
            # Inside Keras's models an inner `training` gives way to the outer one.
            if takes_training(operation):
                kwargs["training"] = False
            return operation(*args, **kwargs)

        writes = self.new_slots(node.outputs)
        known.update(zip(map(id, node.outputs), writes, strict=True))
        self.steps.append(Step(run, reads, writes, noisy))
        if isinstance(operation, _ATTENTION):
            shapes = [self.shapes[slot] for slot in reads]
            self.inner[writes[0]] = _scores(operation, shapes[0], shapes[-1])


_ATTENTION = (
    keras.layers.Attention,
    keras.layers.GroupQueryAttention,
    keras.layers.MultiHeadAttention,
)


def _scores(attention, query, key):
    """The shape of the weights that an attention layer makes of these shapes."""
    names = ("num_heads", "num_query_heads")
    heads = max(getattr(attention, name, 1) for name in names)
    return (query[0], heads, *query[1:-1], *key[1:-1])


def graph_of(model):
    """The functional model that `model` is or holds, unless it does something else."""
    call = getattr(type(model), "call", None)
    if isinstance(model, keras.Sequential) and call is keras.Sequential.call:
        return functional_of(model)
    if isinstance(model, Functional) and call is Functional.call:
        return model
    return None


def _is_plain(arguments):
    """Whether a model is called with its inputs alone, so that it can be opened."""
    kwargs = {
        name: value
        for name, value in arguments.kwargs.items()
        if name != "training" and value is not None
    }
    return len(arguments.args) == 1 and not kwargs


def output_layers(model):
    """The layers that give the model's outputs, in order, or None if unknown."""
    graph = graph_of(model)
    if graph is None:
        return None
    try:
        return [_innermost(*history_of(tensor)) for tensor in graph.outputs]
    except AttributeError:
        return None


def _innermost(layer, place):
    inner = output_layers(layer)
    if inner is not None:
        return inner[place]
    if isinstance(layer, keras.layers.Wrapper):
        return _innermost(layer.layer, place)
    return layer
