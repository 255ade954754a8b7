"""LayerDrop: skipping a whole layer."""

from __future__ import annotations

from typing import Self, Unpack

import keras
from keras import ops

from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.wrapper import build_within
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor
from keras_dropout._validation import invalid


@registered
class LayerDrop(BernoulliLayer):
    r"""Wraps a layer and skips it at random, for the whole batch.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$, and at inference,

    $$y = m\, f(x) + (1 - m)\, x, \qquad y = f(x).$$

    Nothing is rescaled, so the mean in training, $(1 - p) f(x) + p\, x$, is not the
    output at inference. The network learns to work without the layer, so some layers
    can be removed from the trained network. The wrapped layer always runs, on every
    backend, and updates its state, such as that of batch normalisation. Only its output
    is not used.

    Args:
        layer: The layer instance to wrap. Its output has the shape of its input.
        rate: Float in `[0, 1]`, the probability $p$ that the layer is skipped, or a
            schedule. Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the wrapped layer, which takes one tensor. The output has the same.

    Raises:
        TypeError: `rate` is not a number, or `layer` not a layer.
        ValueError: `rate` lies outside `[0, 1]`, or the layer changes the shape.

    Examples:
        >>> from keras import layers as keras_layers, ops
        >>> from keras_dropout import layers
        >>> add = keras_layers.Rescaling(1.0, offset=3.0)
        >>> layer = layers.LayerDrop(add, 0.5, seed=0)
        >>> x = ops.full((1, 1), 2.0)
        >>> float(layer(x)[0, 0])
        5.0
        >>> sorted({float(layer(x, training=True)[0, 0]) for _ in range(64)})
        [2.0, 5.0]

    References:
        - Fan et al., 2020, [Reducing Transformer Depth on Demand with Structured
          Dropout](https://arxiv.org/abs/1909.11556)
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: Rate = 0.2,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(invalid("layer", "a Keras layer", layer))
        super().__init__(rate, seed=seed, **kwargs)
        self.layer = layer

    def build(self, input_shape: Shape) -> None:
        if not self.layer.built:
            build_within(self, self.layer, input_shape)
        output_shape = self.layer.compute_output_shape(input_shape)
        if tuple(output_shape) != tuple(input_shape):
            raise ValueError(
                "LayerDrop needs a layer whose output has the shape of its input, "
                "because a skipped layer returns its input. Received: "
                f"{self.layer.name!r}, from {tuple(input_shape)} to "
                f"{tuple(output_shape)}, in layer {self.name!r}"
            )
        self.built = True

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.one_per("batch", shape)

    def perturb(self, x: Tensor) -> Tensor:
        keep, _ = self.keep_mask(x)
        # The wrapped layer finds `training` in Keras's call context. No branch is
        # taken: on JAX the state of a layer cannot change inside one.
        outputs = self.layer(x)
        return ops.where(keep, outputs, ops.cast(x, outputs.dtype))

    def infer(self, x: Tensor) -> Tensor:
        return self.layer(x)

    def without_noise(self) -> keras.layers.Layer | None:
        return self.layer

    def get_config(self) -> Config:
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return super().from_config({**config, "layer": layer})
