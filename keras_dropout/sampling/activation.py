"""Switches the noise of a model on, for the calling thread only, and off again.

Our own layers ask the sampling context whether they are on. Keras's layers do not
know it, so while any thread samples a model, methods of its noisy instances are
covered by a function that asks for them. In all other threads the covered method
does what it always did, also when a compiled function is traced meanwhile.
"""

import contextlib
import dataclasses
import threading

import keras

from keras_dropout.random import context

_lock = threading.Lock()
_users = {}
_before = {}
_NOTHING = object()


@contextlib.contextmanager
def activated(noises, arrangement=None, numbers=None):
    """Within this context the given noises are on, in this thread.

    Args:
        noises: The noises that are on.
        arrangement: As in `context.sampling`.
        numbers: As in `context.sampling`.
    """
    covered = []
    try:
        for noise in noises:
            for instance, name, cover in noise.overrides:
                _cover(instance, name, cover, noise.layer)
                covered.append((instance, name))
        layers = [noise.layer for noise in noises]
        with context.sampling(layers, arrangement, numbers):
            yield
    finally:
        for instance, name in covered:
            _uncover(instance, name)


@contextlib.contextmanager
def replayed(noises):
    """Within this context, noise that cannot be switched off repeats what it gave.

    Each layer of the user's own that is always noisy runs once. Called again on these
    rows and further ones, it gives what it gave, and its first rows again.
    """
    gave = {}

    def replay(layer, *args, **kwargs):
        rows = keras.tree.flatten((args, kwargs))[0].shape[0]
        if id(layer) not in gave:
            gave[id(layer)] = type(layer).call(layer, *args, **kwargs)
            return gave[id(layer)]

        def again(x):
            return keras.ops.concatenate([x, x, x], axis=0)[:rows]

        return keras.tree.map_structure(again, gave[id(layer)])

    frozen = [
        dataclasses.replace(each, overrides=((each.layer, "call", replay),))
        for each in noises
        if each.is_foreign and each.always
    ]
    with activated(frozen):
        yield


def _cover(instance, name, cover, owner):
    place = (id(instance), name)
    with _lock:
        _users[place] = _users.get(place, 0) + 1
        if _users[place] == 1:
            before = _before[place] = vars(instance).get(name, _NOTHING)
            if callable(cover):
                cover = _method(instance, name, cover, owner, before)
            # Into `__dict__`, past Keras's tracking of attributes.
            instance.__dict__[name] = cover


def _method(instance, name, function, owner, before):
    def method(*args, **kwargs):
        if context.is_on(owner):
            context.note(owner)
            return function(instance, *args, **kwargs)
        if before is not _NOTHING:
            return before(*args, **kwargs)
        return getattr(type(instance), name)(instance, *args, **kwargs)

    return method


def _uncover(instance, name):
    place = (id(instance), name)
    with _lock:
        _users[place] -= 1
        if not _users[place]:
            del _users[place]
            before = _before.pop(place)
            if before is _NOTHING:
                del instance.__dict__[name]
            else:
                instance.__dict__[name] = before
