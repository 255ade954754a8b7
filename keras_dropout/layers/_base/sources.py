"""Where a live value comes from: a number, a schedule or a trainable weight.

| source | the value | in the file | assigning |
|---|---|---|---|
| `Number` | as it was given or assigned last | state of the layer | a new number |
| `Scheduled` | that of the layer's step | the step, and the value now | refused |
| `Learned` | a function of a trainable weight | the weight | writes the weight |

A layer asks none of them which one it is: each answers for the value now, the tensor
of this step, the configuration, the saved state, and whether it is silent.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_dropout._validation import invalid
from keras_dropout.schedules import Schedule


class Source:
    """Base of the three: one live value of one layer.

    Attributes:
        kind: `"number"`, `"schedule"` or `"learned"`.
    """

    kind = None

    def bind(self, live, layer):
        """Makes this the source of the live value `live` of `layer`."""
        self.live, self.layer = live, layer
        self.name, self.state = live.name, layer.noise_state
        return self

    def check(self, value):
        """`value` as a float that the layer can use, else an error."""
        return self.live.check(self.name, value, self.layer.compute_dtype)

    @property
    def is_silent(self):
        """Whether it is a strength, and so small that it does nothing."""
        silent, dtype = self.live.is_silent, self.layer.compute_dtype
        values = np.ravel(self.read()).tolist()
        return silent is not None and all(silent(each, dtype) for each in values)

    def read(self):
        """The value now: a float, or an array where it is one."""
        raise NotImplementedError

    def tensor(self):
        """The value in this step, as a float32 tensor."""
        raise NotImplementedError

    def assign(self, value):
        """Takes a new value, from the next step on."""
        raise NotImplementedError

    def config(self):
        """What builds the source again when it is given to the layer."""
        raise NotImplementedError

    def saved(self):
        """What the state of the layer keeps of it in a file: names to arrays."""
        return {}

    def loaded(self, entries):
        """Checks what a file has, and returns a function that takes it over."""
        return lambda: None


class Number(Source):
    """A number, in a variable of the layer's state."""

    kind = "number"

    def __init__(self, value):
        self.given = value

    def bind(self, live, layer):
        super().bind(live, layer)
        # What the layer was built with, and what it was given last.
        self.initial = self.given = self.check(self.given)
        self.variable = self.state.create(self.name, self.given)
        return self

    def read(self):
        value = ops.convert_to_numpy(self.variable)
        given = self.given
        return given if value.dtype.type(given) == value else value.item()

    def tensor(self):
        return self.variable.value

    def assign(self, value):
        if isinstance(value, Schedule):
            raise TypeError(_no_change(self, value))
        value = self.check(value)
        self.variable.assign(value)
        self.given = value

    def config(self):
        return self.read()

    def saved(self):
        return {self.name: self.read(), _INITIAL + self.name: self.initial}

    def loaded(self, entries):
        if self.name not in entries:
            return super().loaded(entries)
        value = self.check(number(self.name, entries[self.name]))
        initial = number(_INITIAL + self.name, entries.get(_INITIAL + self.name, value))
        # A layer that was built with another number than the saved one is to have
        # that number. Else it goes on from where the saved one stood. A model that is
        # loaded as a whole was built with the number of that time.
        same = np.float32(self.initial) in (np.float32(initial), np.float32(value))
        if not same:
            return super().loaded(entries)

        def take():
            self.assign(value)
            self.initial = initial

        return take


class Scheduled(Source):
    """A schedule, at the step that the layer counts."""

    kind = "schedule"

    def __init__(self, schedule):
        self.schedule = schedule

    def bind(self, live, layer):
        super().bind(live, layer)
        for extreme in self.schedule.extremes():
            self.check(extreme)
        self.step = self.state.count_steps()
        return self

    def read(self):
        return self.schedule.value(ops.convert_to_numpy(self.step))

    def tensor(self):
        return ops.cast(self.schedule(ops.convert_to_tensor(self.step)), "float32")

    def assign(self, value):
        raise TypeError(_no_change(self, value))

    def config(self):
        return keras.saving.serialize_keras_object(self.schedule)

    def saved(self):
        # For who reads the file. A layer on a schedule asks for the step alone.
        return {self.name: self.read()}


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

    def __init__(self, initial, link):
        self.initial = initial
        self.link = link
        self.weight = None

    def bind(self, live, layer):
        super().bind(live, layer)
        self._weights_for(self.initial)
        self.initial = self.check(self.initial)
        return self

    def build(self, shape=()):
        """Makes the weight, of one value for each place of `shape`."""
        start = float(self._weights_for(self.initial))
        self.weight = self.layer.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(start),
            dtype="float32",
            autocast=False,
            name=f"{self.name}_{self.link.name}",
        )

    def read(self):
        if self.weight is None:
            return self.initial
        value = ops.convert_to_numpy(self.link.forward(self.weight.value))
        return value if value.ndim else value.item()

    def tensor(self):
        return self.link.forward(self.weight.value)

    def assign(self, value):
        weights = self._weights_for(value)
        if self.weight is None:
            self.initial = self.check(value)
            return
        shape = tuple(self.weight.shape)
        if weights.shape not in ((), shape):
            expected = f"one number, or an array of the shape {shape}"
            raise ValueError(invalid(self.name, expected, value))
        self.weight.assign(np.broadcast_to(weights, shape))

    def _weights_for(self, value):
        """The weights at which the value is `value`, as a float32 array."""
        if isinstance(value, Schedule):
            raise TypeError(_no_change(self, value))
        several = isinstance(value, (np.ndarray, list, tuple))
        flat = np.ravel(value).tolist() if several else [value]
        found = [self.link.inverse(np.float32(self.check(each))) for each in flat]
        if not all(map(math.isfinite, found)):
            expected = "a number within its range, not at its end, since it is learned"
            raise ValueError(invalid(self.name, expected, value))
        return np.reshape(
            np.array(found, "float32"), np.shape(value) if several else ()
        )

    def config(self):
        return self.initial

    def check_weight(self):
        """Refuses a weight that stands for no value, such as a loaded NaN."""
        if self.weight is not None:
            for each in np.ravel(self.read()).tolist():
                self.check(each)


class Link:
    """A function from all real numbers to a range, and its inverse.

    Attributes:
        name: The name that its weight gets, behind that of the value.
        forward: Function of a tensor, made with `keras.ops`.
        inverse: Function of a float. Not finite for an end of the range.
    """

    def __init__(self, name, forward, inverse):
        self.name = name
        self.forward = forward
        self.inverse = inverse


def _logit(value):
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(value)) - np.log1p(-np.float64(value)))


def _log(value):
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(value)))


LOGIT = Link("logit", ops.sigmoid, _logit)
LOG = Link("log", ops.exp, _log)

_INITIAL = "initial_"


def source_of(value):
    """The source that a value given to a constructor stands for."""
    if isinstance(value, Source):
        return value
    return Scheduled(value) if isinstance(value, Schedule) else Number(value)


def number(name, value):
    """The one real number of an array of a file."""
    if value.shape != () or value.dtype.kind not in "iuf":
        raise ValueError(invalid(name, "one real number", value))
    return value.item()


def _no_change(source, value):
    return (
        f"`{source.name}` cannot change between a number, a schedule and a learned "
        f"value once the layer is built. Build a new layer, or let "
        f"`keras_dropout.callbacks.RateScheduler` assign the numbers. "
        f"Received: {source.name}={value!r} for layer {source.layer.name!r}"
    )
