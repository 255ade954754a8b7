"""When a layer is noisy, and the rate, seed and configuration that it keeps."""

from __future__ import annotations

from typing import Any, Self, Unpack

import keras
from keras import ops

from keras_dropout import _bases, _keras, _validation, random
from keras_dropout._layers._base import direct_call, remat, seeds
from keras_dropout._layers._base.live import Live, live_names
from keras_dropout._layers._base.options import KerasOptions
from keras_dropout._layers._base.sources import Source
from keras_dropout._layers._base.state import NoiseState
from keras_dropout._registration import registered as registered
from keras_dropout._typing import Config, Seed, Shape, Tensor, Tensors
from keras_dropout.random import context


class NoiseLayer(_bases.Layer):
    """Base of all layers that add noise in training.

    A subclass writes `perturb(x)`, the noisy output, and, if it is not the
    identity, `infer(x)`, the output at inference. It draws with `self.key()` and
    the functions of `keras_dropout.random`.

    Args:
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run, or a
            `keras.random.SeedGenerator` to share.
        monte_carlo: Boolean. If true, the layer is noisy at inference as well, in
            `predict`, in `model(x)` and in `model(x, training=False)`.
        **kwargs: Arguments of `keras.layers.Layer`: `name`, `dtype`, `trainable`.
    """

    # Whether all rows of a call share the noise, as they do that of weights, so that
    # each sample of a prediction needs a call of its own.
    one_sample_per_call = False

    def __init__(
        self,
        seed: Seed = None,
        monte_carlo: bool = False,
        **kwargs: Unpack[KerasOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.monte_carlo: bool = _validation.boolean("monte_carlo", monte_carlo)
        seed = _validation.seed(seed)
        shared = isinstance(seed, keras.random.SeedGenerator)
        self.seed = seed
        self.seed_generator: keras.random.SeedGenerator = (
            seed if shared else random.new_generator(seed)
        )
        self.supports_masking = True
        _keras.mark_as_built(self)
        # Into `__dict__`, past Keras's tracking, for the layer to have no weights;
        # `variables` tells the trainers about it.
        self.__dict__["noise_state"] = NoiseState(self.name, self.seed_generator)

    def __setattr__(self, name: str, value: Any) -> None:
        live = getattr(type(self), name, None)
        if isinstance(live, Live):
            # Past Keras's tracking, which would keep a variable even if its value is
            # refused.
            live.__set__(self, value)
        else:
            super().__setattr__(name, value)

    @property
    def variables(self) -> list[keras.Variable]:
        """All state of the layer: the seed's, and the live values."""
        state = self.__dict__.get("noise_state")
        own = super().variables
        return own if state is None else own + state.variables

    def _track_variables(self) -> None:
        # Private in Keras, and called on PyTorch only: makes the parameters that
        # torch sees. Live values are no parameters, so they are hidden meanwhile.
        state = self.__dict__.pop("noise_state", None)
        super()._track_variables()
        if state is not None:
            self.__dict__["noise_state"] = state

    def is_noisy(self, training: bool | None) -> bool:
        """Whether this call adds noise. If so, it is noted where samples are drawn.

        An override of `call` asks here, whether or not its noise draws.
        """
        if context.is_on(self):
            context.note(self)
            return True
        return (bool(training) or self.monte_carlo) and not context.is_silenced()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        plain = type(self).call is NoiseLayer.call
        if plain and direct_call.is_enough(self, args, kwargs):
            # What Keras's own `__call__` calls in its midst.
            return super(keras.layers.Layer, self).__call__(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        """What Keras calls within `keras.RematScope`: `layer_call`, run twice.

        But once if it adds losses: TensorFlow would lose their gradients.
        """
        _keras.compute_parts_once(self)
        if self.adds_losses:
            return layer_call
        call = remat.fixed(layer_call, kwargs)
        return remat.open_only(super().rematerialized_call(call, *args, **kwargs))

    @property
    def adds_losses(self) -> bool:
        """Whether its call adds losses, other than its own `activity_regularizer`."""
        return any(
            each.activity_regularizer for each in _keras.flatten_layers(self)[1:]
        )

    def call(self, inputs: Tensors, training: bool | None = False) -> Tensor:
        self.check_inputs(inputs)
        if not self.is_noisy(training):
            return self.infer(inputs)
        outputs = self.perturb(inputs)
        self.advance(training)
        return outputs

    def perturb(self, x: Tensor) -> Tensor:
        """The noisy output."""
        raise NotImplementedError

    def infer(self, x: Tensor) -> Tensor:
        """The output at inference: the input itself, unless the paper differs."""
        return x

    def without_noise(self) -> keras.layers.Layer | None:
        """The layer that does what this one does at inference; `None` for nothing.

        It is the layer itself if its inference is not simply the input.
        """
        ours, plain = type(self), NoiseLayer
        identity = (ours.call, ours.infer) == (plain.call, plain.infer)
        return None if identity else self

    def current(self, name: str) -> Tensor:
        """A live value as a float32 tensor, for this step."""
        told = context.number(self, name)
        return self.source(name).tensor() if told is None else told

    def source(self, name: str) -> Source:
        """What is behind a live value: a number, a schedule or a trainable weight."""
        return self.noise_state.sources[name]

    def require_valid(self) -> None:
        """Refuses live values that came in past their checks. Reading checks them."""
        for source in self.noise_state.sources.values():
            source.read()

    @property
    def is_silent(self) -> bool:
        """Whether each strength of the noise is so small that it does nothing."""
        sources = self.noise_state.sources.values()
        strengths = [each for each in sources if each.live.is_silent is not None]
        return bool(strengths) and all(each.is_silent for each in strengths)

    def advance(self, training: bool | None = True) -> None:
        """Counts one training step, for schedules. Drawing a sample is none."""
        step = self.noise_state.step
        if step is not None and training and not context.is_active():
            random.once(self.noise_state, self._advance)

    def _advance(self) -> None:
        step = self.noise_state.step
        step.assign(ops.convert_to_tensor(step) + 1)

    def load_own_variables(self, store: Any) -> None:
        """Loads weights from a file. Those of learned values are checked."""
        sources = self.noise_state.sources.values()
        learned = [each for each in sources if each.weight is not None]
        before = [ops.convert_to_numpy(each.weight) for each in learned]
        super().load_own_variables(store)
        try:
            for each in learned:
                each.check_weight()
        except ValueError as error:
            for each, value in zip(learned, before, strict=True):
                each.weight.assign(value)
            raise self.noise_state.refusal(store, error) from error

    def key(self) -> Tensor:
        """The next key to draw with."""
        return random.next_key(self.seed_generator)

    def check_inputs(self, inputs: Tensors) -> None:
        """Refuses inputs that cannot have noise."""
        if inputs is None or isinstance(inputs, (list, tuple, dict)):
            raise ValueError(
                f"{type(self).__name__} needs one tensor. Received: a "
                f"{type(inputs).__name__} in layer {self.name!r}"
            )
        self.check_floats(inputs)

    def check_floats(self, *inputs: Any) -> None:
        """Refuses tensors that are not of floats."""
        for x in inputs:
            dtype = keras.backend.standardize_dtype(x.dtype)
            if not keras.backend.is_float_dtype(dtype):
                raise ValueError(
                    f"{type(self).__name__} needs floating-point inputs, since it "
                    f"scales or perturbs them. Cast them first, for example with "
                    f"`keras.ops.cast(x, 'float32')`. Received: dtype={dtype} in "
                    f"layer {self.name!r}"
                )

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        self.check_inputs(inputs)
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, self.compute_dtype), inputs
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        config = super().get_config()
        sources = self.noise_state.sources.items()
        live = {name: source.config() for name, source in sources}
        seed = seeds.serialized(self.seed, self)
        return {**config, **live, "seed": seed, "monte_carlo": self.monte_carlo}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        for name in live_names(cls):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        if "seed" in config:
            config["seed"] = seeds.deserialized(config["seed"], config.get("name"))
        return cls(**config)
