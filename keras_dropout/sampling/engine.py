"""Samples one model: owns its plan and the functions compiled for it."""

from __future__ import annotations

import dataclasses
import functools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout import _model
from keras_dropout._typing import Tensors
from keras_dropout.graph.endings import endings
from keras_dropout.random import context
from keras_dropout.random.schemes import Arrangement, Places
from keras_dropout.sampling import (
    backends,
    loops,
    nested,
    noise,
    outputs,
    seen,
    sizes,
    summaries,
)
from keras_dropout.sampling.activation import activated, replayed
from keras_dropout.sampling.fingerprint import Fingerprint
from keras_dropout.sampling.fixed import fixed_rows
from keras_dropout.sampling.functions import traced_anew
from keras_dropout.sampling.meeting import Learned, meet
from keras_dropout.sampling.plan import Plan, has_own_predict_step
from keras_dropout.sampling.sources import Noise
from keras_dropout.sampling.summaries import Running, Summing

# Compiled for one model, the latest of them: old choices of layers and outputs go.
_KEPT = 8
# Rows of the first batch that are looked at.
_LOOKED = 32
_engines = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def engine(model: keras.Model, noises: Sequence[Noise], **options: Any) -> Engine:
    """The engine for these noises of this model, built only once."""
    key = (
        noise.constants(noises),
        tuple(id(layer) for layer in _model.flatten_layers(model)[1:]),
        # Quantization and LoRA put others in their places.
        tuple(id(variable) for variable in model.variables),
        repr(sorted(options.items())),
    )
    with _lock:
        built = _engines.setdefault(model, {})
        found = built.pop(key, None)
        if found is None or found.is_outdated(model):
            found = Engine(model, noises, **options)
        built[key] = found
        while len(built) > _KEPT:
            del built[next(iter(built))]
    return found


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What one call of a model gave.

    Attributes:
        heads: List of `Head`s, the outputs.
        structure: How the outputs are nested.
        active: The names of the layers that were noisy.
    """

    heads: list[Any]
    structure: object
    active: tuple[str, ...]


class Engine:
    """Samples one model with one choice of noises.

    Args:
        model: A built Keras model. The engine does not keep it alive.
        noises: The noises that are on.
        masks: One of `schemes.SCHEMES`.
        told: What the outputs are, as in `outputs.heads`.
        keep: Whether the samples themselves are wanted, as in `Settings`.
    """

    def __init__(
        self,
        model: keras.Model,
        noises: Sequence[Noise],
        masks: str,
        told: Any,
        keep: Any,
    ) -> None:
        self._model = weakref.ref(model)
        # Keeps the layers alive, and so their ids unique.
        self.layers: list[keras.layers.Layer] = _model.flatten_layers(model)[1:]
        self.noises: list[Noise] = list(noises)
        self._numbers = noise.numbers(noises)
        self.masks, self._told = masks, told
        self._summing = Summing(masks, keep)
        self._fingerprint = Fingerprint(model, self._numbers)
        self.plan: Plan = Plan(model, noises)
        self.seeded: list[keras.random.SeedGenerator] = noise.generators(model, noises)
        self.generators: int = len(self.seeded)
        self.apart: np.ndarray = noise.apart(self.seeded, noises)
        # A reference to each variable also keeps its id unique.
        self.variables: list[keras.Variable] = model.variables
        # Where no layer runs before the noise, compiling would take longer.
        if self.plan.has_prefix:
            self._prefix = backends.compiled(
                self.plan.prefix, self.variables, self.seeded
            )
        else:
            self._prefix = backends.eager(self.plan.prefix, (), ())
        self._compile()
        self._learned = None
        # What each output is, `None` where that is not known; or `None` for all.
        self._endings = None
        self.is_open = outputs.needs_look(told)
        if self.is_open and not has_own_predict_step(model):
            self._endings = endings(model)
            self.is_open = self._endings is None or None in self._endings
        self._meeting = threading.Lock()

    def is_outdated(self, model: keras.Model) -> bool:
        """Whether attributes of layers have changed since the engine was built."""
        return self._fingerprint.differs(model)

    @property
    def learned(self) -> Learned | None:
        """What `learn` found out, or `None` before it was called."""
        return self._learned

    def learn(self, inputs: Tensors) -> Any:
        """What holds for the model, tried out on some rows when it is first met."""
        with self._meeting:
            if self.is_open and self.look(inputs):
                self._learned = None
            if self._learned is None:
                self._learned = meet(self, self._model(), inputs)
                # What a first call changes in a layer is no change by a person.
                self._fingerprint.settle(self._model())
        return self._learned

    def look(self, inputs: Tensors) -> bool:
        """Sees in outputs without noise what cannot be read. Returns whether it did.

        As long as there are too few rows to tell, it is open, and further ones may.
        """

        def call(inputs):
            with context.silence(), replayed(self.noises):
                return keras.tree.flatten(self.plan.whole(inputs))

        before = self._endings
        most = fixed_rows(self._model()) or _LOOKED
        few = nested.mapped(lambda x: x[:most], inputs)
        try:
            results = backends.run_once(call, self.variables, few)
        except Exception:
            # A model may take a batch only as a whole; else this raises again.
            results = backends.run_once(call, self.variables, inputs)
        saw = list(map(seen.probabilities, results))
        read = before or [None] * len(saw)
        self._endings = [a or b for a, b in zip(read, saw, strict=True)]
        self.is_open: bool = None in self._endings
        if self._endings == before:
            return False
        # What was compiled took the outputs for plain values.
        self._compile()
        return True

    def _compile(self):
        state = self.variables, self.seeded
        self._summarised = backends.compiled(self._summaries, *state, data=2)
        self._drawn = backends.compiled(self._parts, *state, data=2)
        self._whole = backends.compiled(self._without_noise, *state)

    def prefix(self, inputs: Tensors) -> Any:
        """What is computed once for these inputs."""
        rows = self._open_rows(inputs)
        return self._prefix(self._no_seeds(), inputs, rows=rows)

    def quiet(self, inputs: Tensors) -> Any:
        """What the model gives without noise, as `Model.predict` has it.

        Returns:
            A list with a dictionary for each head: `values`, and where there are any
            `noise_variance` and `valid`.
        """
        return self._whole(self._no_seeds(), inputs, rows=self._open_rows(inputs))

    def _no_seeds(self):
        return np.zeros((self.generators, 2), np.int64)

    def _open_rows(self, inputs):
        """How many rows there are, if what is compiled may serve other numbers."""
        is_open = self._learned is not None and self._learned.fills
        return nested.rows(inputs) if is_open else None

    def _without_noise(self, inputs):
        with context.silence(), traced_anew():
            results = self.plan.whole(inputs)
        heads = outputs.heads(self._model(), self._told, results, self._endings)
        return [summaries.parts(head) for head in keras.tree.flatten(heads)]

    def chunk(self, prepared: Any, seeds: Any, kept: Any, first: Any) -> Running:
        """Starts to draw some samples.

        Args:
            prepared: What `prefix` gave.
            seeds: Integer array (generators, 2).
            kept: Boolean array, which of the samples count.
            first: The number of the first sample.
        """
        features = prepared[0] if self.plan.is_whole else prepared[0][-1]
        rows = self._open_rows(features)
        # Counted here, it is no part of what is compiled.
        count = np.float32(np.sum(kept))
        numbers = noise.told(self._numbers)
        arguments = seeds, *prepared, kept, count, np.int32(first), numbers
        if not self._is_few(features, kept):
            return Running(self._summarised(*arguments, rows=rows))
        measures = self._learned.measures
        finish = functools.partial(self._summing.on_host, measures=measures, kept=kept)
        return Running(self._drawn(*arguments, rows=rows), finish)

    def _is_few(self, features, kept):
        """Whether a call gives so few numbers that the host sums them up."""
        rows = sizes.filled(nested.rows(features))
        return len(kept) * rows * self._learned.numbers <= summaries.FEW

    def _summaries(self, features, masks, kept, count, first, numbers):
        arrangement = self.arrangement(features, kept.shape[0], first)
        drawn = self.draw(features, masks, arrangement, numbers)
        return self.summaries(drawn, arrangement, kept, count)

    def _parts(self, features, masks, kept, count, first, numbers):
        arrangement = self.arrangement(features, kept.shape[0], first)
        drawn = self.draw(features, masks, arrangement, numbers)
        return [summaries.parts(head) for head in drawn.heads]

    def arrangement(
        self, features: Any, samples: int, first: Any, places: Any = None
    ) -> Arrangement:
        """How the rows of these samples are arranged."""
        if places is None:
            places = Places(self._learned.axes if self._learned else None)
        rows = self.plan.rows(features)
        return Arrangement(samples, rows, self.masks, first, places)

    def draw(
        self, features: Any, masks: Any, arrangement: Any, numbers: Any = None
    ) -> Drawn:
        """Runs the suffix, in whatever scope holds the seeds.

        Args:
            features: The first result of the plan's prefix.
            masks: The second.
            arrangement: The arrangement of the samples.
            numbers: What to take for the numbers of `noise.numbers`, as `noise.told`
                gives it, or `None` for what they are.
        """
        if numbers is not None:
            numbers = noise.by_place(self._numbers, numbers)
        with activated(self.noises, arrangement, numbers):
            results = self.plan.suffix(features, masks, arrangement.samples)
            noted = {id(layer) for layer in context.noted()}
        loops.states(self.seeded)
        heads = outputs.heads(self._model(), self._told, results, self._endings)
        return Drawn(
            heads=keras.tree.flatten(heads),
            structure=keras.tree.map_structure(lambda head: None, heads),
            active=tuple(each.name for each in self.noises if id(each.layer) in noted),
        )

    def summaries(
        self, drawn: Any, arrangement: Any, kept: Any, count: Any = None
    ) -> list[dict[str, Any]]:
        """The summary of each head, a dictionary of arrays."""
        samples, rows = arrangement.samples, arrangement.rows
        return self._summing.within(drawn.heads, samples, rows, kept, count)
