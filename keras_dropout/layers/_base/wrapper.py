"""Noise layers around a layer that is used as it is."""

import inspect

import keras

from keras_dropout import _model
from keras_dropout._validation import invalid
from keras_dropout.layers._base.noise_layer import NoiseLayer


class NoiseWrapper(NoiseLayer):
    """Base of the layers that add noise to what another layer does.

    The wrapped layer is used as it is, never rebuilt, and at inference the output is
    its own, bit for bit, unless a subclass says otherwise in `infer`. A subclass writes
    `perturb(x, **kwargs)`, the noisy output.

    Args:
        layer: A Keras layer, built or not. It may be a model.
        **kwargs: Of `NoiseLayer`: `seed`, `monte_carlo`, `name`, `dtype`, ...
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(invalid("layer", "a Keras layer", layer))
        kwargs.setdefault("dtype", _model.float_policy(layer))
        # What comes in is the wrapped layer's to cast, or to leave as it is.
        super().__init__(autocast=False, **kwargs)
        self.layer = layer
        self.supports_masking = layer.supports_masking
        self._takes = frozenset(inspect.signature(layer.call).parameters)

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
        # Some wrappers compute by themselves what the layer does, so Keras checks the
        # inputs here as it would there.
        self.input_spec = self.layer.input_spec

    def call(self, inputs, training=False, mask=None, **kwargs):
        kwargs = self._accepted(mask=mask, **kwargs)
        if not self.is_noisy(training):
            return self.infer(inputs, **kwargs)
        outputs = self.perturb_call(inputs, training, **kwargs)
        self.advance(training)
        return outputs

    def perturb_call(self, x, training, **kwargs):
        """The noisy output, for layers whose noise in training is another one."""
        return self.perturb(x, **kwargs)

    def infer(self, x, **kwargs):
        return self.layer(x, **kwargs)

    def without_noise(self):
        return self.layer

    def _accepted(self, mask=None, **kwargs):
        if mask is not None and "mask" in self._takes:
            kwargs["mask"] = mask
        return kwargs

    def compute_output_spec(self, inputs, training=False, **kwargs):
        return self.layer.compute_output_spec(inputs, **self._accepted(**kwargs))

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(self, inputs, previous_mask=None):
        return self.layer.compute_mask(inputs, previous_mask)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})
