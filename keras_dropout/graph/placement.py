"""Advice about where noise stands in a graph of layers.

Each rule knows one placement that is known to hurt, and says what to do instead. A
model that is no graph of layers gets no advice of this kind.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout.graph.models import graph_of

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
# What passes values on without weights, so that neighbours stay neighbours.
_PLAIN = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.BatchNormalization,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
)

BETWEEN_CONVOLUTIONS = (
    "drops single values between convolutions, where neighbours carry the same "
    "information; drop whole channels (SpatialDropout2D) or regions (DropBlock2D): "
    "https://arxiv.org/abs/1411.4280"
)
BEFORE_NORMALIZATION = (
    "is before batch normalization, so the variance in training differs from that at "
    "inference; move it after: https://arxiv.org/abs/1801.05134"
)
AFTER_SOFTMAX = (
    "drops class probabilities after the softmax; put it before the last weights"
)
AT_THE_END = (
    "no layer with weights follows, so it only perturbs the output; put it before one"
)
INERT = (
    "was called with training=True, which has no effect in `predict`; use "
    "`monte_carlo=True` or `mc_predict`"
)


def advice(model: keras.Model, noisy: Collection[Any]) -> dict[int, str]:
    """Advice for each noisy layer of a graph, a dictionary by the id of the layer.

    Args:
        model: A Keras model.
        noisy: Function from a layer to `"element"` for noise of single values,
            another string for other noise, and `None` for no noise.
    """
    found = {}
    for graph in _graphs(model):
        nodes = [node for node in _keras.nodes_of(graph) if not node.is_input]
        makers = {id(x): node for node in nodes for x in node.outputs}
        takers = {}
        for node in nodes:
            for x in node.inputs:
                takers.setdefault(id(x), []).append(node)
        is_last = graph is graph_of(model)
        for node in nodes:
            kind = noisy(node.operation)
            if kind is None:
                continue
            told = _of_node(node, kind, makers, takers, is_last)
            if told is not None:
                found.setdefault(id(node.operation), told)
    return found


def _graphs(model):
    """The graph of a model and those of models nested in it."""
    graph = graph_of(model)
    if graph is None:
        return
    yield graph
    for node in _keras.nodes_of(graph):
        if isinstance(node.operation, keras.Model):
            yield from _graphs(node.operation)


def _of_node(node, kind, makers, takers, is_last):
    if node.arguments.kwargs.get("training") is True and not getattr(
        node.operation, "monte_carlo", False
    ):
        return INERT
    before = _nearest(node, lambda each: _before(each, makers))
    after = _nearest(node, lambda each: _after(each, takers))
    if any(map(_is_softmax, _before(node, makers))):
        return AFTER_SOFTMAX
    if _normalizes_next(node, takers):
        return BEFORE_NORMALIZATION
    if kind == "element" and any(map(_convolves, before)) and _all(_convolves, after):
        return BETWEEN_CONVOLUTIONS
    if is_last and not has_weights_after(node, takers):
        return AT_THE_END
    return None


def _convolves(operation):
    return isinstance(operation, _CONVOLUTIONS)


def _all(test, values):
    """Whether there are values, and the test holds for each."""
    return bool(values) and all(map(test, values))


def _before(node, makers):
    return [makers[id(x)] for x in node.inputs if id(x) in makers]


def _after(node, takers):
    return [each for x in node.outputs for each in takers.get(id(x), [])]


def _nearest(node, step):
    """The operations next to a node, seen past those that only pass values on."""
    found, waiting = [], step(node)
    while waiting:
        each = waiting.pop()
        if isinstance(each.operation, _PLAIN):
            waiting += step(each)
        else:
            found.append(each.operation)
    return found


def _is_softmax(node):
    operation = node.operation
    activation = getattr(operation, "activation", None)
    return (
        isinstance(operation, keras.layers.Softmax)
        or activation is keras.activations.softmax
    )


def _normalizes_next(node, takers):
    """Whether batch normalization comes next, or after one layer with weights."""
    for first in _after(node, takers):
        if isinstance(first.operation, keras.layers.BatchNormalization):
            return True
        if getattr(first.operation, "weights", None):
            following = [each.operation for each in _after(first, takers)]
            if any(isinstance(x, keras.layers.BatchNormalization) for x in following):
                return True
    return False


def has_weights_after(node: Any, takers: Any) -> bool:
    """Whether a layer with weights comes after a node.

    Args:
        node: A node of a graph.
        takers: By the id of a tensor, the nodes that take it in.
    """
    seen, waiting = set(), _after(node, takers)
    while waiting:
        each = waiting.pop()
        if id(each.operation) in seen:
            continue
        seen.add(id(each.operation))
        if getattr(each.operation, "weights", None):
            return True
        waiting += _after(each, takers)
    return False
