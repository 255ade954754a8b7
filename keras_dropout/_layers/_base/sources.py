"""Where a live value comes from: a number, a schedule or a trainable weight.

| source | the value | in the file | assigning |
|---|---|---|---|
| `Number` | as it was given or assigned last | state of the layer | a new number |
| `Scheduled` | that of the layer's step | the step, and the value now | refused |
| `Learned` | a function of a trainable weight | the weight | writes the weight |

A layer asks none of them which one it is: each answers for the value now, the tensor
of this step, the configuration, the saved state, and whether it is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_dropout import _away, random
from keras_dropout._typing import Tensor
from keras_dropout._validation import invalid
from keras_dropout.schedules import Schedule


class Source:
    """Base of the three: one live value of one layer.

    Attributes:
        kind: `"number"`, `"schedule"` or `"learned"`.
        weight: The trainable weight that the value comes from, or `None`.
    """

    kind = None
    weight = None

    def bind(self, live: Any, layer: Any) -> Self:
        """Makes this the source of the live value `live` of `layer`."""
        self.live: Any = live
        self.layer: Any = layer
        self.name: str = live.name
        self.state: Any = layer.noise_state
        return self

    def check(self, value: Any) -> float:
        """`value` as a float that the layer can use, else an error."""
        return self.live.check(self.name, value, self.layer.compute_dtype)

    @property
    def is_silent(self) -> bool:
        """Whether it is a strength, and so small that it does nothing."""
        silent, dtype = self.live.is_silent, self.layer.compute_dtype
        values = np.ravel(self.read()).tolist()
        return silent is not None and all(silent(each, dtype) for each in values)

    def read(self) -> Any:
        """The value now: a float, or an array where it is one."""
        raise NotImplementedError

    def tensor(self) -> Tensor:
        """The value in this step, as a float32 tensor."""
        raise NotImplementedError

    def assign(self, value: Any) -> None:
        """Takes a new value, from the next step on."""
        raise NotImplementedError

    def config(self) -> Any:
        """What builds the source again when it is given to the layer."""
        raise NotImplementedError

    def saved(self) -> dict[str, Any]:
        """What the state of the layer keeps of it in a file: names to arrays."""
        return {}

    def loaded(self, entries: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Checks what a file has, and returns a function that takes it over."""
        return lambda: None


class Number(Source):
    """A number, in a variable of the layer's state."""

    kind = "number"

    def __init__(self, value: Any) -> None:
        self.given = value

    def bind(self, live: Any, layer: Any) -> Self:
        super().bind(live, layer)
        # What the layer was built with, and what it was given last.
        self.initial = self.given = self.check(self.given)
        self.variable = self.state.create(self.name, self.given)
        self.variable.check = self.admit
        random.note(self.variable, self.given)
        return self

    def read(self) -> Any:
        value = _away.read(self.variable)
        given = self.given
        same = value.dtype.type(given) == value
        return given if same else self.admit(value.item())

    def admit(self, value: float) -> float:
        """A value that came in as one of the variable, if it can be, else an error."""
        try:
            return self.check(value)
        except ValueError as error:
            raise ValueError(
                f"A value of layer {self.layer.name!r} was assigned past its checks, "
                f"as a variable of the model. Assign to `layer.{self.name}` instead. "
                f"{error}"
            ) from error

    def tensor(self) -> Tensor:
        value = self.variable.value
        number = random.plain(value)
        # If the number is known without waiting, a number set past the checks is
        # refused.
        if isinstance(number, float) and number != float(np.float32(self.given)):
            self.read()
        return value

    def assign(self, value: Any) -> None:
        if isinstance(value, Schedule):
            raise TypeError(no_change(self, value))
        value = self.check(value)
        _away.assign(self.variable, value)
        random.note(self.variable, value)
        self.given = value

    def config(self) -> Any:
        return self.read()

    def saved(self) -> dict[str, Any]:
        return {self.name: self.read(), _INITIAL + self.name: self.initial}

    def loaded(self, entries: Mapping[str, np.ndarray]) -> Callable[[], None]:
        if self.name not in entries:
            return super().loaded(entries)
        value = number(self.name, entries[self.name])
        self.live.check(self.name, value, "float32")
        # A layer on a schedule has saved no number that it was built with.
        origin = _INITIAL + self.name
        initial = number(origin, entries[origin]) if origin in entries else value
        # A layer that was built with another number than the saved layer keeps its
        # number. Otherwise it continues with the saved current number. A whole model
        # that is loaded was built with the current number.
        same = np.float32(self.initial) in (np.float32(initial), np.float32(value))
        if not same:
            return super().loaded(entries)
        self.check(value)

        def take():
            self.assign(value)
            self.initial = initial

        return take


class Scheduled(Source):
    """A schedule, at the step that the layer counts."""

    kind = "schedule"

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def bind(self, live: Any, layer: Any) -> Self:
        super().bind(live, layer)
        for extreme in self.schedule.extremes():
            self.check(extreme)
        self.step = self.state.count_steps()
        return self

    def read(self) -> Any:
        return self.schedule.value(_away.read(self.step))

    def tensor(self) -> Tensor:
        step = random.once(self, self._count)
        return ops.cast(self.schedule(step), "float32")

    def _count(self):
        """The training step, a copy: on PyTorch the variable changes in place."""
        return ops.copy(ops.convert_to_tensor(self.step))

    def assign(self, value: Any) -> None:
        raise TypeError(no_change(self, value))

    def config(self) -> Any:
        return keras.saving.serialize_keras_object(self.schedule)

    def saved(self) -> dict[str, Any]:
        # For people who read the file. A layer on a schedule only loads the step.
        return {self.name: self.read()}


_INITIAL = "initial_"


def source_of(value: Any) -> Source:
    """The source for a value that was given to a constructor."""
    if isinstance(value, Source):
        return value
    return Scheduled(value) if isinstance(value, Schedule) else Number(value)


def number(name: str, value: np.ndarray) -> float:
    """The one real number of an array of a file."""
    real = value.shape == () and value.dtype.kind in "iuf"
    if not (real and np.isfinite(value)):
        raise ValueError(invalid(name, "one finite real number", value))
    return value.item()


def no_change(source: Source, value: Any) -> str:
    """The words for a number that is to become a schedule, or the reverse."""
    return (
        f"`{source.name}` cannot change between a number, a schedule and a learned "
        f"value once the layer is built. Build a new layer, or let "
        f"`keras_dropout.callbacks.RateScheduler` assign the numbers. "
        f"Received: {source.name}={value!r} for layer {source.layer.name!r}"
    )
