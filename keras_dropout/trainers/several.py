"""Several noisy passes of a model in training; layers before the noise run once."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout import _keras, _model
from keras_dropout.graph.models import graph_of
from keras_dropout.layers import NoiseLayer


def passes(model: keras.Model, x: Any, times: int, before: Any) -> list[Any]:
    """The outputs of so many passes in training, as a list.

    Args:
        model: A Keras model. One that is no graph of layers runs whole in each pass.
        x: Its inputs.
        times: Integer, the number of passes.
        before: Function that is called after the layers before the noise.
    """
    graph = graph_of(model)
    if graph is None:
        before()
        return [model(x, training=True) for _ in range(times)]
    inputs = _keras.standard_inputs(graph, x)
    known = dict(zip(map(id, graph.inputs), inputs, strict=True))
    left = []
    for node in _keras.nodes_of(graph):
        if node.is_input:
            continue
        reached = any(id(tensor) not in known for tensor in node.inputs)
        if reached or _may_draw(node.operation):
            left.append(node)
        else:
            _run(node, known)
    before()
    outputs = []
    for _ in range(times):
        own = dict(known)
        for node in left:
            if all(id(tensor) in own for tensor in node.inputs):
                _run(node, own)
        structure = _keras.output_structure(graph)
        outputs.append(
            keras.tree.map_structure(lambda t, own=own: own[id(t)], structure)
        )
    return outputs


def _run(node, known):
    args, kwargs = node.filled([known[id(tensor)] for tensor in node.inputs])
    # Inside Keras's models an inner `training` gives way to the outer one.
    if _keras.takes_training(node.operation):
        kwargs["training"] = True
    results = keras.tree.flatten(node.operation(*args, **kwargs))
    known.update(zip(map(id, node.outputs), results, strict=True))


def _may_draw(operation):
    """Whether two calls of an operation in training may differ."""
    if not isinstance(operation, keras.layers.Layer):
        # That of a random function keeps a seed.
        return not _keras.is_operation_of_keras(operation)
    if _model.seed_generators(operation):
        return True
    return any(
        isinstance(each, NoiseLayer)
        or not (_keras.is_layer_of_keras(each) or graph_of(each) is not None)
        for each in _model.flatten_layers(operation)
    )
