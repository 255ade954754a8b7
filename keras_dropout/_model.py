"""Walking through the layers of a model, and picking some of them."""

import inspect

import keras

from keras_dropout import _keras
from keras_dropout._validation import invalid

# What `layers` may be to hold more picks than one.


def seed_generators(model):
    """All seed generators of a model, each once, in the order of its layers."""
    found = {}
    for layer in flatten_layers(model):
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                found.setdefault(id(value), value)
    return list(found.values())


def flatten_layers(model):
    """The model itself and all layers within it, wrapped and nested ones too."""
    return _keras.flatten_layers(model)


def select(model, layers, fits, what, name="layers"):
    """The layers of a model, nested ones too, that are picked and for which `fits`.

    Args:
        model: A Keras model or layer.
        layers: `None` for all, or one or a list of: a layer, the name of a layer, a
            class of layers, a function from a layer to True or False. A layer is
            picked with all layers within it. Functions see only what fits.
        fits: Function from a layer to whether it can be picked.
        what: What a layer that fits has, in words.
        name: The name of the argument, for errors.

    Raises:
        ValueError: A pick leads to no layer that fits.
    """
    every = flatten_layers(model)
    found = {}
    for pick in picks(layers, name):
        matching = [each for each in every if _matches(each, pick, fits, name)]
        inside = [layer for each in matching for layer in flatten_layers(each)]
        picked = {id(each): each for each in inside if fits(each)}
        if not picked:
            names = sorted({each.name for each in every if fits(each)})
            expected = (
                f"layers with {what}; in {model.name!r} there is {names or 'none'}"
            )
            raise ValueError(invalid(name, expected, pick))
        found.update(picked)
    return list(found.values())


def picks(layers, name="layers"):
    """The picks in `layers` as a list; `ValueError` where there is none."""
    if not isinstance(layers, (list, tuple, set, frozenset)):
        return [layers]
    if not layers:
        raise ValueError(invalid(name, "None for all, or at least one", layers))
    return list(layers)


def _matches(layer, pick, fits, name):
    if pick is None:
        return True
    if isinstance(pick, keras.layers.Layer):
        return layer is pick
    if isinstance(pick, str):
        return layer.name == pick
    if inspect.isclass(pick):
        return isinstance(layer, pick)
    if callable(pick):
        return fits(layer) and bool(pick(layer))
    expected = "layers, names, classes or functions of a layer"
    raise TypeError(invalid(name, expected, pick))
