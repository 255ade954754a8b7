"""What trainers, optimizers and metrics keep to themselves."""

from __future__ import annotations

from typing import Any

from keras_dropout._keras.scopes import value_now


def is_taken(variable: Any) -> bool:
    """Whether a JAX trainer has taken the value of a variable that had one."""
    uninitialized = getattr(variable, "_initializer", None) is not None
    return value_now(variable) is None and not uninitialized


def is_ahead(model: Any) -> bool:
    """Whether a JAX trainer holds later values than a model's variables."""
    return not getattr(model, "_jax_state_synced", True)


def mark_as_synced(model: Any) -> None:
    """Tells a JAX trainer that the variables of its model have all values."""
    model._jax_state_synced = True


def taken_by(model: Any) -> dict[int, Any]:
    """The values that a JAX trainer holds, by the id of the variable."""
    state = getattr(model, "_jax_state", None) or {}
    taken = {}
    for name in ("trainable_variables", "non_trainable_variables"):
        # A trainer that gave nothing away has no state, or none of one kind.
        pairs = zip(getattr(model, name), state.get(name) or (), strict=False)
        taken.update((id(variable), value) for variable, value in pairs)
    return taken


def bring_back(model: Any) -> None:
    """Puts what a JAX trainer holds back into a model, as `Callback.model` does."""
    model.jax_state_sync()


def batches_counted(optimizer: Any) -> Any:
    """The batches that an optimizer has counted; an update may take several."""
    return getattr(optimizer, "_iterations", optimizer.iterations)


def set_direction(metric: Any, direction: str) -> None:
    """Says whether "up" or "down" is better, for callbacks with `mode="auto"`."""
    metric._direction = direction
