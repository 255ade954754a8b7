"""Numbers of a layer that may change at any time, or follow a schedule."""

from keras_dropout.schedules import Schedule


class Live:
    """A number of a layer that may change at any time, or follow a schedule.

    It reads as a Python float. Assigning checks the value and acts from the next
    step on, also in compiled functions, since it is a variable of the layer's
    state. Given a `Schedule` when the layer is built, it follows the layer's own
    step counter instead.
    """

    def __init__(self, check, doc):
        self.check = check
        self.__doc__ = doc

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        if self.name not in layer.noise_state:
            raise AttributeError(f"`{self.name}` is not set yet")
        schedule = layer.schedules.get(self.name)
        if schedule is not None:
            return schedule.value(layer.noise_state.read("step"))
        return layer.noise_state.read(self.name)

    def __set__(self, layer, value):
        state = layer.noise_state
        if isinstance(value, Schedule) and self.name not in state:
            for extreme in value.extremes():
                self.check(self.name, extreme)
            layer.schedules[self.name] = value
            state.create(self.name, value.value(0))
            if "step" not in state:
                state.create("step", 0, dtype="int32")
            return
        if isinstance(value, Schedule) or self.name in layer.schedules:
            raise TypeError(
                f"`{self.name}` cannot change between a number and a schedule once "
                f"the layer is built. Build a new layer, or let "
                f"`keras_dropout.callbacks.RateScheduler` assign the numbers. "
                f"Received: {self.name}={value!r} for layer {layer.name!r}"
            )
        value = self.check(self.name, value)
        if self.name in state:
            state.write(self.name, value)
        else:
            state.create(self.name, value)


def live_names(cls):
    """The names of the live values of a layer class."""
    return [
        name
        for base in reversed(cls.__mro__)
        for name, attribute in vars(base).items()
        if isinstance(attribute, Live)
    ]
