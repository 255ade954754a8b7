"""Putting max-norm on a layer where it is saved with it and survives a build."""

import keras

from keras_dropout.constraints.incoming import handed_down, incoming
from keras_dropout.constraints.max_norm import MaxNorm
from keras_dropout.seeds import flatten_layers


def constrain(layer, max_value):
    """Puts max-norm on the weights of a layer and of all layers within it.

    It is written where the layers themselves keep a constraint, so it is saved with
    them and acts on weights still to be built; and on the weights that are built.
    """
    for each in flatten_layers(layer):
        for weight in incoming(each):
            put(weight, max_value)
        below = handed_down(each)
        if below is not None:
            attribute, axes = below
            _replace(each, attribute, MaxNorm(max_value, axes))


def put(weight, max_value):
    """Puts max-norm on one weight."""
    constraint = MaxNorm(max_value, weight.axes)
    if weight.attribute is not None:
        _replace(weight.layer, weight.attribute, constraint)
    if weight.variable is not None:
        _replace(weight.variable, "constraint", constraint)


def limits(layer):
    """The limits that hold in a layer and in all layers within it, as a set."""
    found = set()
    for each in flatten_layers(layer):
        holders = [(w.layer, w.attribute) for w in incoming(each) if w.attribute]
        holders += [(w.variable, "constraint") for w in incoming(each)]
        holders += [(each, below[0]) for below in [handed_down(each)] if below]
        found |= {getattr(holder, name, None) for holder, name in holders}
    return {each.max_value for each in found if isinstance(each, MaxNorm)}


def _replace(holder, attribute, constraint):
    """Sets a constraint where there is none, or another max-norm."""
    present = getattr(holder, attribute, None)
    ours = (type(None), MaxNorm, keras.constraints.MaxNorm)
    if not isinstance(present, ours):
        raise ValueError(
            f"Max-norm would replace another constraint of {holder.path!r}. Remove "
            f"it, or leave the layer out. Received: {attribute}={present!r}"
        )
    setattr(holder, attribute, constraint)
