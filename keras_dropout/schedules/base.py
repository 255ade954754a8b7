"""What a schedule is."""

from keras import ops


class Schedule:
    """A pure function from the training step to a rate.

    It may stand wherever a rate stands. The layer then counts its own calls in
    training, from 0, in a step that is saved with its state: inference and Monte
    Carlo samples do not count, and a resumed run goes on where it stopped. (A layer
    that is called twice in each training step counts two.)

    A subclass writes `__call__`, which takes the step (an integer or an integer
    tensor) and returns a float32 tensor, made with `keras.ops`; `get_config`; and
    `extremes`. Decorate it with `keras.saving.register_keras_serializable`.
    """

    def __call__(self, step):
        raise NotImplementedError

    def value(self, step):
        """The rate at `step` as a Python float."""
        return float(ops.convert_to_numpy(self(step)))

    def extremes(self):
        """Rates between which the whole schedule lies, for layers to check."""
        return (self.value(0),)

    def get_config(self):
        """The arguments that rebuild the schedule."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        """Builds the schedule from what `get_config` gave."""
        return cls(**config)

    def __repr__(self):
        arguments = (f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({', '.join(arguments)})"


def as_float(step):
    """The step as a float32 tensor."""
    return ops.cast(ops.convert_to_tensor(step), "float32")


def fraction(step, steps, begin=0):
    """How much of the `steps` that start at `begin` is over, from 0 to 1."""
    return ops.clip((as_float(step) - begin) / steps, 0.0, 1.0)


def between(start, end, weight):
    """`start` at weight 0, `end` at weight 1, and never outside the two."""
    mixed = start * (1.0 - weight) + end * weight
    return ops.clip(mixed, min(start, end), max(start, end))
