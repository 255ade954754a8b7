"""Watches the random numbers that Keras draws for the calling thread.

Keras draws by the functions of `keras.random`, all of which end in functions of one
module of its backend, and takes seeds from `SeedGenerator.next`. While any thread asks,
both are covered. So a layer's draws are seen wherever it keeps its generator, and a
draw without a generator gets one that is seeded like the others: Keras's own global
one cannot be used in what JAX compiles, and would be frozen there.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Iterator
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout._typing import Shape

_lock = threading.Lock()
_thread = threading.local()
_users = 0
_before = {}
_own_next = keras.random.SeedGenerator.next
_NAME = "keras_dropout_stand_in"


@functools.cache
def stand_in() -> keras.random.SeedGenerator:
    """The generator of draws without one. Its state is that of a stateless scope."""
    return keras.random.SeedGenerator(0, name=_NAME)


@contextlib.contextmanager
def supplied(watcher: Any = None) -> Iterator[None]:
    """Within this context, draws without a generator take that of `stand_in()`.

    Args:
        watcher: An object whose `seed(generator, asked)` is told of each seed that is
            taken, and of the generator that was asked for one; and whose `draw(shape)`
            of each tensor that is drawn by it; or `None`.
    """
    previous = getattr(_thread, "watcher", None)
    _thread.watcher = watcher or _nobody
    _cover()
    try:
        yield
    finally:
        _uncover()
        _thread.watcher = previous


class _Nobody:
    def seed(self, generator: Any, asked: Any) -> None:
        pass

    def draw(self, shape: Shape) -> None:
        pass


_nobody = _Nobody()


def _cover():
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            module = _keras.random_functions()
            for name in _keras.RANDOM_FUNCTIONS:
                own = getattr(module, name, None)
                if own is not None:
                    _before[name] = own
                    setattr(module, name, _watched(own))
            keras.random.SeedGenerator.next = _next


def _uncover():
    global _users
    with _lock:
        _users -= 1
        if not _users:
            keras.random.SeedGenerator.next = _own_next
            module = _keras.random_functions()
            for name, own in _before.items():
                setattr(module, name, own)
            _before.clear()


def _next(generator, *args, **kwargs):
    watcher = getattr(_thread, "watcher", None)
    if watcher is not None:
        is_stand_in = generator.name == _NAME
        asked = getattr(_thread, "asked", None) if is_stand_in else generator
        watcher.seed(generator, asked)
        if is_stand_in:
            # Keras's global generator jumps between a million seeds; this one counts.
            args, kwargs = (), {}
    return _own_next(generator, *args, **kwargs)


def _watched(own):
    signature = inspect.signature(own)

    @functools.wraps(own)
    def function(*args, **kwargs):
        watcher = getattr(_thread, "watcher", None)
        if watcher is None:
            return own(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        _thread.asked = given.arguments.get("seed")
        if not _is_seeded(_thread.asked):
            given.arguments["seed"] = stand_in()
        result = own(*given.args, **given.kwargs)
        shape = given.arguments.get("noise_shape")
        watcher.draw(tuple(result.shape) if shape is None else tuple(shape))
        return result

    return function


def _is_seeded(seed):
    """Whether Keras draws by this seed, and by nothing else, on every backend."""
    if isinstance(seed, keras.random.SeedGenerator):
        # On PyTorch, `dropout` passes over a generator that was given no seed.
        return getattr(seed, _keras.INITIAL_SEED, None) is not None
    return seed is not None
