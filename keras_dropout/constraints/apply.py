"""Putting max-norm on layers and models, where it is saved with them."""

from __future__ import annotations

import warnings

import keras

from keras_dropout import _validation
from keras_dropout._model import flatten_layers
from keras_dropout._typing import ModelT, Picks
from keras_dropout.constraints.incoming import Incoming, handed_down, incoming
from keras_dropout.constraints.max_norm import MaxNorm
from keras_dropout.constraints.picked import picked
from keras_dropout.constraints.saved import saved


def apply_max_norm(
    model: ModelT, max_value: float = 3.0, layers: Picks = None, *, skip: Picks = None
) -> ModelT:
    r"""Limits the incoming weights of each unit of a model, trained or not.

    After each update, $\lVert w_j \rVert_2 \le c$ for the incoming weights $w_j$ of
    unit $j$. Weights over the limit are scaled down at once. All others do not change,
    bit for bit. The axes are known for each Keras layer: a unit can be a unit of
    `Dense`, a filter, a gate, an attention head, or an embedding vector. Biases are not
    limited, and frozen and quantized layers do not change. The limit is saved with the
    model. It replaces an earlier limit, so you can call this function again. A training
    step that is already compiled does not apply the limit. `fit` of `model` itself
    recompiles. For a larger model that contains it, call `compile` again. Compile your
    own training steps again, too.

    Args:
        model: A Keras model or layer that is built.
        max_value: Float above 0, the limit $c$.
        layers: The layers to limit: `None` for all, or one or a list of names, classes,
            layers, or functions from a layer to True or False. A layer is limited with
            all layers within it. Layers within it that were never built are ignored.
        skip: The layers to leave out, with all layers within them, chosen in the same
            ways. `None` for none.

    Returns:
        The model.

    Raises:
        TypeError: `max_value` is not a number, `layers` or `skip` of another kind.
        ValueError: `max_value` is not above 0; the model is not built; `layers` picks
            nothing that can be limited, or `skip` nothing; a layer has another
            constraint, or weights with unknown incoming axes (see
            [keras_dropout.constraints.register_incoming_axes][]).

    Warns:
        UserWarning: A limit acts but cannot be saved, because an outer model or layer
            does not save the constraints of the layers within it.

    Examples:
        >>> import keras
        >>> from keras_dropout import constraints
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
        >>> model = constraints.apply_max_norm(model, max_value=2.0)
        >>> model.layers[0].kernel.constraint.max_value
        2.0

    References:
        - Srivastava et al., 2014, [Dropout: A Simple Way to Prevent Neural Networks
          from Overfitting](https://jmlr.org/papers/v15/srivastava14a.html)
    """
    max_value = _validation.positive("max_value", max_value)
    if not model.built:
        raise ValueError(
            "Max-norm acts on weights, so the model must be built first, for example "
            f"by calling it on a batch. Received: {model.name!r}, which is not."
        )
    chosen = picked(model, layers, skip)
    weights = [weight for layer in chosen for weight in incoming(layer)]
    weights = [weight for weight in weights if weight.variable.trainable]
    if not weights:
        raise ValueError(
            "There is nothing to limit: the layers are frozen or quantized, or have no "
            "weights that come into a unit. "
            f"Received: layers={layers!r}, skip={skip!r} of model {model.name!r}"
        )
    handing = [layer for layer in chosen if layer.trainable and handed_down(layer)]
    for layer in handing:
        hand_down(layer, max_value)
    for weight in weights:
        put(weight, max_value)
        weight.variable.assign(weight.variable.constraint(weight.variable))
    _forget_compiled_step(model)
    _warn_if_unsaved(model, weights, handing)
    return model


def constrain(layer: keras.layers.Layer, max_value: float) -> None:
    """Puts max-norm on a layer and all layers within it, whether built or not.

    It is written where the layers themselves keep a constraint, so it is saved with
    them and acts on weights still to be built; and on the weights that are built.
    """
    for each in flatten_layers(layer):
        if handed_down(each):
            hand_down(each, max_value)
        for weight in incoming(each):
            put(weight, max_value)


def put(weight: Incoming, max_value: float) -> None:
    """Puts max-norm on one weight."""
    constraint = MaxNorm(max_value, weight.axes)
    if weight.variable is not None:
        constraint.axes_of(weight.variable)
        _replace(weight.variable, "constraint", constraint)
    if weight.attribute is not None:
        _replace(weight.layer, weight.attribute, constraint)


def hand_down(layer: keras.layers.Layer, max_value: float) -> None:
    """Puts max-norm where a layer keeps one constraint for all its projections."""
    attribute, axes = handed_down(layer)
    _replace(layer, attribute, MaxNorm(max_value, axes))


def limits(layer: keras.layers.Layer) -> set[float]:
    """The limits that hold in a layer and in all layers within it, as a set."""
    found = set()
    for each in flatten_layers(layer):
        if handed_down(each):
            found.add(getattr(each, handed_down(each)[0]))
        for weight in incoming(each):
            found.add(getattr(weight.variable, "constraint", None))
            found.add(getattr(weight.layer, weight.attribute or "", None))
    return {each.max_value for each in found if isinstance(each, MaxNorm)}


def _replace(holder, attribute, constraint):
    """Sets a constraint where there is none, or another max-norm."""
    present = getattr(holder, attribute, None)
    replaceable = (type(None), MaxNorm, keras.constraints.MaxNorm)
    if not isinstance(present, replaceable):
        raise ValueError(
            f"Max-norm would replace another constraint of {holder.path!r}. Remove "
            f"it, or leave the layer out. Received: {attribute}={present!r}"
        )
    setattr(holder, attribute, constraint)


def _forget_compiled_step(model):
    """Has `fit` trace its step again: a traced one does not know the constraints."""
    if getattr(model, "train_function", None) is not None:
        model.train_function = None


def _warn_if_unsaved(model, weights, handing):
    """Tells which limits the configuration of the model does not carry."""
    constraints = [weight.variable.constraint for weight in weights if weight.attribute]
    shared = {layer: getattr(layer, handed_down(layer)[0]) for layer in handing}
    kept = saved(model, [*constraints, *shared.values()])
    inside = {
        id(each)
        for layer, constraint in shared.items()
        if id(constraint) in kept
        for each in flatten_layers(layer)
    }
    lost = [
        weight.variable.path
        for weight in weights
        if id(weight.variable.constraint) not in kept and id(weight.layer) not in inside
    ]
    if lost:
        warnings.warn(
            f"The limits on {lost} act, but are not saved with {model.name!r}, whose "
            f"configuration does not carry the constraints of these layers. Call "
            f"`apply_max_norm` again after loading, or wrap the layers in "
            f"`layers.MaxNormDropout`.",
            stacklevel=3,
        )
