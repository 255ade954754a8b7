"""Putting noise into a built model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from keras_dropout._model import picker, picks
from keras_dropout._typing import Model, Picks
from keras_dropout._validation import choice, invalid
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.graph import all_layers, rebuilt
from keras_dropout.surgery.matching import Matching


def insert_dropout(
    model: Model,
    layer: keras.layers.Layer | Matching | Callable[[keras.layers.Layer], Any],
    where: Picks = None,
    *,
    position: Literal["after", "before"] = "after",
) -> keras.Model:
    """Inserts noise after, or before, chosen layers of a built model.

    Args:
        model: A Functional or Sequential model; models nested in it are searched too.
        layer: The noise layer to insert. Every place gets a copy with its own name and
            seed (a `SeedGenerator` is shared by all copies). Or a function of the
            neighbouring layer that returns the layer to insert, or `None` for no layer.
            [keras_dropout.matching_dropout][] chooses a dropout that suits each layer.
        where: The layers next to which it is inserted: one or a list of names, paths,
            classes, layers, or functions from a layer to True or False. `None` for all,
            where `layer` is a function or a `matching_dropout`.
        position: `"after"`, on the outputs of the layer (if there are several, as with
            the states of an LSTM, on the first; if it is a model, on all), or
            `"before"`, on its first argument, wherever else the same tensor comes in.

    Returns:
        A new model that shares the weights of `model`.

    Raises:
        TypeError: `model` is subclassed, or `layer` is neither a layer nor a function.
        ValueError: `where`, or an entry of it, fits no layer, or is missing; or a
            `matching_dropout` finds no place, or has `position="before"`.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dense(3, name="a"),
        ...         keras.layers.ReLU(),
        ...     ]
        ... )
        >>> noisy = kd.insert_dropout(model, kd.layers.Dropout(0.2, name="drop"), "a")
        >>> [layer.name for layer in noisy.layers][:2]
        ['a', 'drop_a']
        >>> noisy.layers[0] is model.layers[0]
        True
    """
    choice("position", position, ("after", "before"))
    wanted = {pick: picker(pick, "where") for pick in picks(where, "where")}
    if where is None and isinstance(layer, keras.layers.Layer):
        expected = "the layers to put it next to; to choose by the kind of each layer, "
        expected += "pass `matching_dropout(rate)` or a function"
        raise ValueError(invalid("where", expected, where))
    if isinstance(layer, Matching):
        make = _places_of(model, layer, wanted, position)
        return rebuilt(model, lambda old: Chain(old, old, after=make(old)))
    make = _maker(layer)
    found = set()

    def change(target):
        true = {pick for pick, is_picked in wanted.items() if is_picked(target)}
        found.update(true)
        new = make(target) if true else None
        if not isinstance(new, (keras.layers.Layer, type(None))):
            expected = "a function that returns layers, or None"
            raise TypeError(invalid("layer", expected, layer))
        return Chain(target, target, **{position: new})

    changed = rebuilt(model, change)
    _require_found(model, wanted.keys() - found)
    return changed


def _require_found(model, left):
    """Refuses picks that no layer fits."""
    for pick in left:
        names = ", ".join(sorted(repr(each.name) for each in all_layers(model)))
        expected = f"something that is true of one of {names}"
        raise ValueError(invalid("where", expected, pick))


def _places_of(model, matching, wanted, position):
    """A function of a layer that gives the dropout behind it, or `None`."""
    if position != "after":
        expected = "'after' for `matching_dropout`, which knows what it follows"
        raise ValueError(invalid("position", expected, position))
    every = list(all_layers(model))
    found = {pick for pick, fits in wanted.items() if any(map(fits, every))}
    _require_found(model, wanted.keys() - found)
    return matching.of(model, lambda layer: any(f(layer) for f in wanted.values()))


def _maker(layer):
    """A function of the neighbour that gives the layer to insert."""
    if not isinstance(layer, keras.layers.Layer):
        if isinstance(layer, type) or not callable(layer):
            expected = "a layer, or a function of the neighbouring layer"
            raise TypeError(invalid("layer", expected, layer))
        return layer
    config, places = layer.get_config(), iter(range(1 << 31))

    def copy(neighbour):
        own = {"name": f"{layer.name}_{neighbour.name}"}
        if isinstance(getattr(layer, "seed", None), keras.random.SeedGenerator):
            # A copy of the generator would repeat its noise.
            own["seed"] = layer.seed
        elif isinstance(config.get("seed"), int):
            # Copies of one seed would share their noise.
            words = np.random.SeedSequence([config["seed"], next(places)])
            own["seed"] = int(words.generate_state(1)[0] >> 1)
        return type(layer).from_config({**config, **own})

    return copy
