"""Which models are graphs of layers, and the layers that give their outputs."""

import keras

from keras_dropout._keras import (
    Functional,
    PrivateNameError,
    functional_of,
    history_of,
)


def graph_of(model):
    """The functional model that `model` is or holds, unless it does something else."""
    if not isinstance(model, keras.Model) or not _calls_its_graph(model):
        return None
    return functional_of(model) if isinstance(model, keras.Sequential) else model


def _calls_its_graph(model):
    """Whether calling a model runs its graph, and nothing else before or after."""
    kind = keras.Sequential if isinstance(model, keras.Sequential) else Functional
    return isinstance(model, kind) and not any(
        name in vars(model) or getattr(type(model), name) is not getattr(kind, name)
        for name in ("call", "__call__")
    )


def output_layers(model):
    """The layers that give the model's outputs, in order, or None if unknown."""
    graph = graph_of(model)
    if graph is None:
        return None
    try:
        return [_innermost(*history_of(tensor)) for tensor in graph.outputs]
    except PrivateNameError:
        return None


def _innermost(layer, place):
    inner = output_layers(layer)
    if inner is not None:
        return inner[place]
    if isinstance(layer, keras.layers.Wrapper):
        return _innermost(layer.layer, place)
    return layer
