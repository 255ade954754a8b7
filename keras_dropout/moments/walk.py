"""Passes moments through a graph of layers, node by node."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_dropout import _model
from keras_dropout._keras import mask_of, nodes_of, takes_training
from keras_dropout.graph.models import graph_of
from keras_dropout.moments import rules
from keras_dropout.moments.state import Moments
from keras_dropout.sampling.sources import Noise

# The ids of the layers that hold noise, while a model is walked.
_noisy = contextvars.ContextVar("noisy")


@contextlib.contextmanager
def knowing(noises: Sequence[Noise]) -> Iterator[None]:
    """Within this context the layers of these noises are noisy, and no others."""
    token = _noisy.set({id(noise.layer) for noise in noises})
    try:
        yield
    finally:
        _noisy.reset(token)


def walk(graph: Any, inputs: Any) -> list[Moments]:
    """The moments of the outputs of a graph, as a list.

    Args:
        graph: A functional model.
        inputs: List of `Moments`, one for each of its inputs.
    """
    known = dict(zip(map(id, graph.inputs), inputs, strict=True))
    for node in nodes_of(graph):
        # Some hang on inputs that the model does not have.
        if node.is_input or any(id(tensor) not in known for tensor in node.inputs):
            continue
        args, kwargs = node.filled([known[id(tensor)] for tensor in node.inputs])
        outputs = through(node.operation, *args, **kwargs)
        flat = keras.tree.flatten(outputs)
        known.update(zip(map(id, node.outputs), flat, strict=True))
    return [known[id(tensor)] for tensor in graph.outputs]


def through(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """What a layer or another operation makes of its arguments, with `Moments`.

    It is called as usual if its inputs have no noise and it has none itself.
    A model is opened. For all else there must be a rule.
    """
    kwargs = {
        name: value
        for name, value in kwargs.items()
        if name != "training" and value is not None
    }
    given = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, Moments)]
    if all(x.is_certain for x in given) and not has_noise(operation):
        return _as_it_is(operation, args, kwargs)
    graph = graph_of(operation)
    if graph is not None:
        inner = [_moments(x) for x in keras.tree.flatten(args)]
        if kwargs or len(inner) != len(graph.inputs):
            raise rules.unknown(operation, "it is called with more than its inputs")
        results = walk(graph, inner)
        return results[0] if len(results) == 1 else results
    rule = rules.of_operation(operation)
    if rule is None:
        raise rules.unknown(operation, _why(operation))
    if isinstance(kwargs.get("mask"), Moments):
        # Symbolic calls have the mask as a tensor of the graph.
        kwargs["mask"] = kwargs["mask"].mean
    try:
        inspect.signature(rule).bind(operation, *args, **kwargs)
    except TypeError as error:
        why = f"its rule does not take these arguments ({error})"
        raise rules.unknown(operation, why) from error
    outputs = rule(operation, *args, **kwargs)
    if not isinstance(outputs, Moments):
        raise TypeError(
            "A rule of `keras_dropout.moments.rule` must return `Moments`. Received: "
            f"{type(outputs).__name__} for {operation!r}"
        )
    return _masked(operation, args, outputs)


def _masked(operation, args, outputs):
    """The outputs with the mask that Keras would pass on."""
    inputs = args[0]
    masks = keras.tree.map_structure(_mask, inputs)
    if all(mask is None for mask in keras.tree.flatten(masks)):
        return outputs
    if not getattr(operation, "supports_masking", False):
        return dataclasses.replace(outputs, mask=None)
    tensors = keras.tree.map_structure(_tensor, inputs)
    mask = operation.compute_mask(tensors, masks)
    return dataclasses.replace(outputs, mask=mask)


def _mask(x):
    return x.mask if isinstance(x, Moments) else None


def has_noise(operation: Any) -> bool:
    """Whether a layer is noisy, or holds one that is."""
    if not isinstance(operation, keras.layers.Layer):
        return False
    noisy = _noisy.get()
    return any(id(each) in noisy for each in _model.flatten_layers(operation))


def _why(operation):
    if isinstance(operation, keras.Model):
        return "it is a model without a graph of layers"
    if not isinstance(operation, keras.layers.Layer) or not has_noise(operation):
        return "there is no rule for it"
    return "there is no rule for its noise"


def _as_it_is(operation, args, kwargs):
    args, kwargs = keras.tree.map_structure(_tensor, (args, kwargs))
    if takes_training(operation):
        kwargs["training"] = False
    return keras.tree.map_structure(_moments, operation(*args, **kwargs))


def _tensor(x):
    return x.mean if isinstance(x, Moments) else x


def _moments(x):
    return x if isinstance(x, Moments) else Moments(x, mask=mask_of(x))
