"""Switches the noise of a model on, for the calling thread only, and off again.

Our own layers ask the sampling context whether they are on. Other layers do not know
it, so while any thread samples a model, methods of its noisy instances are covered by
a function that asks for them. In all other threads the covered method does what it
always did, also when a compiled function is traced meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_dropout import _keras, _model
from keras_dropout.random import context
from keras_dropout.sampling import draws
from keras_dropout.sampling.functions import traced_anew

if TYPE_CHECKING:
    from keras_dropout.sampling.sources import Noise

_lock = threading.Lock()
# By instance and name of the method: what covers it, as (owner, function, users).
_covers = {}
_NOTHING = object()


@contextlib.contextmanager
def activated(
    noises: Sequence[Noise], arrangement: Any = None, numbers: Any = None
) -> Iterator[None]:
    """Within this context the given noises are on, in this thread.

    Args:
        noises: The noises that are on.
        arrangement: As in `context.sampling`.
        numbers: As in `context.sampling`.
    """
    layers = [noise.layer for noise in noises]
    draw = draws.supplied if _any_foreign(noises) else contextlib.nullcontext
    with covered(noises), draw(), context.sampling(layers, arrangement, numbers):
        yield


def _any_foreign(noises):
    return any(noise.is_foreign for noise in noises)


@contextlib.contextmanager
def covered(noises: Sequence[Noise]) -> Iterator[None]:
    """Within this context the methods of noisy layers are covered, in all threads."""
    places = {}
    for noise in noises:
        for instance, name, cover in noise.overrides:
            places[id(instance), name] = instance, name, cover, noise.layer
    for noise in noises:
        if noise.is_forced:
            for inner in _model.flatten_layers(noise.layer)[1:]:
                if _keras.takes_training(inner):
                    place = inner, "call", at_inference, noise.layer
                    places.setdefault((id(inner), "call"), place)
    done = []
    try:
        for place in places.values():
            _cover(*place)
            done.append(place)
        with traced_anew():
            yield
    finally:
        for place in done:
            _uncover(*place)


def at_inference(
    layer: keras.layers.Layer, own: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """The layer's own `call`, told that it is not training."""
    return own(*args, **{**kwargs, "training": False})


def own_attribute(instance: object, name: str) -> Any:
    """What a user put on an instance under this name, or None."""
    kept = vars(instance).get(name)
    before = getattr(kept, "before", kept)
    return None if before is _NOTHING else before


@contextlib.contextmanager
def replayed(noises: Sequence[Noise]) -> Iterator[None]:
    """Within this context, noise that cannot be switched off repeats what it gave.

    Each layer of the user's own that is always noisy runs once. Called again on more
    rows, it gives what it gave again and again.
    """
    gave = {}

    def replay(layer, own, *args, **kwargs):
        rows = keras.tree.flatten((args, kwargs))[0].shape[0]
        if id(layer) not in gave:
            gave[id(layer)] = own(*args, **kwargs)
            return gave[id(layer)]

        def again(x):
            copies = -(-rows // x.shape[0])
            return keras.ops.concatenate([x] * copies, axis=0)[:rows]

        return keras.tree.map_structure(again, gave[id(layer)])

    frozen = [
        dataclasses.replace(each, overrides=((each.layer, "call", replay),))
        for each in noises
        if each.is_foreign and each.always
    ]
    with activated(frozen):
        yield


def _cover(instance, name, cover, owner):
    place, key = (id(instance), name), (id(owner), cover)
    with _lock:
        covers = _covers.setdefault(place, {})
        if not covers:
            before = vars(instance).get(name, _NOTHING)
            # Into `__dict__`, past Keras's tracking of attributes.
            instance.__dict__[name] = _method(instance, name, place, before)
        _, _, users = covers.get(key, (None, None, 0))
        covers[key] = owner, cover, users + 1


def _method(instance, name, place, before):
    def own(*args, **kwargs):
        if before is not _NOTHING:
            return before(*args, **kwargs)
        return getattr(type(instance), name)(instance, *args, **kwargs)

    def method(*args, **kwargs):
        covers = list(_covers.get(place, {}).values())
        mine = [each for each in covers if context.is_on(each[0])]
        if not mine:
            return own(*args, **kwargs)
        # A layer's own noise comes before that of the layer it lies in.
        owner, function, _ = min(mine, key=lambda each: each[1] is at_inference)
        if function is not at_inference:
            context.note(owner)
        return function(instance, own, *args, **kwargs)

    method.before = before
    return method


def _uncover(instance, name, cover, owner):
    place, key = (id(instance), name), (id(owner), cover)
    with _lock:
        covers = _covers[place]
        users = covers[key][2] - 1
        if users:
            covers[key] = owner, cover, users
            return
        del covers[key]
        if not covers:
            del _covers[place]
            before = vars(instance)[name].before
            if before is _NOTHING:
                del instance.__dict__[name]
            else:
                instance.__dict__[name] = before
