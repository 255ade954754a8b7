"""Traces `tf.function`s of a user's own anew while samples are drawn.

Such a function keeps what it traced for each kind of arguments. It does not know
whether noise was on: a trace of `predict` would be used for samples, and the other way
round.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import keras

_lock = threading.Lock()
_thread = threading.local()
_users = 0
# Functions of these hold no noise of a model, and some cannot be traced elsewhere.
_LIBRARIES = ("tensorflow", "keras", "keras_dropout")


@contextlib.contextmanager
def traced_anew() -> Iterator[None]:
    """Within this context, functions that this thread calls forget their traces."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    before = getattr(_thread, "is_on", False)
    _count(1)
    _thread.is_on = True
    try:
        yield
    finally:
        _thread.is_on = before
        _count(-1)


def _count(change):
    """Covers the call of functions from the first user on, and to the last."""
    global _users
    import tensorflow as tf

    # TensorFlow exports no name of it.
    kind = type(tf.function(_count))
    with _lock:
        if not _users:
            kind.__call__ = _covered(tf, kind.__call__)
        _users += change
        if not _users:
            kind.__call__ = kind.__call__.before


def _covered(tf, own):
    def call(function, *args, **kwargs):
        is_on = getattr(_thread, "is_on", False)
        if is_on and _is_of_user(function.python_function):
            function = tf.function(function.python_function)
        return own(function, *args, **kwargs)

    call.before = own
    return call


def _is_of_user(run):
    """Whether a function may hold noise of a model: a layer does, whosever it is."""
    if isinstance(getattr(run, "__self__", run), keras.layers.Layer):
        return True
    module = getattr(run, "__module__", None) or ""
    return module.partition(".")[0] not in _LIBRARIES
