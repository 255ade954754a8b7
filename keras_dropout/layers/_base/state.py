"""What a noise layer remembers: its live values, its step and its seed."""

import keras
import numpy as np

from keras_dropout import _away


class NoiseState(keras.layers.Layer):
    """The state of one noise layer, kept out of the layer's weights.

    It is a Keras layer that is never called: as such Keras saves and restores it
    by itself, in a place of its own in the file. So a weights file of
    `keras.layers.Dropout` loads into ours, where the state is then left as it
    was, and ours loads into Keras's layer, which does not look for the state.
    """

    def __init__(self, owner, generator):
        # Layers of one name may meet in one model, whose state tree needs names that
        # differ.
        before = keras.backend.get_uid(f"{owner}_state") - 1
        name = f"{owner}_state_{before}" if before else f"{owner}_state"
        super().__init__(name=name, trainable=False, dtype="float32")
        # Into `__dict__`, past Keras's tracking: the layer that owns this state
        # tracks the generator, and what is saved is keyed by name below.
        self.__dict__["values"] = {}
        self.__dict__["given"] = {}
        self.__dict__["generator"] = generator

    def create(self, name, value, dtype="float32"):
        """Adds one variable to the state."""
        self.values[name] = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            dtype=dtype,
            trainable=False,
            autocast=False,
            name=name,
        )

        self.given[name] = value

    def read(self, name):
        """The value as a Python number, exactly as given where it still holds."""
        value = keras.ops.convert_to_numpy(_away.read(self.values[name]))
        given = self.given[name]
        return given if value.dtype.type(given) == value else value.item()

    def write(self, name, value):
        """Assigns a new value, also in a callback while the model is trained."""
        _away.assign(self.values[name], value)
        self.given[name] = value

    def __contains__(self, name):
        return name in self.values

    def __getitem__(self, name):
        return self.values[name]

    def _named(self):
        return {**self.values, "seed": self.generator.state}

    def save_own_variables(self, store):
        for name, variable in self._named().items():
            store[name] = keras.ops.convert_to_numpy(_away.read(variable))

    def load_own_variables(self, store):
        for name, variable in self._named().items():
            if name in store:
                value = np.asarray(store[name])
                if name == "seed":
                    # Two unsigned 32-bit words, whatever integer the backend
                    # that wrote them, or this one, keeps them in.
                    value = value.astype("uint32")
                    dtype = keras.backend.standardize_dtype(variable.dtype)
                    value = value.astype(dtype)
                variable.assign(value)
