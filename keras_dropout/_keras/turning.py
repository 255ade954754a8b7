"""Layers and models that become others, or are made past their constructors."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any

import keras

from keras_dropout._keras.layers import attributes

# The attributes that a model gets when it is compiled, called or built.
_STATE = (
    "_compile_config",
    "_compile_loss",
    "_compile_metrics",
    "_loss_tracker",
    "_torch_params",
    "optimizer",
)


# The arguments of a model's constructor that are kept for the configuration.
_TOLD = ("_auto_config", "_dtype_policy")


def tell_alike(new: Any, model: Any) -> None:
    """Tells a model that was made past its constructor what another one was told."""
    new.__dict__.update({n: v for n, v in vars(model).items() if n in _TOLD})


def beside(model: Any, new: Any) -> dict[str, Any]:
    """The attributes of a model that `new`, made past its constructor, lacks."""
    own = {*vars(new), *_STATE}
    return {n: value for n, value in attributes(model).items() if n not in own}


# What belongs to a layer's place in a model: the graph nodes, the scope, and the
# methods that Keras wraps for each object.
_PLACE = (
    "_inbound_nodes",
    "_outbound_nodes",
    "_path",
    "_parent_path",
    "_called",
    "_remat_mode",
    "build",
    "quantize",
)


def turn_into(old: Any, new: Any) -> None:
    """Makes the object `old` a layer of the class and state of `new`, in its place.

    Whoever holds `old` (graphs, attributes, lists, closures) holds the new layer then.
    Neither may have weights or layers within. `new` must not be used afterwards.
    """
    place = {name: vars(old)[name] for name in _PLACE if name in vars(old)}
    object.__setattr__(old, "__class__", type(new))
    old.__dict__.clear()
    old.__dict__.update({**vars(new), **place})


def view_of(layer: Any, cls: type | None = None) -> Any:
    """A second layer with the state of the first: its weights, layers and seeds."""
    cls = cls or type(layer)
    new = cls.__new__(cls)
    own = {name: vars(new)[name] for name in _PLACE if name in vars(new)}
    nodes = {"_inbound_nodes": [], "_outbound_nodes": []}
    # What somebody put over a method is for the first layer alone.
    state = {
        name: value
        for name, value in vars(layer).items()
        if not (inspect.isroutine(value) and callable(getattr(cls, name, None)))
    }
    new.__dict__.update({**state, **own, **nodes})
    if cls is not type(layer):
        new.__dict__.update(copy.deepcopy(_arguments_of_call(cls)))
    return new


def adopt(layer: Any, cls: type) -> None:
    """Makes a layer one of `cls`, a class made from its own, with all that it has.

    Keras keeps the `quantize` of a layer, which refuses classes made from Keras's own.
    """
    layer.__class__ = cls
    layer.__dict__.update(copy.deepcopy(_arguments_of_call(cls)))
    own = layer.quantize

    @functools.wraps(own)
    def quantize(mode=None, **kwargs):
        return own(mode, **{**kwargs, "type_check": False})

    layer.__dict__["quantize"] = quantize


@functools.cache
def _arguments_of_call(cls: type) -> dict[str, Any]:
    """What the constructor of Keras's layers notes of the arguments of `call`."""
    told = cls.__new__(cls)
    keras.layers.Layer.__init__(told, name="told")
    names = [name for name in vars(told) if name.startswith(("_call_", "call_"))]
    return {name: vars(told)[name] for name in names}
