"""A live value that is learned: a function of a trainable weight of the layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_dropout import _away
from keras_dropout._layers._base.penalties import Limit, Penalty
from keras_dropout._layers._base.sources import Source, no_change
from keras_dropout._typing import Tensor
from keras_dropout._validation import invalid
from keras_dropout.schedules import Schedule


class Learned(Source):
    """A trainable weight of the layer, and the function from it to the value.

    A layer that learns a value gives one where others give a number:
    `self.rate = Learned(rate, LOGIT)`. It makes the weight as soon as it knows its
    shape, in its constructor or in `build`: `self.source("rate").build(shape)`. Until
    then the value is the initial one. The weight is float32 under every policy, is
    saved, set, frozen and trained as any other, and `layer.current("rate")` passes
    gradients to it.

    Args:
        initial: Float, the value at the start.
        link: A `Link`, the function and its inverse.
    """

    kind = "learned"

    def __init__(self, initial: float, link: Link) -> None:
        self.initial = initial
        self.link = link

    def bind(self, live: Any, layer: Any) -> Self:
        super().bind(live, layer)
        self._weights_for(self.initial)
        self.initial = self.check(self.initial)
        return self

    def build(
        self,
        shape: tuple[int, ...] = (),
        regularizer: Penalty | None = None,
        constraint: Limit | None = None,
        owner: keras.layers.Layer | None = None,
    ) -> None:
        """Makes the weight, of one value for each place of `shape`.

        Args:
            shape: Tuple, the shape of the weight.
            regularizer: A `Penalty` of the weight, or `None`.
            constraint: A `Limit` of the weight, or `None`.
            owner: What holds the weight, the layer itself unless it cannot.
        """
        start = float(self._weights_for(self.initial))
        owner = self.layer if owner is None else owner
        self.weight: keras.Variable = owner.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(start),
            dtype="float32",
            autocast=False,
            regularizer=regularizer,
            constraint=constraint,
            name=f"{self.name}_{self.link.name}",
        )

    def read(self) -> Any:
        if self.weight is None:
            return self.initial
        value = ops.convert_to_numpy(self.link.forward(_away.read(self.weight)))
        return value if value.ndim else value.item()

    def tensor(self) -> Tensor:
        return self.link.forward(self.weight.value)

    def raw(self) -> Tensor:
        """The weight as a float32 tensor. The value is a function of it."""
        return self.weight.value

    def assign(self, value: Any) -> None:
        weights = self._weights_for(value)
        if self.weight is None:
            self.initial: Any = self.check(value)
            return
        shape = tuple(self.weight.shape)
        if weights.shape not in ((), shape):
            expected = f"one number, or an array of the shape {shape}"
            raise ValueError(invalid(self.name, expected, value))
        _away.assign(self.weight, np.broadcast_to(weights, shape))

    def _weights_for(self, value: Any) -> np.ndarray:
        """The weights that give the value `value`, as a float32 array."""
        if isinstance(value, Schedule):
            raise TypeError(no_change(self, value))
        several = isinstance(value, (np.ndarray, list, tuple))
        flat = np.ravel(value).tolist() if several else [value]
        found = [self.link.inverse(np.float32(self.check(each))) for each in flat]
        if not all(map(math.isfinite, found)):
            expected = "a number within its range, not at its end, since it is learned"
            raise ValueError(invalid(self.name, expected, value))
        return np.reshape(
            np.array(found, "float32"), np.shape(value) if several else ()
        )

    def config(self) -> Any:
        return self.initial

    def check_weight(self) -> None:
        """Refuses a weight without a valid value, such as a loaded NaN."""
        weights = _away.read(self.weight)
        if not np.isfinite(weights).all():
            raise ValueError(invalid(self.weight.name, "finite numbers", weights))
        for each in np.ravel(self.read()).tolist():
            self.check(each)


class Link:
    """A function from all real numbers to a range, and its inverse.

    Attributes:
        name: The name that its weight gets, behind that of the value.
        forward: Function of a tensor, made with `keras.ops`.
        inverse: Function of a float. Not finite for an end of the range.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[[Tensor], Tensor],
        inverse: Callable[[float], float],
    ) -> None:
        self.name = name
        self.forward = forward
        self.inverse = inverse


def _logit(value: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(value)) - np.log1p(-np.float64(value)))


def _log(value: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(value)))


LOGIT = Link("logit", ops.sigmoid, _logit)
LOG = Link("log", ops.exp, _log)
