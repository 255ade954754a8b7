"""Which models are graphs of layers."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout._keras import Functional, functional_of


def graph_of(model: keras.layers.Layer) -> Any:
    """The functional model that `model` is or holds, unless it does something else."""
    if not isinstance(model, keras.Model) or not _calls_its_graph(model):
        return None
    return functional_of(model) if isinstance(model, keras.Sequential) else model


def _calls_its_graph(model):
    """Whether calling a model runs its graph, and nothing else before or after."""
    kind = keras.Sequential if isinstance(model, keras.Sequential) else Functional
    return isinstance(model, kind) and not any(
        name in vars(model) or getattr(type(model), name) is not getattr(kind, name)
        for name in ("call", "__call__")
    )
