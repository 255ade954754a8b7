"""A model with what is compiled to pass moments through it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _model
from keras_dropout._keras import standard_inputs
from keras_dropout._typing import Data
from keras_dropout.graph.models import graph_of
from keras_dropout.moments import heads, rules, walk
from keras_dropout.moments.state import Moments
from keras_dropout.sampling import backends, noise
from keras_dropout.sampling.fingerprint import Fingerprint
from keras_dropout.sampling.sources import Noise

# The latest pass of each model.
_passes = weakref.WeakKeyDictionary()


def pass_of(model: keras.Model, told: Any, batch: Any) -> Pass:
    """The pass of a model as it stands, made only once.

    Args:
        model: A Keras model, built or not.
        told: What its outputs are, as in `mc_predict`.
        batch: Rows of data in the structure of its inputs.
    """
    if not model.built:
        row = keras.tree.map_structure(lambda x: ops.convert_to_tensor(x[:1]), batch)
        model(row, training=False)
    noises = noise.select(model, noise.find(model, batch), None)
    noise.require_some(model, noises)
    key = (
        repr(told),
        tuple(id(each.layer) for each in noises),
        tuple(id(layer) for layer in _model.flatten_layers(model)),
        # Quantization and LoRA put others in their places.
        tuple(id(variable) for variable in model.variables),
        # What is compiled keeps the rules that it was traced with.
        rules.registered(),
    )
    found = _passes.get(model)
    if found is None or found.key != key or found.is_outdated(model):
        found = _passes[model] = Pass(model, noises, told, key)
    return found


class Pass:
    """Passes moments through one model, with all of its noise.

    Args:
        model: A built Keras model. It is not kept alive.
        noises: Its noises.
        told: What its outputs are.
        key: What tells this pass from others of the model.
    """

    def __init__(
        self, model: keras.Model, noises: Sequence[Noise], told: Any, key: Any
    ) -> None:
        graph = graph_of(model)
        if graph is None:
            raise ValueError(
                "`propagate_moments` needs a Functional or Sequential model, whose "
                "graph tells what is computed. Sample others with `mc_predict`. "
                f"Received: {model.name!r}, a {type(model).__name__}"
            )
        self.key: Any = key
        self._noises = noises
        self._model = weakref.ref(model)
        # Keeps the layers alive, and so their ids unique.
        self._layers = _model.flatten_layers(model)[1:]
        self._fingerprint = Fingerprint(model)
        self._heads, self._structure = heads.of(model, graph, told)
        self._exact = None
        self._compiled = backends.compiled(self._arrays, model.variables, ())

    def is_outdated(self, model: keras.Model) -> bool:
        """Whether attributes of layers have changed since it was made."""
        return self._fingerprint.differs(model)

    def batch(self, x: Data) -> Any:
        """A dictionary of arrays for each output: `mean`, `variance`, and others."""
        arrays = self._compiled(np.zeros((0, 2), "int64"), x)
        return keras.tree.map_structure(ops.convert_to_numpy, arrays)

    def _arrays(self, x):
        graph = graph_of(self._model())
        given = [Moments(each) for each in standard_inputs(graph, x)]
        with walk.knowing(self._noises):
            moments = [each.floats() for each in walk.walk(graph, given)]
        told = [head.arrays(moments) for head in self._heads]
        self._exact = [exact for exact, _ in told]
        return [arrays for _, arrays in told]

    def predictions(self, batches: Any) -> Any:
        """The predictions of all batches, in the structure of the model's outputs."""
        active = tuple(each.name for each in self._noises if not each.is_silent)
        made = []
        for place, head in enumerate(self._heads):
            parts = [batch[place] for batch in batches]
            arrays = {
                name: np.concatenate([part[name] for part in parts])
                for name in parts[0]
            }
            made.append(head.prediction(arrays, self._exact[place], active))
        return keras.tree.pack_sequence_as(self._structure, made)
