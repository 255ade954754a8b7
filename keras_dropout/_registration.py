"""Under which name Keras saves and finds the objects of this package."""

from __future__ import annotations

from typing import TypeVar

import keras

_Class = TypeVar("_Class", bound=type)


def registered(cls: _Class) -> _Class:
    """Registers a class under the name of this package, which Keras saves with it."""
    return keras.saving.register_keras_serializable(package="keras_dropout")(cls)


def custom_objects() -> dict[str, type]:
    """All registered classes by name, for those who pass `custom_objects`.

    Keras's own formats do not need it once `keras_dropout` is imported. Whole-model
    HDF5 files, which keep plain class names, do.

    Examples:
        >>> import keras_dropout as kd
        >>> kd.custom_objects()["Dropout"]
        <class 'keras_dropout._layers.units.dropout.Dropout'>
    """
    prefix = "keras_dropout>"
    return {
        name.removeprefix(prefix): cls
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith(prefix)
    }
