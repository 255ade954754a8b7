"""Reads and assigns variables while a JAX trainer holds their values.

On JAX, Keras's `fit`, `evaluate` and `predict` take the values out of a model's
variables. Each step gives their memory away and makes new ones. The variables get
theirs back at the end of an epoch, or when a callback asks for `self.model`. Until then
a variable is empty, and what is assigned to it is lost. Other backends leave the values
where they are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_dropout import _keras

# Seconds to wait for values that another thread has taken.
PATIENCE = 60.0
# What JAX raises for a donated array, depending on where it notices.
GONE = (RuntimeError, ValueError)
_TRAINS = ("fit", "evaluate", "predict")


def is_possible() -> bool:
    """Whether values may be away here: on JAX, and not while a function is traced."""
    return keras.backend.backend() == "jax" and not _keras.in_stateless_scope()


def read(variable: keras.Variable) -> np.ndarray:
    """The value of a variable as a NumPy array, wherever it is.

    Raises:
        RuntimeError: The value is away and cannot be reached.
    """
    if not is_possible():
        return keras.ops.convert_to_numpy(variable)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        (value,) = values([variable])
        try:
            return np.array(value)
        except GONE:
            # Another thread donated it between the two lines above.
            if not value.is_deleted():
                raise
    raise missing()


def assign(variable: keras.Variable, value: Any) -> None:
    """Assigns to a variable so that it holds, also within a callback of `fit`.

    Raises:
        RuntimeError: The trainer would overwrite the value.
    """
    if is_possible() and _keras.is_taken(variable):
        trainer = _own_trainer([variable])
        if trainer is None:
            _wait([variable])
        else:
            # Then the trainer reads all values again, also ours.
            _keras.bring_back(trainer)
    variable.assign(value)


def values(variables: Iterable[keras.Variable]) -> list[Any]:
    """The values of variables, those included that a trainer of this thread holds.

    Raises:
        RuntimeError: Another thread keeps them for too long, or a data source of
            `fit` asks for them.
    """
    found = _present(variables)
    if any(value is None for value in found):
        return _wait(variables, _own_trainer(variables))
    return found


def now(variables: Iterable[keras.Variable], models: Iterable[Any] = ()) -> list[Any]:
    """The current values of variables, or those that a trainer holds.

    It looks at the trainers of this thread, and at those of `models`, whatever thread
    they work in. (It does not look for others in the frames of other threads: Python
    may crash.) The values that are nowhere are `None`.

    Raises:
        RuntimeError: A data source of `fit` asks for them.
    """
    found = _present(variables)
    if any(value is None for value in found):
        own = _own_trainer(variables)
        for trainer in models if own is None else (own, *models):
            if has_taken(trainer):
                found = _with_taken(variables, found, trainer)
    return found


def has_taken(model: keras.Model) -> bool:
    """Whether a trainer holds the values of a model's variables, which are empty."""
    return _keras.is_ahead(model) and not getattr(model, "works_on_copies", False)


def missing() -> RuntimeError:
    """The error for values that another thread keeps."""
    return RuntimeError(
        "The weights of the model are not available, because another thread trains it "
        "or predicts with it. On JAX this takes the weights out of the model. Wait for "
        f"the end of it, or use a copy. Received: no weights for {PATIENCE:g} seconds"
    )


def _present(variables):
    # `value` makes up a placeholder for what was never initialized, as it should.
    return [
        variable.value
        if (value := _keras.value_now(variable)) is None
        and not _keras.is_taken(variable)
        else value
        for variable in variables
    ]


def _with_taken(variables, found, trainer):
    taken = _keras.taken_by(trainer)
    return [
        taken.get(id(variable)) if value is None else value
        for variable, value in zip(variables, found, strict=True)
    ]


def _wait(variables, trainer=None):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = _present(variables)
        if trainer is not None:
            found = _with_taken(variables, found, trainer)
        if not any(value is None for value in found):
            return found
        time.sleep(0.001)
    raise missing()


def _own_trainer(variables):
    """The trainer further up in this thread that holds values, or None."""
    wanted = {id(each) for each in variables if _keras.is_taken(each)}
    for trainer, in_callback in _trainers():
        theirs = wanted.intersection(map(id, trainer.variables))
        if not theirs:
            continue
        if in_callback and theirs <= _keras.taken_by(trainer).keys():
            return trainer
        raise RuntimeError(
            "On JAX, the data source of `fit` cannot use the model that is being "
            "trained, because `fit` holds its weights while it fetches the next "
            "batch. Use the model in a callback (`on_train_batch_end`, "
            "`on_epoch_end`), or use a copy of it. Received: model "
            f"{trainer.name!r}, which is being trained"
        )
    return None


def _trainers():
    """The models that train or predict in this thread, and who called us in each.

    Yields `(model, in_callback)`, innermost first, if the variables of the model are
    empty at the moment. If no callback called us, a data source did.
    """
    frame, in_callback = sys._getframe(), False
    while frame is not None:
        name = frame.f_code.co_name
        if name in _TRAINS or name.startswith("on_"):
            own = frame.f_locals.get("self")
            if isinstance(own, keras.callbacks.CallbackList):
                in_callback = True
            elif isinstance(own, keras.Model) and has_taken(own):
                yield own, in_callback
                in_callback = False
        frame = frame.f_back
