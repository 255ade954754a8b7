"""Numbers of a layer that may change at any time, follow a schedule, or be learned."""

import numpy as np

from keras_dropout.layers._base.sources import source_of


def is_zero(value, dtype):
    """Whether a strength is 0 in the float32 that the noise is drawn in."""
    return np.float32(value) == 0


class Live:
    """A number of a layer: it may change, follow a schedule, or be learned.

    It reads as a Python float. Assigning checks the value and acts from the next
    step on, also in compiled functions, since it is a variable of the layer's
    state. Given a `Schedule` when the layer is built, it follows the layer's own
    step counter instead; given `learned.Learned` by its class, it is a function of a
    trainable weight. What is behind it answers as `layer.source(name)`.

    Args:
        check: Function of the name, the value and the layer's compute dtype, which
            returns the value as a float or raises.
        doc: The docstring of the attribute.
        is_silent: Function from the value and the layer's compute dtype to whether
            the layer then does nothing; `None` for a number that is no strength.
    """

    def __init__(self, check, doc, is_silent=is_zero):
        self.check = check
        self.is_silent = is_silent
        self.__doc__ = doc

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        sources = layer.noise_state.sources
        if self.name not in sources:
            raise AttributeError(f"`{self.name}` is not set yet")
        return sources[self.name].read()

    def __set__(self, layer, value):
        sources = layer.noise_state.sources
        if self.name in sources:
            sources[self.name].assign(value)
        else:
            sources[self.name] = source_of(value).bind(self, layer)


def live_names(cls):
    """The names of the live values of a layer class."""
    return [
        name
        for base in reversed(cls.__mro__)
        for name, attribute in vars(base).items()
        if isinstance(attribute, Live)
    ]
