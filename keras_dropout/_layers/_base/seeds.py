"""Seed generators that layers share, in their configurations and in their copies.

Keras shares again what was shared when it loads a file, by the mark
`shared_object_id`. `clone_model` builds each layer from its configuration alone, and
would give each a generator of its own in one and the same state: equal masks. So the
copies of one generator are known here as long as something holds them, each with the
layers that got it. A layer joins the last copy, unless that was made for this layer
already: then it begins the next one.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import keras

from keras_dropout._typing import Seed


class _Copies(threading.local):
    def __init__(self) -> None:
        self.last = weakref.WeakValueDictionary()
        self.holders = weakref.WeakKeyDictionary()


_copies = _Copies()


def serialized(seed: Seed, layer: keras.layers.Layer) -> Any:
    """A seed for the configuration of `layer`."""
    if not isinstance(seed, keras.random.SeedGenerator):
        return seed
    # Keras sets the first mark itself on all that share it but the first.
    marks = {"shared_object_id": id(seed), "layer": id(layer)}
    return {**keras.saving.serialize_keras_object(seed), **marks}


def deserialized(seed: Any, name: str | None) -> Any:
    """The seed of a configuration, for the layer `name` that is built from it."""
    if not isinstance(seed, dict):
        return seed
    new = keras.saving.deserialize_keras_object(seed)
    if "layer" not in seed or keras.saving.deserialize_keras_object(seed) is new:
        # It is Keras that shares, within a file.
        return new
    mark = (seed["shared_object_id"], repr(seed["config"]))
    holder = (seed["layer"], name)
    last = _copies.last.get(mark)
    if last is None or holder in _copies.holders[last]:
        last = _copies.last[mark] = new
        _copies.holders[last] = set()
    _copies.holders[last].add(holder)
    return last
