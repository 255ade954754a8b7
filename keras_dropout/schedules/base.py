"""What a schedule is."""

import keras


class Schedule:
    """A pure function from the training step to a rate.

    It may stand wherever a rate stands. Subclasses implement `__call__`, which
    takes the step (an integer or an integer tensor, counted from 0) and returns a
    float32 tensor, and `get_config`.
    """

    def __call__(self, step):
        raise NotImplementedError

    def value(self, step):
        """The rate at `step` as a Python float."""
        return float(keras.ops.convert_to_numpy(self(step)))

    def get_config(self):
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        """Builds the schedule from what `get_config` gave."""
        return cls(**config)
