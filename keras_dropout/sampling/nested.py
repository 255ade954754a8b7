"""Structures of arrays, as models take them. An optional input may be `None`."""

from collections.abc import Callable
from typing import Any

import keras


def mapped(function: Callable[..., Any], *structures: Any) -> Any:
    """As `keras.tree.map_structure`, which leaves out what is `None`."""
    return keras.tree.map_structure(
        lambda *parts: None if parts[0] is None else function(*parts), *structures
    )


def present(structure: Any) -> list[Any]:
    """All that is not `None`, in a flat list."""
    return [each for each in keras.tree.flatten(structure) if each is not None]


def rows(structure: Any) -> Any:
    """How many rows the first array has."""
    return present(structure)[0].shape[0]
