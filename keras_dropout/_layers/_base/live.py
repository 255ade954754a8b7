"""Numbers of a layer that may change at any time, follow a schedule, or be learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, overload

import numpy as np

from keras_dropout._layers._base.sources import Source, source_of
from keras_dropout.schedules import Schedule


def is_zero(value: float, dtype: str) -> bool:
    """Whether a strength is 0 in the float32 that the noise is drawn in."""
    return np.float32(value) == 0


class Live:
    """A number of a layer: it may change, follow a schedule, or be learned.

    It reads as a Python float. Assigning checks the value and acts from the next
    step on, also in compiled functions, since it is a variable of the layer's
    state. Given a `Schedule` when the layer is built, it follows the layer's own
    step counter instead; given `learned.Learned` by its class, it is a function of a
    trainable weight. `layer.source(name)` is its source.

    Args:
        check: Function of the name, the value and the layer's compute dtype, which
            returns the value as a float or raises.
        doc: The docstring of the attribute.
        is_silent: Function from the value and the layer's compute dtype to whether
            the layer then does nothing; `None` for a number that is no strength.
    """

    def __init__(
        self,
        check: Callable[[str, Any, str], float],
        doc: str,
        is_silent: Callable[[float, str], bool] | None = is_zero,
    ) -> None:
        self.check = check
        self.is_silent = is_silent
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, layer: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(self, layer: object, owner: type | None = None) -> float: ...

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        sources = layer.noise_state.sources
        if self.name not in sources:
            raise AttributeError(f"`{self.name}` is not set yet")
        return sources[self.name].read()

    def __set__(self, layer: Any, value: float | Schedule | Source) -> None:
        sources = layer.noise_state.sources
        if self.name in sources:
            sources[self.name].assign(value)
        else:
            sources[self.name] = source_of(value).bind(self, layer)


class LiveEach(Live):
    """A live number that a layer may learn for each unit; it then reads as an array."""

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return super().__get__(layer, owner)


def live_names(cls: type) -> list[str]:
    """The names of the live values of a layer class."""
    return [
        name
        for base in reversed(cls.__mro__)
        for name, attribute in vars(base).items()
        if isinstance(attribute, Live)
    ]
