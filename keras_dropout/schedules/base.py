"""What a schedule is."""

from __future__ import annotations

import math
from typing import Self

from keras import ops

from keras_dropout import _constants
from keras_dropout._typing import Config, Tensor

# Steps at which an unknown schedule is looked at: 0, 1, 2, 3, ... 10^7.
_PROBES = sorted({0, *(round(10 ** (power / 10)) for power in range(71))})


class Schedule:
    """A pure function from the training step to a rate.

    It can take the place of any rate. The layer then counts its calls in training, from
    0, and saves the count with its state. Inference and Monte Carlo samples do not
    count, and a run that is resumed continues where it stopped. (A layer that is called
    twice in each training step counts two.)

    A subclass writes `__call__`, which takes the step (an integer or an integer tensor)
    and returns a float32 tensor, made with `keras.ops`; `get_config`; and `extremes`,
    which a layer uses once, to check that all rates are valid. Decorate it with
    `keras.saving.register_keras_serializable`.
    """

    def __call__(self, step: Tensor) -> Tensor:
        raise NotImplementedError

    def value(self, step: int) -> float:
        """The rate at `step` as a Python float."""
        return float(ops.convert_to_numpy(self(step)))

    def extremes(self) -> tuple[float, ...]:
        """The smallest and the largest rate, for layers to check.

        By default these are the extremes over about sixty steps from 0 to 10^7, ten for
        each power of ten. A peak between two of these steps is missed, so a schedule
        with peaks needs its own `extremes`. Rates are not checked or clipped in a
        training step.
        """
        values = [self.value(step) for step in _PROBES]
        # NaN compares with nothing, so it would be lost in `min` and `max`.
        odd = [value for value in values if math.isnan(value)]
        return (*odd[:1], min(values), max(values))

    def get_config(self) -> Config:
        """The arguments that rebuild the schedule."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Builds the schedule from what `get_config` gave."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = (f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({', '.join(arguments)})"


def as_float(step: Tensor) -> Tensor:
    """The step as a float32 tensor."""
    return ops.cast(ops.convert_to_tensor(step), "float32")


def fraction(step: Tensor, steps: float, begin: float = 0) -> Tensor:
    """How much of the `steps` that start at `begin` is over, from 0 to 1."""
    return _constants.within((as_float(step) - begin) / steps, 0.0, 1.0)


def between(start: float, end: float, weight: Tensor) -> Tensor:
    """`start` at weight 0, `end` at weight 1, and never outside the two."""
    mixed = start * (1.0 - weight) + end * weight
    return _constants.within(mixed, min(start, end), max(start, end))
