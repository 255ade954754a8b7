"""Sees how wide the tensors within a model are, by watching its layers in one call.

The graph of a model tells the shapes of its tensors. A model that runs whole tells
nothing, so its layers are watched when it is first met.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from keras_dropout import _model
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Tensors
from keras_dropout.graph.reader import attention_scores
from keras_dropout.random import context
from keras_dropout.sampling import nested
from keras_dropout.sampling.activation import covered


@dataclasses.dataclass(frozen=True)
class _Watched:
    """Covers the call of a layer, as a `Noise` does."""

    layer: keras.layers.Layer
    overrides: tuple[Any, ...]
    is_forced: bool = False


class Watch:
    """Notes the widest tensor that layers of a model give.

    Layers of noise are left alone: what is watched counts as switched on.

    Args:
        layers: The layers within the model.
        apart: Layers with calls that are replaced already. They stay switched on.
    """

    def __init__(
        self,
        layers: Iterable[keras.layers.Layer],
        apart: Iterable[keras.layers.Layer] = (),
    ) -> None:
        self._apart = list(apart)
        inner = [each for one in self._apart for each in _model.flatten_layers(one)]
        left_out = set(map(id, inner))
        self._layers = [
            layer
            for layer in layers
            if id(layer) not in left_out and not isinstance(layer, NoiseLayer)
        ]
        self._widest = 0

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Within this context the layers are watched, in this thread."""
        watched = [
            _Watched(layer, ((layer, "call", self._call),)) for layer in self._layers
        ]
        with covered(watched), context.sampling([*self._layers, *self._apart]):
            yield

    def wider(self, inputs: Tensors) -> float | None:
        """How many times as wide as the widest input the widest tensor was, or None.

        Args:
            inputs: What the model was called on, a structure of arrays.
        """
        widest = max(math.prod(each.shape) for each in nested.present(inputs))
        return max(self._widest / widest, 1.0) if self._widest and widest else None

    def _call(
        self,
        layer: keras.layers.Layer,
        own: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        outputs = own(*args, **kwargs)
        shapes = [getattr(x, "shape", ()) for x in keras.tree.flatten(outputs)]
        entered = keras.tree.flatten((args, kwargs))
        entered = [x.shape for x in entered if _has_shape(x)]
        # Masks have fewer axes, or more.
        entered = [each for each in entered if len(each) == len(entered[0])]
        shapes += attention_scores(layer, entered)
        for shape in shapes:
            if all(isinstance(size, int) for size in shape):
                self._widest = max(self._widest, math.prod(shape))
        return outputs


def _has_shape(x):
    return bool(getattr(x, "shape", None))
