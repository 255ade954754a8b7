"""How moments pass each kind of layer: the table of rules, open to others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_dropout._keras import operation_name
from keras_dropout._validation import invalid
from keras_dropout.sampling.activation import own_attribute

# By the class of a layer, by an activation function, or by the name of an operation.
_rules = {}
# Methods that a subclass may override: a call at inference does not use them.
_FREE = {
    *("__init__", "build", "get_config", "from_config", "compute_mask"),
    *("compute_output_shape", "compute_output_spec", "count_params"),
}


def rule(*targets: type | Callable) -> Callable:
    """Registers a rule for the moments of a layer or an activation function.

    The rule of a layer is a function of the layer and the arguments of its call, with
    `Moments` in the place of tensors. The rule of an activation function takes only the
    `Moments`. Both return `Moments`. A rule also applies to subclasses, unless they
    change a method of the class. It is used only if there is noise in the inputs or in
    the layer. All other layers are called as usual.

    Args:
        *targets: Classes of layers, or activation functions.

    Returns:
        A decorator, which returns the function as it is.

    Raises:
        TypeError: A target is no class of layers and no function.

    Examples:
        >>> import keras
        >>> from keras_dropout import moments
        >>> class Twice(keras.layers.Layer):
        ...     def call(self, x):
        ...         return 2 * x
        >>> @moments.rule(Twice)
        ... def twice(layer, x):
        ...     kept = {"exact": True, "independent": x.independent}
        ...     return x.becomes(2 * x.mean, 4 * x.variance, **kept)
    """
    for target in targets:
        is_layer = isinstance(target, type) and issubclass(target, keras.layers.Layer)
        if not is_layer and (isinstance(target, type) or not callable(target)):
            expected = "a class of layers, or an activation function"
            raise TypeError(invalid("targets", expected, target))

    def register(function):
        for target in targets:
            _rules[target] = function
        return function

    return register


def operation(*names: str) -> Callable[..., Any]:
    """Registers a rule of operations of `keras.ops`, by the names of their classes."""

    def register(function):
        for name in names:
            _rules[name] = function
        return function

    return register


def registered() -> dict[Any, Callable[..., Any]]:
    """All rules as they are now, to see whether any has changed since."""
    return dict(_rules)


def of_operation(operation: Any) -> Callable[..., Any] | None:
    """The rule of a layer or another operation, or `None`."""
    if not isinstance(operation, keras.layers.Layer):
        return _rules.get(operation_name(operation))
    lineage = type(operation).__mro__
    for place, known in enumerate(lineage):
        if known in _rules:
            changed = {
                name
                for cls in lineage[:place]
                for name, value in vars(cls).items()
                if inspect.isfunction(value) and hasattr(known, name)
            }
            if changed - _FREE or own_attribute(operation, "call") is not None:
                return None
            return _rules[known]
    return None


def of_function(function: Any) -> Callable[..., Any] | None:
    """The rule of an activation function, or `None`."""
    try:
        return _rules.get(function)
    except TypeError:
        # What cannot be hashed was not registered.
        return None


def unknown(operation: Any, why: str) -> ValueError:
    """The error for what cannot be passed, with the ways out."""
    if isinstance(operation, keras.layers.Layer):
        name = f"layer {operation.name!r}, a {type(operation).__name__}"
    else:
        name = f"the operation {operation_name(operation)}"
    return ValueError(
        f"`propagate_moments` has no way through {name}: {why}. Sample the model with "
        "`mc_predict`, or register a rule with `keras_dropout.moments.rule`."
    )
