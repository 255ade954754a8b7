"""Models of the same class as another, made of other layers.

The constructor of a model's class builds its own layers, so it cannot make a model of
others. It is passed by: the new object is set up as a functional or sequential model,
and takes over what else the old object holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout._keras import Functional
from keras_dropout.surgery.chain import Chain


def functional(model: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """A functional model of the class of `model`."""
    new = type(model).__new__(type(model))
    Functional.__init__(new, inputs, outputs, name=model.name)
    return new


def sequential(model: keras.Model, layers: Sequence[keras.layers.Layer]) -> keras.Model:
    """A sequential model of the class of `model`."""
    new = type(model).__new__(type(model))
    keras.Sequential.__init__(new, layers, name=model.name)
    return new


def finish(new: Any, model: keras.Model, chains: Mapping[int, Chain]) -> None:
    """Gives a new model what the old one has beside its graph.

    Where attributes hold layers, they hold those that stand there now.
    """
    _compile(new, model)
    if type(model) not in (Functional, keras.Sequential):
        _keras.tell_alike(new, model)
        for name, value in _keras.beside(model, new).items():
            if not isinstance(value, keras.optimizers.Optimizer):
                setattr(new, name, _exchanged(value, chains))
    if not model.trainable:
        new.trainable = False


def is_saved_by_graph(model: keras.Model) -> bool:
    """Whether the layers of the model, as they are now, are saved with it."""
    plain = (Functional, keras.Sequential)
    if type(model) in plain:
        return True
    if isinstance(model, keras.Sequential):
        return type(model).__init__ is keras.Sequential.__init__
    try:
        return "input_layers" in model.get_config()
    except NotImplementedError:
        return False


def _exchanged(value, chains):
    """A value of an attribute with other layers in it."""
    if isinstance(value, keras.layers.Layer):
        chain = chains.get(id(value))
        if chain is None or chain.layer is value:
            return value
        # Code of the class may call what is taken out, as generation of text does.
        return chain.layer or keras.layers.Identity(name=value.name)
    if type(value) is tuple or isinstance(value, list):
        found = [_exchanged(each, chains) for each in value]
        return tuple(found) if isinstance(value, tuple) else found
    if isinstance(value, dict):
        return {name: _exchanged(each, chains) for name, each in value.items()}
    return value


def _compile(new, model):
    if not model.compiled:
        return
    if type(model).compile in (keras.Model.compile, keras.Sequential.compile):
        new.compile_from_config(model.get_compile_config())
        return
    warnings.warn(
        f"{type(model).__name__!r} has a `compile` of its own, so the new model is not "
        "compiled. Compile it before you train it.",
        stacklevel=6,
    )
