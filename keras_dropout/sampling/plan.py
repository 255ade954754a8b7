"""Splits a model in two: the layers before the noise, and the rest.

The first part, the prefix, runs once a batch; only the second, the suffix, runs for
every sample. Graphs of layers are walked node by node, nested models opened up where
there is noise within. Models that are more than a graph run whole for every sample.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _model
from keras_dropout._keras import (
    PrivateNameError,
    mask_of,
    output_structure,
    set_mask,
    standard_inputs,
)
from keras_dropout._typing import Tensors
from keras_dropout.graph.models import graph_of
from keras_dropout.graph.reader import Reader
from keras_dropout.sampling import nested
from keras_dropout.sampling.sources import Noise


class Plan:
    """What to run once and what to run for every sample of a model.

    Both parts are called where the noise is on. The plan holds layers, but not the
    model itself.

    Attributes:
        has_prefix: Whether there is work that needs to be done only once.
        why_whole: Why the model runs whole for every sample, or `None` if it does
            not.
        is_rowwise: Whether all layers are known to treat rows separately.
    """

    has_prefix: bool = False
    is_rowwise: bool = False
    why_whole: str | None = None

    def __init__(self, model: keras.Model, noises: Sequence[Noise]) -> None:
        self._model = weakref.ref(model)
        self._noisy = {id(noise.layer) for noise in noises}
        graph = graph_of(model)
        if has_own_predict_step(model):
            self.why_whole = "its class defines its own `predict_step`"
        elif graph is None:
            self.why_whole = "its class defines its own `call`"
        else:
            self._read(model, graph)

    @property
    def is_whole(self) -> bool:
        """Whether the model runs whole for every sample."""
        return self.why_whole is not None

    def prefix(self, inputs: Tensors) -> tuple[Any, Any]:
        """From the model's inputs to what the suffix needs, with Keras's masks."""
        if self.is_whole:
            return inputs, None
        # Keras's own checks and conversions of a model's inputs.
        entered = standard_inputs(graph_of(self._model()), inputs)
        values = dict(zip(self._entered, entered, strict=True))
        _run(self._before, values, self._crossing)
        features = [values[slot] for slot in self._crossing]
        masks = [None if x is None else mask_of(x) for x in features]
        # A column without elements tells the number of rows, which layers may have
        # folded with other axes in all of the features.
        rows = ops.shape(nested.present(entered)[0])[0]
        return [*features, _without_elements(rows)], masks

    def whole(self, inputs: Tensors) -> Any:
        """What the model gives for these inputs, in one piece."""
        return predicted(self._model(), inputs)

    def rows(self, features: Any) -> Any:
        """How many rows the data has, seen from what the prefix gave."""
        told = nested.present(features)[0] if self.is_whole else features[-1]
        return ops.shape(told)[0]

    def widths(self, longest: int) -> tuple[int, int] | None:
        """Elements of the widest tensor of a row, in the prefix and in the suffix.

        Args:
            longest: What to take for sizes that the model leaves open.

        Returns:
            Two integers, or `None` for a model that runs whole.
        """
        if self.is_whole:
            return None

        def widest(slots):
            shapes = [self._shapes[slot] for slot in slots]
            shapes += [self._inner[slot] for slot in slots if slot in self._inner]
            known = ([longest if n is None else n for n in each[1:]] for each in shapes)
            return max(map(math.prod, known), default=1)

        before = {slot for step in self._before for slot in step.writes}
        after = {slot for step in self._after for slot in step.writes}
        return widest(before | set(self._entered)), widest(after | set(self._crossing))

    def suffix(self, features: Any, masks: Any, samples: int) -> Any:
        """From what the prefix gave to the model's outputs, for several samples.

        Args:
            features: The first result of `prefix`.
            masks: The second result of `prefix`.
            samples: How many samples to compute, one after the other along the rows.
        """
        if self.is_whole:
            tiled = nested.mapped(lambda x: _tile(x, samples), features)
            return predicted(self._model(), tiled)
        values = {}
        crossing = zip(self._crossing, features[:-1], masks, strict=True)
        for slot, feature, mask in crossing:
            if feature is not None and self._is_rowwise[slot]:
                feature = _tile(feature, samples)
                mask = None if mask is None else _tile(mask, samples)
            if mask is not None:
                set_mask(feature, mask)
            values[slot] = feature
        _run(self._after, values, self._outputs)
        outputs = [values[slot] for slot in self._outputs]
        return keras.tree.pack_sequence_as(self._structure, outputs)

    def _read(self, model, graph):
        reader = Reader(self._is_noisy)
        try:
            self._entered = reader.new_slots(graph.inputs)
            self._outputs = reader.read(graph, self._entered)
            self._structure = output_structure(graph)
        except PrivateNameError as error:
            self.why_whole = f"its graph cannot be read ({error})"
            warnings.warn(
                f"The model {model.name!r} runs whole for every sample, which can be "
                "many times slower than running only what follows the noise, because "
                f"{self.why_whole}",
                stacklevel=2,
            )
            return
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
        self.is_rowwise = all(step.is_rowwise for step in reader.steps)
        self._shapes, self._inner = reader.shapes, reader.inner

    def _is_noisy(self, operation):
        if not isinstance(operation, keras.layers.Layer):
            return False
        inner = _model.flatten_layers(operation)
        return any(id(layer) in self._noisy for layer in inner)


def _run(steps, values, wanted):
    """Runs steps one after the other, and forgets what nobody reads any more."""
    last = {slot: step for step in steps for slot in step.reads}
    for step in steps:
        results = step.run([values[slot] for slot in step.reads])
        for slot in set(step.reads) - set(wanted):
            if last[slot] is step:
                del values[slot]
        values.update(zip(step.writes, keras.tree.flatten(results), strict=True))


def _without_elements(rows):
    # JAX would compile an operation for it.
    make = np.zeros if isinstance(rows, int) else ops.zeros
    return make((rows, 0), "bool")


def _tile(x, samples):
    """`samples` copies of all rows, one after the other."""
    shape = ops.shape(x)
    tiled = ops.broadcast_to(x[None], (samples, *shape))
    return ops.reshape(tiled, (samples * shape[0], *shape[1:]))


def has_own_predict_step(model: keras.Model) -> bool:
    """Whether the class of a model says by itself what `predict` computes."""
    return type(model).predict_step is not keras.Model.predict_step


def predicted(model: keras.Model, inputs: Tensors) -> Any:
    """What `predict` computes for these inputs, in the scope of the caller."""
    if not has_own_predict_step(model):
        return model(inputs, training=False)
    if keras.backend.backend() != "jax":
        return model.predict_step((inputs,))
    state = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    outputs, _ = model.predict_step(state, (inputs,))
    return outputs
