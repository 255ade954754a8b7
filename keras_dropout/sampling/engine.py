"""Samples one model: owns its plan and the functions compiled for it."""

import threading
import weakref

import keras
import numpy as np
from keras import ops

from keras_dropout import _model
from keras_dropout.random.schemes import Arrangement
from keras_dropout.sampling import backends, noise, outputs
from keras_dropout.sampling.activation import activated
from keras_dropout.sampling.plan import Plan
from keras_dropout.uncertainty import statistics

# Compiled for one model, the latest of them: old choices of layers and outputs go.
_KEPT = 8
_engines = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def engine(model, noises, **options):
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
        found = built.pop(key, None) or Engine(model, noises, **options)
        built[key] = found
        while len(built) > _KEPT:
            del built[next(iter(built))]
    return found


class Engine:
    """Samples one model with one choice of noises.

    Args:
        model: A built Keras model. The engine does not keep it alive.
        noises: The noises that are on.
        masks: One of `sampling.SCHEMES`.
        told: What the outputs are, as in `outputs.heads`.
        keep: Whether the samples themselves are wanted.
    """

    def __init__(self, model, noises, masks, told, keep):
        self._model = weakref.ref(model)
        # Keeps the layers alive, and so their ids unique.
        self._layers = _model.flatten_layers(model)[1:]
        self._noises = list(noises)
        self._numbers = noise.numbers(noises)
        self._masks, self._told, self._keep = masks, told, keep
        self.plan = Plan(model, noises)
        generators = self._generators = _model.seed_generators(model)
        self.generators = len(generators)
        # A reference to each variable also keeps its id unique.
        state = model.variables, generators
        self._prefix = backends.compiled(self.plan.prefix, *state)
        self._chunk = backends.compiled(self.sample, *state)
        # Known once the model's outputs have been seen.
        self.structure = self.kinds = self.measures = None
        self.active = ()

    def prefix(self, inputs):
        """What is computed once for these inputs."""
        seeds = np.zeros((self.generators, 2), np.int64)
        return self._prefix(seeds, inputs)

    def chunk(self, prepared, words, kept, first):
        """Summaries of some samples, as a flat list with one for each head.

        Args:
            prepared: What `prefix` gave.
            words: Integers that the seeds are hashed from.
            kept: Boolean array, which of the samples count.
            first: The number of the first sample.
        """
        seeds = backends.derive_seeds(words, self.generators)
        numbers = np.array([getattr(*each) for each in self._numbers], np.float32)
        return self._chunk(seeds, *prepared, kept, np.int32(first), numbers)

    def sample(self, features, masks, kept, first, numbers=None):
        """Summaries of some samples, in whatever scope holds the seeds.

        Args:
            features: The first result of the plan's prefix.
            masks: The second.
            kept: As in `chunk`.
            first: As in `chunk`, or a scalar tensor.
            numbers: What to take for the rates of Keras's layers, an array, or
                `None` for what they are.
        """
        samples = kept.shape[0]
        rows = self.plan.rows(features)
        arrangement = Arrangement(samples, rows, self._masks, first)
        if numbers is not None:
            places = [(id(instance), name) for instance, name in self._numbers]
            numbers = {place: numbers[at] for at, place in enumerate(places)}
        with activated(self._noises, arrangement, numbers):
            before = [generator.state.value for generator in self._generators]
            results = self.plan.suffix(features, masks, samples)
            self.active = self._drawn(before)
        heads = outputs.heads(self._model(), self._told, results)
        flat = keras.tree.flatten(heads)
        self.structure = keras.tree.map_structure(lambda head: None, heads)
        self.kinds = [head.kind for head in flat]
        self.measures = [head.measure for head in flat]
        return [self._summary(head, kept, samples, rows) for head in flat]

    def _drawn(self, before):
        """The names of the noises whose seeds have advanced since."""
        drawn = {
            id(generator)
            for generator, state in zip(self._generators, before, strict=True)
            if generator.state.value is not state
        }
        return tuple(
            each.name
            for each in self._noises
            if not drawn.isdisjoint(map(id, _model.seed_generators(each.layer)))
        )

    def _summary(self, head, kept, samples, rows):
        def unfold(x):
            size, wanted = x.shape[0] if len(x.shape) else 1, kept.shape[0] * rows
            if isinstance(wanted, int) and size not in (None, wanted):
                raise ValueError(
                    "Every output of `model` must have one row for each row of `x`. "
                    f"Received: {size} rows for {wanted}"
                )
            return ops.reshape(x, (samples, rows, *ops.shape(x)[1:]))

        values = unfold(head.values)
        spread = head.noise_variance
        block = {"antithetic": min(2, samples), "stratified": samples}
        summary = statistics.summarise(
            values,
            kept,
            head.measure,
            ops,
            block=block.get(self._masks, 1),
            noise_variance=None if spread is None else unfold(spread),
        )
        if self._keep:
            summary["samples"] = values
        if head.mask is not None:
            summary["mask"] = unfold(head.mask)[0]
        return summary
