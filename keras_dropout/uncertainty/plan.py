"""Splits a model in two: what no noise reaches, and the rest.

The first part, the prefix, runs once a batch; only the second, the suffix, runs for
every sample. Graphs of layers are walked node by node, nested models opened up where
there is noise within. Subclassed models run whole.

This file is the only one that reads Keras's graphs, for which there is no public way.
Building two `keras.Model`s from the same tensors would be public, but leaves new nodes
on the layers of the user's model. Whatever goes wrong while the graph is read, the
plan falls back to running the model whole.
"""

import dataclasses
import math
import weakref
from collections.abc import Callable

import keras
from keras import ops
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional

from keras_dropout import seeds


@dataclasses.dataclass(frozen=True)
class _Step:
    """One node of the graph, from values in numbered slots to values in others."""

    run: Callable
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    noisy: bool


class Plan:
    """What to run once and what to run for every sample of a model.

    Both parts are called where the noise is on. The plan holds layers, but not the
    model itself.

    Attributes:
        has_prefix: Whether there is work that needs to be done only once.
        is_whole: Whether the model runs whole for every sample.
    """

    def __init__(self, model, noises):
        self._model = weakref.ref(model)
        self._noisy = {id(noise.layer) for noise in noises}
        self.is_whole = False
        try:
            self._read(model)
        except (AttributeError, KeyError, TypeError):
            self.is_whole = True
        if self.is_whole:
            self.has_prefix = False

    def prefix(self, inputs):
        """From the model's inputs to what the suffix needs, with Keras's masks."""
        if self.is_whole:
            return inputs, None
        # Keras's own checks and conversions of a model's inputs.
        entered = _graph(self._model())._standardize_inputs(inputs)
        values = dict(zip(self._entered, entered, strict=True))
        _run(self._before, values)
        features = [values[slot] for slot in self._crossing]
        masks = [get_keras_mask(feature) for feature in features]
        # A column without elements tells the number of rows, which layers may have
        # folded with other axes in all of the features.
        rows = ops.shape(entered[0])[0]
        return [*features, ops.zeros((rows, 0), "bool")], masks

    def rows(self, features):
        """How many rows the data has, seen from what the prefix gave."""
        told = keras.tree.flatten(features)[0] if self.is_whole else features[-1]
        return ops.shape(told)[0]

    def widths(self, longest):
        """Elements of the widest tensor of a row, in the prefix and in the suffix.

        Args:
            longest: What to take for sizes that the model leaves open.

        Returns:
            Two integers, or `None` for a model that runs whole.
        """
        if self.is_whole:
            return None

        def widest(slots):
            shapes = (self._shapes[slot][1:] for slot in slots)
            open_ends = ([longest if n is None else n for n in each] for each in shapes)
            return max(map(math.prod, open_ends), default=1)

        before = {slot for step in self._before for slot in step.writes}
        after = {slot for step in self._after for slot in step.writes}
        return widest(before | set(self._entered)), widest(after | set(self._crossing))

    def suffix(self, features, masks, samples):
        """From what the prefix gave to the model's outputs, for several samples.

        Args:
            features: The first result of `prefix`.
            masks: The second result of `prefix`.
            samples: How many samples to compute, one after the other along the rows.
        """
        if self.is_whole:
            tiled = keras.tree.map_structure(lambda x: _tile(x, samples), features)
            return self._model()(tiled, training=False)
        values = {}
        crossing = zip(self._crossing, features[:-1], masks, strict=True)
        for slot, feature, mask in crossing:
            if self._is_rowwise[slot]:
                feature = _tile(feature, samples)
                mask = None if mask is None else _tile(mask, samples)
            if mask is not None:
                set_keras_mask(feature, mask)
            values[slot] = feature
        _run(self._after, values)
        outputs = [values[slot] for slot in self._outputs]
        return keras.tree.pack_sequence_as(self._structure, outputs)

    def _read(self, model):
        graph = _graph(model)
        if graph is None:
            self.is_whole = True
            return
        reader = _Reader(self._is_noisy)
        self._entered = reader.new_slots(graph.inputs)
        self._outputs = reader.read(graph, self._entered)
        self._structure = graph._outputs_struct
        tainted = set()
        self._before, self._after = [], []
        for step in reader.steps:
            is_after = step.noisy or not tainted.isdisjoint(step.reads)
            (self._after if is_after else self._before).append(step)
            if is_after:
                tainted.update(step.writes)
        read = {slot for step in self._after for slot in step.reads}
        self._crossing = sorted((read | set(self._outputs)) - tainted)
        batch = graph.inputs[0].shape[0]
        self._is_rowwise = {
            slot: bool(shape) and shape[0] in (None, batch)
            for slot, shape in reader.shapes.items()
        }
        self.has_prefix = bool(self._before)
        self._shapes = reader.shapes

    def _is_noisy(self, operation):
        if not isinstance(operation, keras.layers.Layer):
            return False
        inner = seeds.flatten_layers(operation)
        return any(id(layer) in self._noisy for layer in inner)


