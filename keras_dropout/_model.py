"""Walking through the layers of a model, and picking some of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout._typing import Picks
from keras_dropout._validation import invalid

_HOLDERS = (list, tuple, set, frozenset, dict)


def seed_generators(model: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """All seed generators of a model, each once, in the order of its layers."""
    found = {}
    for layer in flatten_layers(model):
        for generator in kept_generators(layer):
            found.setdefault(id(generator), generator)
    return list(found.values())


def kept_generators(layer: keras.layers.Layer) -> list[keras.random.SeedGenerator]:
    """The seed generators that a layer keeps, in lists and dictionaries as well."""
    found, waiting, seen = [], [vars(layer).values()], set()
    while waiting:
        for value in waiting.pop(0):
            if isinstance(value, keras.random.SeedGenerator):
                found.append(value)
            elif isinstance(value, _HOLDERS) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(value.values() if isinstance(value, dict) else value)
    return found


def float_policy(layer: keras.layers.Layer) -> keras.DTypePolicy:
    """The dtype policy of a layer, as it was before its weights were quantized."""
    policy = layer.dtype_policy
    if getattr(policy, "quantization_mode", None) is None:
        return policy
    return keras.DTypePolicy(policy.name.split("_from_")[-1])


def flatten_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The model itself and all layers within it, wrapped and nested ones too."""
    return _keras.flatten_layers(model)


def select(
    model: keras.layers.Layer,
    layers: Picks,
    fits: Callable[[Any], Any],
    what: str,
    name: str = "layers",
) -> list[Any]:
    """The layers of a model, nested ones too, that are picked and for which `fits`.

    Args:
        model: A Keras model or layer.
        layers: `None` for all; or a pick, or a list, tuple or set of picks, as in
            `picker`. A layer is picked with all layers within it. Functions see only
            what fits.
        fits: Function from a layer to whether it can be picked.
        what: What a layer that fits has, in words.
        name: The name of the argument, for errors.

    Raises:
        TypeError: A pick is of another kind.
        ValueError: A pick leads to no layer that fits, or there is none.
    """
    every = flatten_layers(model)
    fitting = [each for each in every if fits(each)]
    found = {}
    for pick in picks(layers, name):
        is_picked = picker(pick, name)
        asked = fitting if _is_function(pick) else every
        inside = [
            inner for each in asked if is_picked(each) for inner in flatten_layers(each)
        ]
        picked = {id(each): each for each in inside if fits(each)}
        if not picked:
            names = sorted({each.name for each in fitting})
            expected = (
                f"layers with {what}; in {model.name!r} there is {names or 'none'}"
            )
            raise ValueError(invalid(name, expected, pick))
        found.update(picked)
    return list(found.values())


def picks(layers: Any, name: str = "layers") -> list[Any]:
    """The single picks in one pick or a collection of them, as a list.

    Raises:
        ValueError: The collection is empty.
    """
    if not isinstance(layers, (list, tuple, set, frozenset)):
        return [layers]
    if not layers:
        expected = "at least one layer; for no layer, leave the call out"
        raise ValueError(invalid(name, expected, layers))
    return list(layers)


def picker(pick: Any, name: str = "layers") -> Callable[[Any], bool]:
    """The function from a layer to whether one pick picks it.

    Args:
        pick: `None` for every layer; a layer; the name or the path of one; a class of
            layers; or a function from a layer to True or False.
        name: The name of the argument, for errors.

    Raises:
        TypeError: The pick is of another kind.
    """
    if pick is None:
        return lambda layer: True
    if isinstance(pick, keras.layers.Layer):
        return lambda layer: layer is pick
    if isinstance(pick, str):
        return lambda layer: pick in (layer.name, getattr(layer, "path", None))
    if inspect.isclass(pick):
        return lambda layer: isinstance(layer, pick)
    if callable(pick):
        return lambda layer: bool(pick(layer))
    expected = "names, classes, layers or functions of a layer, or a list of these"
    raise TypeError(invalid(name, expected, pick))


def _is_function(pick: Any) -> bool:
    is_layer = isinstance(pick, keras.layers.Layer)
    return callable(pick) and not is_layer and not inspect.isclass(pick)
