"""Puts dropout on the low-rank branch of layers with LoRA, in place."""

import functools
import inspect

import keras

from keras_dropout import _keras, _validation, random
from keras_dropout._layers._base import seeds
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.state import NoiseState
from keras_dropout._layers.weights import _low_rank
from keras_dropout._layers.weights._lora_rate import LearnedBranchRate, masks_of
from keras_dropout._layers.weights._unmerged import Unmerged

_registered = keras.saving.register_keras_serializable("keras_dropout", "LoRADropout")
MODES = ("input", "weights")
# The attributes of a layer that became noisy. Past Keras's tracking, so that its
# weights, and what it is without the noise, stay as they were.
_OWN = ("monte_carlo", "seed", "seed_generator", "noise_state", "mode", "unmerged")


class LoRADropout:
    """What is put before the class of a layer with LoRA, for noise on its branch.

    Without noise the layer's own methods run. `adapted` is the class of the layer as
    it was.
    """

    noise_kind = "LoRADropout"
    rate: Live = Live(
        _validation.drop_rate, "The probability of dropping, a live float."
    )

    def called_by(self, plain, inputs, *args, training=None, **kwargs):
        """A call, where `plain` is what the class of the layer does."""
        told = {"training": training} if _takes_training(self.adapted) else {}
        if not self.is_noisy(training):
            return plain(self, inputs, *args, **told, **kwargs)
        if self.mode == "weights":
            keys = self.key(), self.key()
            outputs = _low_rank.with_dropped_weights(
                self, plain, self.current("rate"), keys, inputs, *args, **told, **kwargs
            )
        else:
            outputs = _low_rank.with_dropped_inputs(
                self, plain, masks_of(self), inputs, *args, **told, **kwargs
            )
        self.advance(training)
        return outputs

    def quantized_call(self, *args, **kwargs):
        return self.called_by(self.adapted.quantized_call, *args, **kwargs)

    @property
    def one_sample_per_call(self):
        """Whether all rows of a call share the noise, as they do that of weights."""
        return self.mode == "weights"

    @property
    def per(self):
        """What has a draw of its own."""
        return "batch" if self.mode == "weights" else "element"

    @property
    def variables(self):
        own = super().variables
        generator = self.__dict__.get("seed_generator")
        return own if generator is None else [*own, generator.state]

    @property
    def weights(self):
        return [*super().weights, *self.learned_weights()]

    def learned_weights(self):
        """The weight of a rate that is learned, past Keras's tracking as well."""
        state = self.__dict__.get("noise_state")
        sources = () if state is None else state.sources.values()
        return [each.weight for each in sources if each.weight is not None]

    @property
    def trainable(self):
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        NoiseLayer.trainable.fset(self, value)
        for weight in self.learned_weights():
            weight.trainable = bool(value)

    def _track_variables(self):
        super()._track_variables()
        for weight in self.learned_weights():
            _keras.note_parameter(self, weight)

    def without_noise(self):
        """The layer as it was, with the same weights."""
        plain = _keras.view_of(self, self.adapted)
        for name in _OWN:
            plain.__dict__.pop(name, None)
        return plain

    def compute_output_spec(self, *args, training=None, **kwargs):
        # Not by `super`, which for what a class leaves to `Layer` is the noise layer.
        return self.adapted.compute_output_spec(self, *args, **kwargs)

    def enable_lora(self, rank, lora_alpha=None, **kwargs):
        # Keras's layers lose `lora_alpha` when they are built again.
        alpha = self.lora_alpha if lora_alpha is None else lora_alpha
        super().enable_lora(rank, lora_alpha=alpha, **kwargs)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.without_noise())
        # This layer is built as a whole.
        layer.pop("build_config", None)
        return {
            "name": self.name,
            "layer": layer,
            "rate": self.source("rate").config(),
            "mode": self.mode,
            "seed": seeds.serialized(self.seed, self),
            "monte_carlo": self.monte_carlo,
        }

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        layer.name = config["name"]
        rate = config["rate"]
        if isinstance(rate, dict):
            rate = keras.saving.deserialize_keras_object(rate)
        elif isinstance(rate, list):
            rate = LearnedBranchRate(*rate)
        seed = seeds.deserialized(config["seed"], config["name"])
        monte_carlo = config["monte_carlo"]
        return adapt(layer, rate, config["mode"], seed=seed, monte_carlo=monte_carlo)


def is_adapted(layer):
    """Whether the branch of a layer has dropout."""
    return isinstance(layer, LoRADropout)


def adapt(layer, rate, mode, *, seed=None, monte_carlo=False):
    """Gives the branch of a layer dropout, in place, and returns the layer.

    Args:
        layer: A layer that `_low_rank.require_known` lets pass, built or not. If its
            branch has dropout already, that becomes another one, with the same seed.
        rate: Float in `[0, 1]`, a schedule or a `LearnedBranchRate`.
        mode: `"input"` or `"weights"`.
        seed: Integer in `[0, 2**31)`, a seed generator or `None`.
        monte_carlo: Boolean, whether there is noise at inference as well.
    """
    own = {"mode": _validation.choice("mode", mode, MODES)}
    if is_adapted(layer):
        generator, name = layer.seed_generator, layer.noise_state.owner
    else:
        seed, name = _validation.seed(seed), layer.name
        shared = isinstance(seed, keras.random.SeedGenerator)
        generator = seed if shared else random.new_generator(seed)
        monte_carlo = _validation.boolean("monte_carlo", monte_carlo)
        own.update(seed=seed, monte_carlo=monte_carlo, seed_generator=generator)
        own["unmerged"] = Unmerged(layer)
        _keras.adopt(layer, _class_for(type(layer)))
    own["noise_state"] = NoiseState(name, generator)
    layer.__dict__.update(own)
    layer.rate = rate
    for weight in layer.learned_weights():
        _keras.note_parameter(layer, weight)
    return layer


@functools.cache
def _class_for(cls):
    """A subclass of `cls` that has dropout on its branch."""

    def call(self, *args, **kwargs):
        return self.called_by(cls.call, *args, **kwargs)

    call.__signature__ = _signature(cls)
    own = {"adapted": cls, "call": call, "__module__": __name__, "__doc__": cls.__doc__}
    # The name of the class is part of the paths in a file of weights. Before the base
    # of noise layers: what both have is the layer's own.
    new = type(cls.__name__, (LoRADropout, cls, NoiseLayer), own)
    return _registered(new)


def _signature(cls):
    """That of the `call` of a class, which takes `training` as well."""
    signature = inspect.signature(cls.call)
    if _takes_training(cls):
        return signature
    told = inspect.Parameter("training", inspect.Parameter.KEYWORD_ONLY, default=None)
    known = list(signature.parameters.values())
    at = len(known) - (known[-1].kind is inspect.Parameter.VAR_KEYWORD)
    return signature.replace(parameters=[*known[:at], told, *known[at:]])


def _takes_training(cls):
    return "training" in inspect.signature(cls.call).parameters


# Keras finds the class of a saved layer by the registered name, which is one for all.
_class_for(keras.layers.Dense)
