"""Which layer follows each dropout of a model, and whether it can learn the rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from keras_dropout import layers
from keras_dropout._keras import nodes_of
from keras_dropout._layers.learned import _kernels
from keras_dropout._layers.weights import _lora
from keras_dropout.graph.models import graph_of
from keras_dropout.surgery.twins import ours

# What multiplies by one mask of 0 and 1, as `ConcreteDropout` learns to.
_MASKS = (
    layers.Dropout,
    layers.MCDropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.ChannelDropout,
    layers.LockedDropout,
)


class CannotLearnError(ValueError):
    """Why the rate of a dropout cannot be learned, as a clause of a sentence."""


@dataclasses.dataclass
class Calls:
    """How the graphs of a model call one operation.

    Attributes:
        shapes: The shape of the first input, for each call.
        next: The operations that its outputs go to.
        ends: The models that give them out.
        first: The operations that the inputs of a model go to, within it.
    """

    shapes: list[Any] = dataclasses.field(default_factory=list)
    next: list[Any] = dataclasses.field(default_factory=list)
    ends: list[Any] = dataclasses.field(default_factory=list)
    first: list[Any] = dataclasses.field(default_factory=list)


def calls_of(model: keras.Model) -> dict[int, Calls]:
    """By the id of each operation in a model, and in those within: its `Calls`."""
    found = {}
    _read(model, found, set())
    return found


def _read(model, found, seen):
    graph = graph_of(model)
    if graph is None or id(graph) in seen:
        return
    seen.add(id(graph))
    own, makers = found.setdefault(id(model), Calls()), {}
    inputs = {id(tensor) for tensor in graph.inputs}
    for node in nodes_of(graph):
        for tensor in node.inputs:
            if id(tensor) in makers:
                makers[id(tensor)].next.append(node.operation)
            elif id(tensor) in inputs:
                own.first.append(node.operation)
        if not node.is_input:
            calls = found.setdefault(id(node.operation), Calls())
            calls.shapes.append(node.inputs[0].shape if node.inputs else None)
            makers.update((id(tensor), calls) for tensor in node.outputs)
            if isinstance(node.operation, keras.Model):
                _read(node.operation, found, seen)
    for tensor in graph.outputs:
        if id(tensor) in makers:
            makers[id(tensor)].ends.append(model)


def follower(dropout: keras.layers.Layer, calls: Mapping[int, Calls]) -> Any:
    """The layer that is to learn the rate of a dropout.

    Args:
        dropout: A noise layer, ours or Keras's.
        calls: What `calls_of` gives for the model.

    Raises:
        CannotLearnError: There is none, with the reason.
    """
    if _lora.is_adapted(dropout):
        raise CannotLearnError(
            "it is on the branch of LoRA: call `lora_dropout(..., learn=True)`"
        )
    if id(dropout) not in calls:
        raise CannotLearnError("it lies within a layer, whose own code calls it")
    kind, own = type(dropout).__name__, calls[id(dropout)]
    if type(ours(dropout)) not in _MASKS:
        raise CannotLearnError(f"{kind} does not drop units or channels of its inputs")
    if ours(dropout).without_noise() is not None:
        raise CannotLearnError("it acts at inference as well")
    if not dropout.trainable:
        raise CannotLearnError("it is frozen, and so would be the weight of its rate")
    if len(own.shapes) > 1:
        raise CannotLearnError("it is called several times")
    after = _behind(own, calls)
    _check_kernel(after)
    if len(calls[id(after)].shapes) > 1:
        raise CannotLearnError(f"{after.name!r}, after it, is called elsewhere too")
    _check_masks(dropout, after, own.shapes[0])
    return after


def _behind(own, calls):
    """The one operation behind an output, also across the ends of nested models."""
    if own.ends:
        outer = _alone(own.ends[0], "outputs", calls)
        if own.next or outer is None:
            name = own.ends[0].name
            raise CannotLearnError(f"its output is one of the model {name!r}")
        return _behind(outer, calls)
    if len(own.next) != 1:
        names = ", ".join(repr(each.name) for each in own.next)
        raise CannotLearnError(f"it is before more than one layer: {names}")
    (after,) = own.next
    while (inner := _alone(after, "inputs", calls)) is not None:
        if len(inner.first) != 1:
            break
        (after,) = inner.first
    return after


def _alone(operation, ends, calls):
    """The calls of a nested model that has one end and one call, or `None`."""
    if not isinstance(operation, keras.Model) or graph_of(operation) is None:
        return None
    own = calls.get(id(operation))
    single = len(getattr(graph_of(operation), ends)) == 1
    return own if own is not None and single and len(own.shapes) == 1 else None


def _check_kernel(layer):
    """Refuses what `ConcreteDropout` cannot be put around."""
    if not isinstance(layer, _kernels.KNOWN):
        raise CannotLearnError(
            f"it is before {layer.name!r}, of the class {type(layer).__name__}, which "
            "is not a dense layer, embedding or convolution"
        )
    regularizer = _kernels.regularizer_of(layer)
    if regularizer is not None:
        raise CannotLearnError(
            f"{layer.name!r}, after it, has a `{regularizer}`, but the penalty on the "
            "kernel must be `weight_regularizer`"
        )
    if _kernels.kernel(layer) is None:
        raise CannotLearnError(f"the kernel of {layer.name!r}, after it, is quantized")


def _check_masks(dropout, after, shape):
    """Refuses a dropout if `ConcreteDropout` cannot share its masks in the same way.

    Before a convolution, masks of single units become masks of channels.
    """
    masks = tuple(ours(dropout).mask_shape(shape))
    learned = _kernels.mask_shape(after, shape)
    if masks not in (tuple(shape), learned):
        raise CannotLearnError(
            f"its masks have the shape {masks}, but a learned rate of {after.name!r} "
            f"needs masks of the shape {learned}"
        )
