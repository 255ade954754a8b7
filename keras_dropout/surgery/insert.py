"""Putting noise into a built model."""

import keras
import numpy as np

from keras_dropout._validation import choice, invalid
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.graph import all_layers, rebuilt


def insert_dropout(model, layer, where, *, position="after"):
    """Puts noise after, or before, the layers of a built model that are asked for.

    Args:
        model: A Functional or Sequential model; models nested in it are searched too.
        layer: The noise layer to insert, of which every place gets a copy of its own
            name and seed (a `SeedGenerator` is shared by all), or a function of the
            neighbouring layer that returns the layer to insert, or `None` for none.
        where: The layers to put it next to: a name, a layer class, a tuple of these,
            or a function of a layer that returns a Boolean.
        position: `"after"`, on the outputs of the layer (if there are several, as with
            the states of an LSTM, on the first; if it is a model, on all), or
            `"before"`, on its first argument, wherever else the same tensor comes in.

    Returns:
        A new model that shares the weights of `model`.

    Raises:
        TypeError: `model` is subclassed, or `layer` no layer and no function.
        ValueError: No layer is asked for by `where`.

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
    wanted = _matcher(where)
    make = _maker(layer)
    found = []

    def change(target):
        if not wanted(target):
            return Chain(target, target)
        found.append(target)
        new = make(target)
        if not isinstance(new, (keras.layers.Layer, type(None))):
            expected = "a function that returns layers, or None"
            raise TypeError(invalid("layer", expected, layer))
        return Chain(target, target, **{position: new})

    changed = rebuilt(model, change)
    if not found:
        names = ", ".join(sorted(repr(each.name) for each in all_layers(model)))
        raise ValueError(
            invalid("where", f"something that is true of one of {names}", where)
        )
    return changed


def _matcher(where):
    if callable(where) and not isinstance(where, type):
        return where
    wanted = where if isinstance(where, (tuple, list)) else (where,)
    classes = tuple(each for each in wanted if isinstance(each, type))
    names = {each for each in wanted if isinstance(each, str)}
    if len(classes) + len(names) < len(wanted):
        expected = "names or classes of layers, or a function of a layer"
        raise TypeError(invalid("where", expected, where))
    return lambda layer: layer.name in names or isinstance(layer, classes)


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
