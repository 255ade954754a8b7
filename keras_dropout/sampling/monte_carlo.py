"""A model that answers with its uncertainty."""

import keras
import numpy as np
from keras import ops

from keras_dropout import _model, _validation, random
from keras_dropout._registration import registered
from keras_dropout.layers._base.state import NoiseState
from keras_dropout.random import counter, schemes
from keras_dropout.sampling import noise, sizes
from keras_dropout.sampling.engine import engine
from keras_dropout.sampling.outputs import check
from keras_dropout.uncertainty import statistics

# For batches of unknown size, as in an exported model.
_ROWS = 32


@registered
class MonteCarlo(keras.Model):
    r"""Any model, with its mean prediction and uncertainty as outputs.

    A Keras model like others: `predict`, `save`, `export`. It shares the weights of
    the model within, and calls it as `mc_predict` does: only noise is on, and what no
    noise reaches is computed once. `compile`, `fit` and `evaluate` are those of the
    model within.

    Args:
        model: Any Keras model that has noise.
        samples: Integer of at least 2, the number of samples.
        masks: As in `mc_predict`; `"shared"` holds within one call.
        layers: Names of the layers whose noise is on, or `None` for all.
        outputs: As in `mc_predict`.
        max_rows: Integer, how many rows times samples to compute at once, or `None`, as
            in `mc_predict`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `name`, `dtype`, `trainable`.

    Output:
        A dictionary of arrays: `mean` and `std`; for class probabilities also
        `entropy`, `expected_entropy` and `mutual_information`, in nats; for
        `outputs="gaussian"` also the variances `epistemic` and `aleatoric`. If the
        model has several outputs, a structure like theirs of such dictionaries.

    Raises:
        TypeError: `model` is no Keras model, or `layers` are not names.
        ValueError: The model has no noise, or an argument is out of its range.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> server = kd.MonteCarlo(model, samples=10, seed=0)
        >>> answer = server.predict(np.ones((5, 4), "float32"), verbose=0)
        >>> sorted(answer)
        ['entropy', 'expected_entropy', 'mean', 'mutual_information', 'std']
        >>> answer["mean"].shape, answer["mutual_information"].shape
        ((5, 3), (5,))

    References:
        - Gal and Ghahramani, 2016, [Dropout as a Bayesian
          Approximation](https://arxiv.org/abs/1506.02142)
    """

    # `noise.find` asks for it, as it cannot import this class.
    is_sampler = True

    def __init__(
        self,
        model,
        samples=50,
        *,
        masks="independent",
        layers=None,
        outputs="auto",
        max_rows=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(model, keras.Model):
            raise TypeError(_validation.invalid("model", "a Keras model", model))
        self.model = model
        self.samples = _validation.integer("samples", samples, minimum=2)
        self.masks = _validation.choice("masks", masks, schemes.SCHEMES)
        if masks == "antithetic" and samples % 2:
            expected = "an even number for masks='antithetic', which come in pairs"
            raise ValueError(_validation.invalid("samples", expected, samples))
        self.layers_on = _names(layers)
        self.outputs_are = check(outputs)
        if max_rows is not None:
            max_rows = _validation.integer("max_rows", max_rows, minimum=1)
        self.max_rows = max_rows
        self.seed = _validation.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        # As in our layers: what Keras would not save, past its tracking.
        self.__dict__["noise_state"] = NoiseState(self.name, self.seed_generator)
        noise.require_some(model, self._noises())

    def _noises(self):
        found = noise.find(self.model)
        return noise.select(self.model, found, self.layers_on)

    @property
    def active(self):
        """The layers whose noise is on."""
        return tuple(each.name for each in self._noises())

    def call(self, inputs, training=None):
        if training:
            return self.model(inputs, training=True)
        if not self.model.built:
            self.model(inputs, training=False)
        noises = self._noises()
        noise.require_scheme(noises, self.masks)
        sampler = engine(
            self.model, noises, masks=self.masks, told=self.outputs_are, keep=False
        )
        size = self._samples_per_call(inputs, noises, sampler.plan)
        calls = -(-self.samples // size)
        summaries = self._all_calls(sampler, inputs, size, calls)
        noise.require_drawn(self.model, noises, sampler.active)
        blocks = {"antithetic": self.samples / 2, "stratified": calls}.get(self.masks)
        heads = [
            _finished(summary, kind, measure, float(self.samples), blocks)
            for summary, kind, measure in zip(
                summaries, sampler.kinds, sampler.measures, strict=True
            )
        ]
        return keras.tree.pack_sequence_as(sampler.structure, heads)

    def _samples_per_call(self, inputs, noises, plan):
        if noise.one_sample_per_call(noises):
            return 1
        rows = keras.tree.flatten(inputs)[0].shape[0]
        rows = rows if isinstance(rows, int) else _ROWS
        most = self.max_rows or sizes.max_rows(plan, inputs)
        return sizes.samples_per_call(self.samples, rows, most, self.masks)

    def _all_calls(self, sampler, inputs, size, calls):
        """The summaries of all samples, in a loop that the backend compiles."""
        key = random.next_key(self.seed_generator)
        generators = _model.seed_generators(self.model)
        # An inner scope does not see what an outer one says of variables.
        values = [
            (variable, ops.convert_to_tensor(variable))
            for variable in self.model.variables
        ]
        features, masks = sampler.plan.prefix(inputs)

        def one_call(call):
            states = self._states(key, call, size, len(generators))
            seeded = [(g.state, states[i]) for i, g in enumerate(generators)]
            first = call * size
            kept = ops.arange(size) + first < self.samples
            with keras.StatelessScope(values + seeded):
                heads = sampler.sample(features, masks, kept, first)
            return [{n: x for n, x in head.items() if n != "mask"} for head in heads]

        def add(call, total):
            pairs = zip(total, one_call(call), sampler.measures, strict=True)
            return [statistics.merge(*pair, ops) for pair in pairs]

        first = one_call(0)
        return first if calls == 1 else ops.fori_loop(1, calls, add, first)

    def _states(self, key, call, size, generators):
        """Seeds for one call, hashed from the model's own."""
        if self.masks == "shared":
            call = 0
        elif self.masks == "antithetic" and size == 1:
            call = call // 2
        places = np.arange(generators)
        words = counter.hashed(key, ops.zeros((generators,), "int32") + call, places)
        return ops.stack(words, axis=1)

    def compile(self, *args, **kwargs):
        """Compiles the model within."""
        self.model.compile(*args, **kwargs)

    def fit(self, *args, **kwargs):
        """Trains the model within."""
        return self.model.fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Evaluates the model within, without noise."""
        return self.model.evaluate(*args, **kwargs)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Exports for serving; each call of what is exported draws new samples."""
        if format == "onnx":
            raise ValueError(
                "ONNX has no random state, so an exported `MonteCarlo` would draw the "
                "same noise in every call, or none. Export with "
                "format='tf_saved_model', or export the model within and sample "
                "where Keras runs. Received: format='onnx'"
            )
        tensors = getattr(self.model, "inputs", None)
        if tensors and kwargs.get("input_signature") is None:
            kwargs["input_signature"] = [
                keras.InputSpec(shape=t.shape, dtype=t.dtype, name=t.name)
                for t in tensors
            ]
        if tensors and not self.built:
            self(tensors if len(tensors) > 1 else tensors[0])
        return super().export(filepath, format=format, **kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "samples": self.samples,
            "masks": self.masks,
            "layers": self.layers_on,
            "outputs": self.outputs_are,
            "max_rows": self.max_rows,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(**{**config, "model": model})


def _names(layers):
    names = [layers] if isinstance(layers, str) else layers
    if names is not None and not all(isinstance(name, str) for name in names):
        expected = "None or names of layers, which can be saved"
        raise TypeError(_validation.invalid("layers", expected, layers))
    return None if names is None else list(names)


def _finished(summary, kind, measure, count, blocks):
    """What the model answers about one output."""
    summary = {**summary, "count": count}
    if "blocks" in summary:
        summary["blocks"] = float(blocks)
    pooled = statistics.pool([summary], measure)
    mean, variance = pooled["mean"], pooled["variance"]
    answer = {"mean": mean}
    if measure in statistics.CLASSES:
        answer["entropy"] = statistics.entropy(mean, measure, ops)
        answer["mutual_information"] = pooled["information"]
        expected = answer["entropy"] - answer["mutual_information"]
        answer["expected_entropy"] = ops.maximum(expected, 0.0)
    if kind == "gaussian":
        answer["epistemic"], answer["aleatoric"] = variance, pooled["aleatoric"]
        variance = variance + pooled["aleatoric"]
    return {**answer, "std": ops.sqrt(variance)}
