"""Graphs of layers with other layers in their places."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator

import keras

from keras_dropout._model import flatten_layers
from keras_dropout._validation import invalid
from keras_dropout.graph.models import graph_of
from keras_dropout.graph.replay import replay
from keras_dropout.surgery import classes
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.twins import is_noise


def rebuilt(
    model: keras.Model, change: Callable[[keras.layers.Layer], Chain]
) -> keras.Model:
    """The model with what `change(layer)`, a `Chain`, says in the place of each layer.

    It is the model itself where nothing changes.
    """
    check_reach(model)
    chains, own_ways = {}, []

    def chain(layer):
        if id(layer) not in chains:
            found = change(layer)
            if isinstance(found.layer, keras.Model) and has_graph(found.layer):
                found = dataclasses.replace(found, layer=whole(found.layer))
            chains[id(layer)] = found
        return chains[id(layer)]

    def whole(model):
        found = [chain(layer) for layer in model.layers]
        if not any(each.is_changed for each in found):
            return model
        if isinstance(model, keras.Sequential):
            new = _sequential(model, [part for each in found for part in each])
        else:
            new = _functional(model, chain)
        classes.finish(new, model, chains)
        if not classes.is_saved_by_graph(new):
            own_ways.append(new.name)
        return new

    new = whole(model)
    if own_ways:
        warnings.warn(
            f"The class of {own_ways} is kept, and defines how the model is saved. A "
            "saved model will not contain the changed layers. Save the weights and "
            "change the layers again after loading, or save the plain model "
            "`keras.Model(new.inputs, new.outputs)`.",
            stacklevel=3,
        )
    return new


def all_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model and of the models nested in it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def _functional(model, chain):
    def call(operation, args, kwargs):
        if isinstance(operation, keras.layers.Layer):
            return chain(operation)(args, kwargs)
        return operation(*args, **kwargs)

    inputs, outputs = replay(model, call)
    return classes.functional(model, inputs, outputs)


def _sequential(model, parts):
    if model.inputs:
        (x,) = model.inputs
        parts = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), *parts]
    return classes.sequential(model, parts)


def has_graph(model: keras.Model) -> bool:
    """Whether a model is a graph of layers, or a `Sequential` that will be one."""
    # A `Sequential` that is not built yet has no graph, only a list of layers.
    plain = type(model).call is keras.Sequential.call
    return graph_of(model) is not None or (
        isinstance(model, keras.Sequential) and plain
    )


def check_reach(model: keras.Model) -> None:
    """Refuses models that are not graphs of layers, at any depth."""
    if not isinstance(model, keras.Model):
        raise TypeError(invalid("model", "a Keras model", model))
    inner = [each for each in all_layers(model) if isinstance(each, keras.Model)]
    noisy = [each for each in inner if any(map(is_noise, flatten_layers(each)))]
    for each in (model, *noisy):
        if not has_graph(each):
            raise TypeError(
                f"The layers of a subclassed model are called by its own code, which "
                f"cannot be changed. Build it with the Functional API or as a "
                f"Sequential model, change its code, or change rates where they stand "
                f"with `set_rates` or `replace_dropout(..., in_place=True)`. "
                f"Received: {each.name!r}, a {type(each).__name__}"
            )