class _Reader:
    """Turns a graph, and those nested in it, into one list of steps."""

    def __init__(self, is_noisy):
        self.is_noisy = is_noisy
        self.steps = []
        self.shapes = {}

    def new_slots(self, tensors):
        """Slots for what will stand where these symbolic tensors stand."""
        first = len(self.shapes)
        shapes = dict(enumerate((tensor.shape for tensor in tensors), first))
        self.shapes.update(shapes)
        return tuple(shapes)

    def read(self, graph, entered):
        """Reads the nodes of `graph`, its inputs given; returns its outputs' slots."""
        known = dict(zip(map(id, graph.inputs), entered, strict=True))
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.operation and not node.is_input:
                    self._read_node(node, known)
        return [known[id(tensor)] for tensor in graph.outputs]

    def _read_node(self, node, known):
        operation = node.operation
        tensors = list({id(tensor): tensor for tensor in node.input_tensors}.values())
        reads = tuple(known[id(tensor)] for tensor in tensors)

        def arguments(values):
            filled = dict(zip(map(id, tensors), values, strict=True))
            return node.arguments.fill_in(filled)

        noisy = self.is_noisy(operation)
        nested = _graph(operation) if noisy else None
        if nested is not None and _is_plain(node.arguments):

            def enter(values):
                (inputs,), _ = arguments(values)
                return nested._standardize_inputs(inputs)

            entered = self.new_slots(nested.inputs)
            self.steps.append(_Step(enter, reads, entered, noisy=False))
            writes = self.read(nested, entered)
            known.update(zip(map(id, node.outputs), writes, strict=True))
            return

        def run(values):
            args, kwargs = arguments(values)
            # Inside Keras's models an inner `training` gives way to the outer one.
            if getattr(operation, "_call_has_training_arg", False):
                kwargs["training"] = False
            return operation(*args, **kwargs)

        writes = self.new_slots(node.outputs)
        known.update(zip(map(id, node.outputs), writes, strict=True))
        self.steps.append(_Step(run, reads, writes, noisy))


def _graph(model):
    """The functional model that `model` is or holds, unless it does something else."""
    call = getattr(type(model), "call", None)
    if isinstance(model, keras.Sequential) and call is keras.Sequential.call:
        return model._functional
    if isinstance(model, Functional) and call is Functional.call:
        return model
    return None


def _is_plain(arguments):
    """Whether a model is called with its inputs alone, so that it can be opened."""
    kwargs = {
        name: value
        for name, value in arguments.kwargs.items()
        if name != "training" and value is not None
    }
    return len(arguments.args) == 1 and not kwargs


def _run(steps, values):
    for step in steps:
        results = step.run([values[slot] for slot in step.reads])
        values.update(zip(step.writes, keras.tree.flatten(results), strict=True))


def _tile(x, samples):
    """`samples` copies of all rows, one after the other."""
    shape = ops.shape(x)
    tiled = ops.broadcast_to(x[None], (samples, *shape))
    return ops.reshape(tiled, (samples * shape[0], *shape[1:]))


def mask_of(tensor):
    """The mask that Keras keeps with a tensor, or None."""
    return get_keras_mask(tensor)


def output_layers(model):
    """The layers that give the model's outputs, in order, or None if unknown."""
    graph = _graph(model)
    if graph is None:
        return None
    try:
        histories = [tensor._keras_history for tensor in graph.outputs]
        return [
            _innermost(history.operation, history.tensor_index) for history in histories
        ]
    except AttributeError:
        return None


def _innermost(layer, place):
    inner = output_layers(layer)
    if inner is not None:
        return inner[place]
    if isinstance(layer, keras.layers.Wrapper):
        return _innermost(layer.layer, place)
    return layer
