"""When a layer is noisy, and the rate, seed and configuration that it keeps."""

import keras
from keras import ops

from keras_dropout import _keras, _validation, random
from keras_dropout._registration import registered as registered
from keras_dropout.layers._base import direct_call
from keras_dropout.layers._base.live import live_names
from keras_dropout.layers._base.state import NoiseState
from keras_dropout.random import context


class NoiseLayer(keras.layers.Layer):
    """Base of all layers that add noise in training.

    A subclass writes `perturb(x)`, the noisy output, and, if it is not the
    identity, `infer(x)`, the output at inference. It draws with `self.key()` and
    the functions of `keras_dropout.random`.

    Args:
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run, or a
            `keras.random.SeedGenerator` to share.
        monte_carlo: Boolean. If true, the layer is noisy at inference as well, in
            `predict`, in `model(x)` and in `model(x, training=False)`.
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.
    """

    # Whether all rows of a call share the noise, as they do that of weights, so that
    # each sample of a prediction needs a call of its own.
    one_sample_per_call = False

    def __init__(self, seed=None, monte_carlo=False, **kwargs):
        super().__init__(**kwargs)
        self.monte_carlo = _validation.boolean("monte_carlo", monte_carlo)
        seed = _validation.seed(seed)
        shared = isinstance(seed, keras.random.SeedGenerator)
        self.seed = seed
        self.seed_generator = seed if shared else keras.random.SeedGenerator(seed)
        self.supports_masking = True
        _keras.mark_as_built(self)
        # Into `__dict__`, past Keras's tracking, for the layer to have no weights;
        # `variables` tells the trainers about it.
        self.__dict__["noise_state"] = NoiseState(self.name, self.seed_generator)
        self.__dict__["schedules"] = {}

    @property
    def variables(self):
        """All state of the layer: the seed's, and the live values."""
        state = self.__dict__.get("noise_state")
        own = super().variables
        return own if state is None else own + state.variables

    def _track_variables(self):
        # Private in Keras, and called on PyTorch only: makes the parameters that
        # torch sees. Live values are no parameters, so they are hidden meanwhile.
        state = self.__dict__.pop("noise_state", None)
        super()._track_variables()
        if state is not None:
            self.__dict__["noise_state"] = state

    def is_noisy(self, training):
        """Whether this call adds noise. If so, it is noted where samples are drawn.

        An override of `call` asks here, whether or not its noise draws.
        """
        if context.is_on(self):
            context.note(self)
            return True
        return (bool(training) or self.monte_carlo) and not context.is_silenced()

    @property
    def is_silent(self):
        """Whether the noise has no effect at the values that its numbers have now.

        The numbers are taken as the layer uses them. A layer without live numbers is
        never silent.
        """
        names = live_names(type(self))
        return bool(names) and all(self.is_zero(name) for name in names)

    def is_zero(self, name):
        """Whether the live value `name` is a strength of 0, as it will be used."""
        value = self.now(name)
        if name == "rate":
            return float(random.keep_probability(value)) == 1.0
        return value == 0.0

    def now(self, name):
        """A live value as it stands in this step, in float32, as a Python float."""
        return float(ops.convert_to_numpy(self.current(name)))

    def __call__(self, *args, **kwargs):
        plain = type(self).call is NoiseLayer.call
        if plain and direct_call.is_enough(self, args, kwargs):
            # What Keras's own `__call__` calls in its midst.
            return super(keras.layers.Layer, self).__call__(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def call(self, inputs, training=False):
        self.check_inputs(inputs)
        if not self.is_noisy(training):
            return self.infer(inputs)
        outputs = self.perturb(inputs)
        self.advance(training)
        return outputs

    def perturb(self, x):
        """The noisy output."""
        raise NotImplementedError

    def infer(self, x):
        """The output at inference: the input itself, unless the paper differs."""
        return x

    def without_noise(self):
        """The layer that does what this one does at inference; `None` for nothing.

        It is the layer itself if its inference is not simply the input.
        """
        ours, plain = type(self), NoiseLayer
        identity = (ours.call, ours.infer) == (plain.call, plain.infer)
        return None if identity else self

    def current(self, name):
        """A live value as a float32 tensor, as it stands in this step."""
        schedule = self.schedules.get(name)
        if schedule is None:
            return self.noise_state[name].value
        step = ops.convert_to_tensor(self.noise_state["step"])
        return ops.cast(schedule(step), "float32")

    def advance(self, training=True):
        """Counts one training step, for schedules. Drawing a sample is none."""
        if training and not context.is_active() and "step" in self.noise_state:
            step = self.noise_state["step"]
            step.assign(step + 1)

    def key(self):
        """The next key to draw with."""
        return random.next_key(self.seed_generator)

    def check_inputs(self, inputs):
        """Refuses inputs that noise has no meaning for."""
        if inputs is None or isinstance(inputs, (list, tuple, dict)):
            raise ValueError(
                f"{type(self).__name__} needs one tensor. Received: a "
                f"{type(inputs).__name__} in layer {self.name!r}"
            )
        self.check_floats(inputs)

    def check_floats(self, *inputs):
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

    def compute_output_spec(self, inputs, *args, **kwargs):
        self.check_inputs(inputs)
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, self.compute_dtype), inputs
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        seed = self.seed
        if isinstance(seed, keras.random.SeedGenerator):
            # By this mark Keras knows in loading that other layers share it. It sets
            # the mark itself on all but the first.
            mark = {"shared_object_id": id(seed)}
            seed = {**keras.saving.serialize_keras_object(seed), **mark}
        live = {}
        for name in live_names(type(self)):
            schedule = self.schedules.get(name)
            live[name] = (
                getattr(self, name)
                if schedule is None
                else keras.saving.serialize_keras_object(schedule)
            )
        return {**config, **live, "seed": seed, "monte_carlo": self.monte_carlo}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("seed", *live_names(cls)):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
