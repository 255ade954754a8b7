"""Holds a model's weights still while it is sampled.

On JAX, Keras's `fit` and `predict` take the values out of a model's variables and give
their memory away (they *donate* it). A thread that samples the model meanwhile finds
nothing there, or sees it vanish. It can also deadlock: a call of a compiled function
locks its arguments one after the other, and a donation waits until nobody else locks
them. If two threads lock the same weights in different orders, each waits for the
other. So if there are other threads, samples are drawn with copies, which are made one
weight at a time and are never donated. Other backends do not move the values.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from keras_dropout import _away, _keras

# Copies by the id of what was copied, as long as that lives.
_copied = {}


def held(
    models: Sequence[keras.layers.Layer], function: Callable[..., Any], *arguments: Any
) -> Any:
    """`function(*arguments)`, with the values that the models' variables have now.

    Raises:
        RuntimeError: Another thread keeps the weights for too long.
    """
    if keras.backend.backend() != "jax":
        return function(*arguments)
    variables = [variable for model in models for variable in model.variables]
    if all(_keras.scoped(variable) is not None for variable in variables):
        # A function is traced, or called with other values.
        return function(*arguments)
    if not is_alone():
        return _with(variables, copies(variables, models), function, arguments)
    values = _away.values(variables)
    try:
        return _with(variables, values, function, arguments)
    except _away.GONE:
        # A thread that Python does not know of.
        if not any(value.is_deleted() for value in values):
            raise
    return _with(variables, copies(variables, models), function, arguments)


def is_alone() -> bool:
    """Whether no other thread runs that could train the model or predict with it."""
    return threading.active_count() == 1


def copies(
    variables: Iterable[keras.Variable],
    models: Sequence[Any] = (),
    *,
    kept: bool = True,
) -> list[Any]:
    """Copies of all values, which no other thread can take.

    Args:
        variables: Keras variables.
        models: Models that may be training in other threads, and then hold the values.
            For other trainers we wait.
        kept: Whether other threads may sample with the same copies. These stay until
            training, or Keras's `predict`, replaces the values that were copied.

    Raises:
        RuntimeError: Another thread keeps the values for too long.
    """
    end = time.monotonic() + _away.PATIENCE
    while time.monotonic() < end:
        values = _away.now(variables, models)
        if not any(value is None or value.is_deleted() for value in values):
            try:
                return _kept(values) if kept else _fresh(values)
            except _away.GONE:
                # Given away between the two lines above.
                pass
        time.sleep(0.001)
    raise _away.missing()


def _kept(values):
    new = {id(each): each for each in values if id(each) not in _copied}
    made = dict(zip(new, _fresh(list(new.values())), strict=True))
    for key, copy in made.items():
        weakref.finalize(new[key], _copied.pop, key, None).atexit = False
        _copied[key] = copy
    return [_copied[id(each)] for each in values]


def _fresh(values):
    import jax

    # Claims one array at a time, as a compiled function does not.
    return jax.block_until_ready(jax.device_put(values, may_alias=False))


def _with(variables, values, function, arguments):
    with keras.StatelessScope(zip(variables, values, strict=True)):
        return function(*arguments)
