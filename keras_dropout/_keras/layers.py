"""Layers: those within them, what they hold, and what Keras notes about them."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_dropout._keras.errors import PrivateNameError


def flatten_layers(layer: Any) -> list[Any]:
    """The layer itself and all layers within it, wrapped and nested ones too."""
    walk = getattr(layer, "_flatten_layers", None)
    if walk is None:
        raise PrivateNameError(
            "keras_dropout walks the layers of a model by Keras's private "
            "`Layer._flatten_layers`, which this version does not have. Install "
            f"another version of Keras. Received: Keras {keras.__version__}"
        )
    return list(walk(include_self=True, recursive=True))


def sublayers(layer: Any) -> list[Any]:
    """The layers that a layer holds itself, not those within them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


# Where Keras itself lists what the attributes of a layer hold.
_LISTS = ("_layers", "_metrics", "_operations", "_functional")


def attributes(layer: Any) -> dict[str, Any]:
    """The attributes of a layer by their names, on PyTorch layers and modules too."""
    found = {**vars(layer), **vars(layer).get("_modules", {})}
    return {name: value for name, value in found.items() if name not in _LISTS}


def give(layer: Any, name: str, value: Any) -> None:
    """Sets an attribute to a layer or a seed generator, also after `build`."""
    tracker = getattr(layer, "_tracker", None)
    locked = getattr(tracker, "locked", False)
    if locked:
        tracker.unlock()
    try:
        setattr(layer, name, value)
    finally:
        if locked:
            tracker.lock(tracker._lock_violation_msg)


def note_parameter(layer: Any, variable: Any) -> None:
    """Tells a layer on PyTorch of a weight that it holds past Keras's tracking.

    Else `zero_grad` would not know it, and its gradients would add up over steps.
    """
    note = getattr(layer, "_post_track_variable", None)
    if note is not None:
        note(variable)


def mark_as_built(layer: Any) -> None:
    """Marks a layer without a `build` as built, as Keras's own layers do."""
    mark = getattr(layer, "_build_at_init", None)
    if mark is not None:
        mark()


def compute_once(layer: Any) -> None:
    """Has no layer within `layer`, nor itself, be run again for a gradient alone.

    A layer that was made within `keras.RematScope` would else read its weights anew
    when the values that it was lent are gone. What is around it may be run again.
    """
    for each in flatten_layers(layer):
        # Functions of inputs alone are what the mode "activations" runs again.
        if _remat_mode(each) not in (None, "activations"):
            each._remat_mode = None


def compute_parts_once(layer: Any) -> None:
    """Has the layers within one that is run again as a whole not be so once more."""
    if _remat_mode(layer) == "full":
        for each in sublayers(layer):
            compute_once(each)


def _remat_mode(layer):
    return getattr(getattr(layer, "_remat_mode", None), "mode", None)


def takes_training(operation: Any) -> bool:
    """Whether `call` takes the argument `training`."""
    known = getattr(operation, "_call_has_training_arg", None)
    if known is None and isinstance(operation, keras.layers.Layer):
        return "training" in inspect.signature(operation.call).parameters
    return bool(known)


def was_called(layer: Any) -> bool:
    """Whether a layer was called before; the first call notes its place in a model."""
    return getattr(layer, "_called", False)


def has_parts(layer: Any) -> bool:
    """Whether a layer has layers or weights. The public lists are gathered anew."""
    try:
        return bool(
            layer._layers
            or layer._trainable_variables
            or layer._non_trainable_variables
        )
    except AttributeError:
        return True


try:
    from keras.src.layers.rnn.conv_lstm import ConvLSTMCell
except ImportError:

    class ConvLSTMCell:
        """No class: max-norm asks for the axes of what it does not know."""


def is_layer_of_keras(layer: Any) -> bool:
    """Whether the class of a layer is Keras's own, exported or not."""
    # Attention and recurrent layers hold layers that Keras does not export.
    own = type(layer).__module__.startswith("keras.src.layers.")
    return own or is_exported(type(layer))


def is_operation_of_keras(operation: Any) -> bool:
    """Whether it is one of `keras.ops`. Keras does not export their classes."""
    return type(operation).__module__.startswith("keras.src.ops")


def is_exported(cls: type) -> bool:
    """Whether a class is one of `keras.layers`."""
    return getattr(keras.layers, cls.__name__, None) is cls
