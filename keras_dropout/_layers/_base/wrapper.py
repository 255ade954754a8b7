"""Noise layers around a layer that is used as it is."""

from __future__ import annotations

import inspect
from typing import Any, Self, Unpack

import keras

from keras_dropout import _model
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import NoiseOptions
from keras_dropout._typing import Config, Shape, Tensor, Tensors
from keras_dropout._validation import invalid


class NoiseWrapper(NoiseLayer):
    """Base of the layers that add noise to what another layer does.

    The wrapped layer is used as it is, never rebuilt, and at inference the output is
    its own, bit for bit, unless a subclass says otherwise in `infer`. A subclass writes
    `perturb(x, **kwargs)`, the noisy output.

    Args:
        layer: A Keras layer, built or not. It may be a model.
        **kwargs: Arguments of `NoiseLayer`: `seed`, `monte_carlo`, `name`, `dtype`, ...
    """

    def __init__(
        self, layer: keras.layers.Layer, **kwargs: Unpack[NoiseOptions]
    ) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(invalid("layer", "a Keras layer", layer))
        kwargs.setdefault("dtype", _model.float_policy(layer))
        # The wrapped layer casts its inputs, or leaves them as they are.
        super().__init__(autocast=False, **kwargs)
        self.layer = layer
        self.supports_masking: bool = layer.supports_masking
        self._takes = frozenset(inspect.signature(layer.call).parameters)

    def build(self, input_shape: Shape) -> None:
        if not self.layer.built:
            build_within(self, self.layer, input_shape)
        # Some wrappers compute by themselves what the layer does, so Keras checks the
        # inputs here as it would there.
        self.input_spec: Any = self.layer.input_spec

    def call(
        self,
        inputs: Tensors,
        training: bool | None = False,
        mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        kwargs = self._accepted(mask=mask, **kwargs)
        if not self.is_noisy(training):
            return self.infer(inputs, **kwargs)
        outputs = self.perturb_call(inputs, training, **kwargs)
        self.advance(training)
        return outputs

    def perturb_call(self, x: Tensor, training: bool | None, **kwargs: Any) -> Tensor:
        """The noisy output, for layers that have other noise in training."""
        return self.perturb(x, **kwargs)

    def infer(self, x: Tensor, **kwargs: Any) -> Tensor:
        return self.layer(x, **kwargs)

    def without_noise(self) -> keras.layers.Layer | None:
        return self.layer

    def _accepted(self, mask: Tensor | None = None, **kwargs: Any) -> dict[str, Any]:
        if mask is not None and "mask" in self._takes:
            kwargs["mask"] = mask
        return kwargs

    def compute_output_spec(
        self, inputs: Tensors, training: bool | None = False, **kwargs: Any
    ) -> Any:
        return self.layer.compute_output_spec(inputs, **self._accepted(**kwargs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.layer.compute_output_shape(input_shape)

    def compute_mask(
        self, inputs: Tensors, previous_mask: Tensor | None = None
    ) -> Tensor:
        return self.layer.compute_mask(inputs, previous_mask)

    def get_config(self) -> Config:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})


def build_within(owner: NoiseLayer, layer: keras.layers.Layer, shape: Shape) -> None:
    """Builds a layer within another, or says that the inputs lack an axis."""
    try:
        layer.build(shape)
    except IndexError as error:
        raise ValueError(
            f"{type(owner).__name__} needs inputs that fit the layer {layer.name!r}, "
            f"which needs more axes. Received: an input of shape {shape} in layer "
            f"{owner.name!r}"
        ) from error
