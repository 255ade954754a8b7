"""Notices that somebody has changed an attribute of a layer, such as its activation.

Compiled functions have the attributes of layers in them. Comparing the attributes is
cheap, so nobody needs to say that they have changed.
"""

from __future__ import annotations

import numbers
import weakref
from collections.abc import Iterable
from typing import Any

import keras

from keras_dropout import _model

# What trainers, and PyTorch for them, set while a model trains or predicts. TensorFlow
# sets their functions on all layers while it saves a model.
OF_TRAINERS = (
    "training",
    *(f"stop_{what}" for what in ("training", "evaluating", "predicting")),
    *(f"{what}_function" for what in ("train", "test", "predict")),
)
_PLAIN = (str, bytes, bool, numbers.Number, type(None))
_USUAL = frozenset([str, bytes, bool, int, float, type(None)])
_IGNORED = object()


class Fingerprint:
    """The public attributes of all layers of a model that are plain, or functions.

    Args:
        model: A Keras model.
        apart: Pairs (instance, name) of attributes that compiled functions are told
            in each call, so that they do not count.
    """

    def __init__(self, model: keras.Model, apart: Iterable[Any] = ()) -> None:
        self._apart = {(id(instance), name) for instance, name in apart}
        self._taken = self._take(model)

    def differs(self, model: keras.Model) -> bool:
        """Whether an attribute is not what it was."""
        return self._take(model) != self._taken

    def settle(self, model: keras.Model) -> None:
        """Leaves out from now on what has changed so far, such as counts of calls."""
        now = self._take(model)
        self._apart |= {
            place for place in now if now[place] != self._taken.get(place)
        } | (self._taken.keys() - now.keys())
        self._taken = {key: now[key] for key in now.keys() - self._apart}

    def _take(self, model):
        taken = {}
        for layer in _model.flatten_layers(model):
            for name, value in vars(layer).items():
                if name[0] == "_" or name in OF_TRAINERS:
                    continue
                mark = _mark(value)
                if mark is not _IGNORED:
                    taken[id(layer), name] = mark
        for place in self._apart & taken.keys():
            del taken[place]
        return taken


def _mark(value):
    """What stands for a value; it takes as long as a call has values of layers."""
    kind = type(value)
    if kind in _USUAL:
        return value
    if isinstance(value, (tuple, list)):
        plain = all(isinstance(each, _PLAIN) for each in value)
        return tuple(value) if plain else _IGNORED
    # Keras marks methods of layers as it likes; functions are what people assign.
    if callable(value) and hasattr(value, "__name__") and not isinstance(value, type):
        function = getattr(value, "__func__", value)
        try:
            # Keras puts functions on layers that hold the layer itself.
            return weakref.ref(function)
        except TypeError:
            return function
    return value if isinstance(value, _PLAIN) else _IGNORED
