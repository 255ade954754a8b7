"""Switches the noise of a model on, for the calling thread only, and off again.

Our own layers ask the sampling context whether they are on. Keras's layers do not
know it, so while any thread samples a model, methods of its noisy instances are
covered by a function that asks for them. In all other threads the covered method
does what it always did, also when a compiled function is traced meanwhile.
"""

import contextlib
import threading

from keras_dropout.random import sampling

_lock = threading.Lock()
_users = {}


@contextlib.contextmanager
def activated(noises, arrangement=None):
    """Within this context the given noises are on, in this thread."""
    covered = []
    try:
        for noise in noises:
            for instance, name, function in noise.overrides:
                _cover(instance, name, function, noise.layer)
                covered.append((instance, name))
        with sampling.sampling([noise.layer for noise in noises], arrangement):
            yield
    finally:
        for instance, name in covered:
            _uncover(instance, name)


def _cover(instance, name, function, owner):
    def method(*args, **kwargs):
        if sampling.is_on(owner):
            return function(instance, *args, **kwargs)
        return getattr(type(instance), name)(instance, *args, **kwargs)

    place = (id(instance), name)
    with _lock:
        _users[place] = _users.get(place, 0) + 1
        if _users[place] == 1:
            # Into `__dict__`, past Keras's tracking of attributes.
            instance.__dict__[name] = method


def _uncover(instance, name):
    place = (id(instance), name)
    with _lock:
        _users[place] -= 1
        if not _users[place]:
            del _users[place]
            instance.__dict__.pop(name, None)
