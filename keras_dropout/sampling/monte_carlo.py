"""A model that answers with its uncertainty."""

from __future__ import annotations

import pathlib
from typing import Any, Self, Unpack

import keras

from keras_dropout import _bases, _validation, random
from keras_dropout._layers._base.options import ModelOptions
from keras_dropout._layers._base.state import NoiseState
from keras_dropout._registration import registered
from keras_dropout._typing import (
    Config,
    Data,
    Masks,
    Model,
    Outputs,
    Picks,
    Seed,
    Tensors,
)
from keras_dropout.graph.eager import numbers
from keras_dropout.sampling import calibrated, inputs, loop, made_up, nested, noise
from keras_dropout.sampling.calibrated import Calibrations
from keras_dropout.sampling.lending import Lender
from keras_dropout.sampling.member import Member, batch_size_of
from keras_dropout.sampling.sampler import build
from keras_dropout.sampling.served import prepared
from keras_dropout.sampling.settings import Settings
from keras_dropout.sampling.weights import held


@registered
class MonteCarlo(Lender, _bases.Model):
    r"""Wraps any model, with its mean prediction and uncertainty as outputs.

    It is a Keras model with `predict`, `save` and `export`. It shares the weights of
    the model that it wraps, and calls it as `mc_predict` does: only noise is on, and
    layers before the noise are computed once. `compile`, `fit` and `evaluate` are those
    of the wrapped model.

    Args:
        model: Any Keras model that has noise.
        samples: Integer of at least 2, the number of samples.
        masks: As in `mc_predict`; `"shared"` holds within one call.
        layers: Names of the layers whose noise is on, or `None` for all.
        outputs: As in `mc_predict`.
        max_rows: Integer, how many rows times samples to compute at once, or `None`, as
            in `mc_predict`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        calibration: Fitted objects of `keras_dropout.calibration`, a list in the order
            in which they were fitted, each on the result of the previous one; or
            `None`. They must have been fitted on predictions with the same number of
            samples and the same `masks`. For a model with several outputs, a dictionary
            of such lists by the names of the outputs, or a list of them in the order of
            the outputs, with `None` for outputs without calibration.
        **kwargs: `name`, `dtype`, `trainable`.

    Output:
        A dictionary of arrays: `mean` and `std`; for class probabilities also
        `entropy`, `expected_entropy` and `mutual_information`, in nats; for
        `outputs="gaussian"` also the variances `epistemic` and `aleatoric`. If the
        model has several outputs, such dictionaries in the structure of the outputs.
        With `calibration` the mean is the calibrated one, and there are also `set`
        (Booleans) of a `ConformalClassifier`, `lower` and `upper` of a
        `ConformalRegressor`, and `p_value` of an `OutlierDetector`. A randomized
        `ConformalClassifier` adds `uniform`, the numbers that it drew.

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
        model: Model,
        samples: int = 50,
        *,
        masks: Masks = "independent",
        layers: Picks = None,
        outputs: Outputs = "auto",
        max_rows: int | None = None,
        seed: int | None = None,
        calibration: Calibrations | None = None,
        **kwargs: Unpack[ModelOptions],
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(model, keras.Model):
            raise TypeError(_validation.invalid("model", "a Keras model", model))
        self.model = model
        self.settings: Settings = Settings(
            samples=_validation.integer("samples", samples, minimum=2),
            masks=masks,
            layers=_names(layers),
            outputs=outputs,
            max_rows=max_rows,
        )
        self.seed: Seed = _validation.seed(seed)
        self.seed_generator: keras.random.SeedGenerator = random.new_generator(
            self.seed
        )
        # As in our layers: what Keras would not save, past its tracking.
        self.__dict__["noise_state"] = NoiseState(self.name, self.seed_generator)
        self.__dict__["calibration"] = calibrated.checked(calibration)
        # How the outputs are nested, as soon as that was seen.
        self.__dict__["structure"] = None
        noise.require_some(model, self._noises())
        if model.built:
            self.learn()

    @property
    def samples(self) -> int:
        """How many samples an answer sums up."""
        return self.settings.samples

    @property
    def masks(self) -> str:
        """How the masks of the samples depend on each other, as in `mc_predict`."""
        return self.settings.masks

    def _noises(self):
        found = noise.find(self.model)
        return noise.select(self.model, found, self.settings.layers)

    @property
    def active(self) -> tuple[str, ...]:
        """The layers whose noise is on."""
        return tuple(each.name for each in self._noises())

    def call(self, inputs: Tensors, training: bool | None = None) -> Any:
        if training:
            return self.model(inputs, training=True)
        if not self.model.built:
            self.model(inputs, training=False)
        member = Member(self.model, self.settings, rows=inputs)
        if member.engine.is_open and all(
            numbers(each) is not None for each in nested.present(inputs)
        ):
            held([self.model], member.engine.look, inputs)
        key = random.next_key(self.seed_generator)
        more = [
            random.next_key(self.seed_generator)
            for _ in range(calibrated.chances(self.calibration))
        ]
        return held([self.model], self._answer, inputs, key, more)

    def _answer(self, inputs, key, more):
        member = Member(self.model, self.settings, rows=inputs)
        summaries, drawn, calls = loop.sampled(member, inputs, key)
        noise.require_drawn(self.model, member.noises, drawn.active)
        blocks = {"antithetic": self.samples / 2, "stratified": calls}.get(self.masks)
        heads = [
            calibrated.answer(summary, head, float(self.samples), blocks)
            for summary, head in zip(summaries, drawn.heads, strict=True)
        ]
        several = calibrated.by_output(self.calibration, self.model, drawn.structure)
        keys = iter(more)
        for each, found, head in zip(several, heads, drawn.heads, strict=True):
            calibrated.apply(each, found, head, self.settings, keys)
        return keras.tree.pack_sequence_as(drawn.structure, heads)

    def learn(self, x: Data = None) -> Any:
        """Tests the wrapped model, on rows of `x` or on made-up rows.

        This happens automatically when a built model is wrapped, and in `predict`. A
        call inside another compiled function cannot do it. Without it, such a call
        computes one sample at a time.

        Args:
            x: Arrays as the model takes them, or `None`.
        """
        rows = made_up.made_up(self.model) if x is None else inputs.arrays(x)
        if rows is not None:
            build(self.model, rows)
            held([self.model], self._learn, rows)

    def _learn(self, rows):
        member = Member(self.model, self.settings, rows=rows)
        member.learn(rows)
        self.__dict__["structure"] = member.engine.learned.structure
        if self.calibration and not member.engine.is_open:
            learned = member.engine.learned
            several = calibrated.by_output(
                self.calibration, self.model, learned.structure
            )
            for each, kind in zip(several, learned.kinds, strict=True):
                calibrated.require_fitting(each, kind, self.settings)

    def predict(
        self, x: Data, batch_size: int | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        if not inputs.is_source(x):
            self.learn(x)
            if batch_size is None and self.masks == "stratified":
                # Keras's 32 rows, or fewer where so many wide samples are joined.
                batch_size = min(32, held([self.model], self._batch_size, x))
        elif self.model.built:
            self.learn()
        return super().predict(x, batch_size, *args, **kwargs)

    def _batch_size(self, x):
        rows = inputs.arrays(x)
        return batch_size_of([Member(self.model, self.settings, rows=rows)], rows)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles the wrapped model."""
        self.model.compile(*args, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains the wrapped model."""
        return self.model.fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates the wrapped model, without noise."""
        return self.model.evaluate(*args, **kwargs)

    def export(
        self,
        filepath: str | pathlib.Path,
        format: str = "tf_saved_model",
        **kwargs: Any,
    ) -> Any:
        """Exports for serving. Each call of the exported model draws new samples.

        It takes inputs in the same structure as the model. Its answer is that of
        `predict`. The answer of a SavedModel with several outputs must be one flat
        dictionary: there `answer["a"][0]["mean"]` is called `"a_0_mean"`.

        Args:
            filepath: Where to write.
            format: `"tf_saved_model"`, or `"torch"` on PyTorch.
            **kwargs: As in `keras.Model.export`.

        Raises:
            ValueError: The format, such as `"onnx"` and `"litert"`, has no random
                state.
        """
        model, options = prepared(self, self.structure, format, kwargs)
        export = super().export if model is self else model.export
        return export(filepath, format=format, **options)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "samples": self.samples,
            "masks": self.masks,
            "layers": self.settings.layers,
            "outputs": self.settings.outputs,
            "max_rows": self.settings.max_rows,
            "seed": self.seed,
            "calibration": calibrated.serialized(self.calibration),
        }

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: dict[str, Any] | None = None
    ) -> Self:
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        calibration = calibrated.deserialized(config.get("calibration"), custom_objects)
        return cls(**{**config, "model": model, "calibration": calibration})


def _names(layers):
    names = [layers] if isinstance(layers, str) else layers
    if names is not None and not all(isinstance(name, str) for name in names):
        expected = "None or names of layers, which can be saved"
        raise TypeError(_validation.invalid("layers", expected, layers))
    return None if names is None else list(names)
