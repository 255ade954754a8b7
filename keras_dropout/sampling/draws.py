"""Watches the random numbers that Keras draws for the calling thread.

Keras draws with the functions of `keras.random`. They all call functions of one module
of the backend, and take seeds from `SeedGenerator.next`. While a thread watches, both
are replaced. So a draw is seen wherever the layer keeps its generator. A draw without a
generator gets one that is seeded like the others, because Keras's global generator
cannot be used in what JAX compiles: its seed would be a constant there.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_dropout import _keras, random
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
        watcher: A `Watcher`, or `None` for that of the context around this one.
    """
    previous = getattr(_thread, "watcher", None)
    _thread.watcher = watcher or previous or _nobody
    _cover()
    try:
        yield
    finally:
        _uncover()
        _thread.watcher = previous


def is_drawing() -> bool:
    """Whether this thread is within a function of `keras.random` that is watched."""
    return getattr(_thread, "is_drawing", False)


class Watcher:
    """Is told what Keras draws for a thread, and may draw something else."""

    def seed(self, generator: Any, asked: Any) -> None:
        """A seed was taken from `generator`. The layer asked `asked` for it."""

    def draw(self, shape: Shape) -> None:
        """A tensor of this shape was drawn."""

    def result(self, name: str, own: Callable[..., Any], given: Any) -> Any:
        """What a function of `keras.random` is to give for these bound arguments."""
        return own(*given.args, **given.kwargs)


_nobody = Watcher()


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
                    setattr(module, name, _watched(name, own))
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
    own = functools.partial(_own_next, generator, *args, **kwargs)
    return random.next_state(generator, own)


def _watched(name, own):
    signature = inspect.signature(own)

    @functools.wraps(own)
    def function(*args, **kwargs):
        watcher = getattr(_thread, "watcher", None)
        # Some of these functions draw by others of them, which is one draw.
        if watcher is None or is_drawing():
            return own(*args, **kwargs)
        given = signature.bind(*args, **kwargs)
        _thread.asked = given.arguments.get("seed")
        if not _is_seeded(_thread.asked):
            given.arguments["seed"] = stand_in()
        shape = given.arguments.get("noise_shape")
        _thread.is_drawing = True
        try:
            result = watcher.result(name, own, given)
        finally:
            _thread.is_drawing = False
        if name == "shuffle" and not given.arguments.get("axis"):
            # One order of all rows, whichever samples they belong to.
            shape = ()
        watcher.draw(tuple(result.shape) if shape is None else tuple(shape))
        return result

    return function


def _is_seeded(seed):
    """Whether Keras draws by this seed, and by nothing else, on every backend."""
    if isinstance(seed, keras.random.SeedGenerator):
        # On PyTorch, `dropout` passes over a generator that was given no seed.
        return getattr(seed, _keras.INITIAL_SEED, None) is not None
    return seed is not None
