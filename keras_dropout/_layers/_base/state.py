"""What a noise layer remembers: its live values, its step and its seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_dropout import _away, _keras
from keras_dropout._layers._base.checked import CheckedVariable
from keras_dropout._validation import invalid

# How many numbers an entry of the state has at most: the two words of a seed.
_MOST = 2


class NoiseState(keras.layers.Layer):
    """The state of one noise layer, kept out of the layer's weights.

    It is a Keras layer that is never called: as such Keras saves and restores it
    by itself, in a place of its own in the file. So a weights file of
    `keras.layers.Dropout` loads into ours, where the state is then left as it
    was, and ours loads into Keras's layer, which does not look for the state.

    Attributes:
        sources: The source of each live value, by name.
        step: The variable that counts the steps, or `None` if nothing asks for them.
    """

    def __init__(self, owner: str, generator: keras.random.SeedGenerator) -> None:
        # A model may have several layers with the same name, and its state tree needs
        # different names.
        before = keras.backend.get_uid(f"{owner}_state") - 1
        name = f"{owner}_state_{before}" if before else f"{owner}_state"
        super().__init__(name=name, trainable=False, dtype="float32")
        # Into `__dict__`, past Keras's tracking: the layer that owns this state
        # tracks the generator, and what is saved is keyed by name below.
        own = {"owner": owner, "sources": {}, "step": None, "generator": generator}
        self.__dict__.update(own)
        self.numbers: list[CheckedVariable] = []

    def create(
        self, name: str, value: float, dtype: str = "float32"
    ) -> CheckedVariable:
        """Adds one variable to the state."""
        with keras.name_scope(self.name, caller=self):
            variable = CheckedVariable(
                keras.initializers.Constant(value),
                shape=(),
                dtype=dtype,
                trainable=False,
                autocast=False,
                name=name,
            )
        # In a list that Keras tracks.
        self.numbers.append(variable)
        return variable

    def count_steps(self) -> keras.Variable:
        """The variable that counts the steps, which the first to ask for it adds."""
        if self.step is None:
            self.__dict__["step"] = self.create("step", 0, dtype="int32")
        return self.step

    def save_own_variables(self, store: Any) -> None:
        for source in self.sources.values():
            for name, value in source.saved().items():
                store[name] = np.float64(value)
        if self.step is not None:
            store["step"] = _away.read(self.step)
        words = _away.read(self.generator.state)
        # Two unsigned words of 32 bits, whatever the backend keeps them in.
        store["seed"] = words.astype("uint32")

    def load_own_variables(self, store: Any) -> None:
        """Takes over a saved state, checked as what a person assigns is."""
        names = store.keys()  # which is all that each store of Keras has
        try:
            entries = {name: _small(name, store[name]) for name in names}
            takes = [source.loaded(entries) for source in self.sources.values()]
            takes += [self._loaded_step(entries), self._loaded_seed(entries)]
        except (TypeError, ValueError) as error:
            raise self.refusal(store, error) from error
        for take in takes:
            take()

    def refusal(self, store: Any, reason: Exception) -> ValueError:
        """The error that names the file and the layer with the invalid value."""
        file = _keras.file_of(store)
        place = f" in the file {file!r}" if file else ""
        text = f"The saved state of layer {self.owner!r}{place} is not valid. {reason}"
        return ValueError(text)

    def _loaded_step(self, entries: Mapping[str, np.ndarray]) -> Callable[[], None]:
        if self.step is None or "step" not in entries:
            return lambda: None
        step = entries["step"]
        if step.shape != () or step.dtype.kind not in "iu" or not 0 <= step < 1 << 31:
            raise ValueError(invalid("step", "one integer in [0, 2**31)", step))
        return lambda: self.step.assign(step.astype("int32"))

    def _loaded_seed(self, entries: Mapping[str, np.ndarray]) -> Callable[[], None]:
        if "seed" not in entries:
            return lambda: None
        words, state = entries["seed"], self.generator.state
        integers = words.shape == (2,) and words.dtype.kind in "iu"
        if not integers or not all(0 <= word < 1 << 32 for word in words.tolist()):
            raise ValueError(invalid("seed", "two integers in [0, 2**32)", words))
        dtype = keras.backend.standardize_dtype(state.dtype)
        return lambda: state.assign(words.astype("uint32").astype(dtype))


def _small(name, entry):
    """An entry of a file as an array. A size of terabytes is not even read."""
    if np.prod(getattr(entry, "shape", ()), dtype="float64") > _MOST:
        expected = f"at most {_MOST} numbers"
        raise ValueError(invalid(name, expected, f"the shape {entry.shape}"))
    return np.asarray(entry)
