"""Several dropout masks before one head."""

from __future__ import annotations

from typing import Any, Literal, Self, Unpack

import keras
from keras import ops

from keras_dropout import _validation
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.wrapper import build_within
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor, Tensors
from keras_dropout._validation import invalid


@registered
class MultiSampleDropout(BernoulliLayer):
    r"""Applies several dropout masks before one head, and averages its outputs.

    In training, with $M$ masks $m_k \sim \mathrm{Bernoulli}(1 - p)$ for each row,

    $$y = \frac{1}{M} \sum_{k=1}^M f\!\left(\frac{m_k}{1 - p} \odot x\right),$$

    and at inference $y = f(x)$. The layers before the head are computed once for all
    $M$ masks. The paper averages the losses instead of the outputs: use
    `reduction="stack"` with [keras_dropout.losses.MultiSampleLoss][] for this. Each
    sample of a Monte Carlo prediction has one mask.

    Args:
        head: The Keras layer or model $f$ after the dropout, of one input and output.
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live.
        samples: Integer, the number $M$ of masks.
        reduction: `"mean"` averages the outputs. `"stack"` returns all of them on axis
            1; at inference these are $M$ equal outputs.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the head, of a float dtype. The output has the shape `(batch, ...)` of
        the head's output, or `(batch, samples, ...)` with `reduction="stack"`.

    Raises:
        TypeError: `head` is not a layer, `rate` is not a number, or `samples` is not
            an integer.
        ValueError: `rate` lies outside `[0, 1]`, `samples` below 1, or `reduction` is
            unknown.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> head = keras.layers.Dense(3)
        >>> layer = layers.MultiSampleDropout(head, 0.5, samples=4, reduction="stack")
        >>> tuple(layer(ops.ones((2, 8)), training=True).shape)
        (2, 4, 3)

    References:
        - Inoue, 2019, [Multi-Sample Dropout for Accelerated Training and Better
          Generalization](https://arxiv.org/abs/1905.09788)
    """

    def __init__(
        self,
        head: keras.layers.Layer,
        rate: Rate = 0.5,
        samples: int = 8,
        reduction: Literal["mean", "stack"] = "mean",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        if not isinstance(head, keras.layers.Layer):
            raise TypeError(invalid("head", "a Keras layer", head))
        super().__init__(rate, seed=seed, **kwargs)
        self.head = head
        self.samples: int = _validation.integer("samples", samples, minimum=1)
        choices = ("mean", "stack")
        self.reduction: Literal["mean", "stack"] = _validation.choice(
            "reduction", reduction, choices
        )

    def build(self, input_shape: Shape) -> None:
        if not self.head.built:
            build_within(self, self.head, input_shape)

    def call(self, inputs: Tensors, training: bool | None = False) -> Tensor:
        self.check_inputs(inputs)
        if not self.is_noisy(training):
            return self.infer(inputs)
        if not training:
            return self._repeated(self.head(self.perturb(inputs)))
        # All masks in one call of the head, row by row.
        rows = self.perturb(ops.repeat(inputs, self.samples, axis=0))
        outputs = self.head(rows)
        shape = ops.shape(outputs)
        outputs = ops.reshape(outputs, (-1, self.samples, *shape[1:]))
        self.advance(training)
        if self.reduction != "mean":
            return outputs
        # In float32, as in Keras. `torch.compile` cannot trace how Keras chooses it.
        dtype = keras.backend.standardize_dtype(outputs.dtype)
        wide = dtype if dtype == "float64" else "float32"
        return ops.cast(ops.mean(ops.cast(outputs, wide), axis=1), dtype)

    def infer(self, x: Tensor) -> Tensor:
        return self._repeated(self.head(x))

    def _repeated(self, outputs):
        if self.reduction == "mean":
            return outputs
        return ops.repeat(ops.expand_dims(outputs, 1), self.samples, axis=1)

    def without_noise(self) -> keras.layers.Layer | None:
        return self.head if self.reduction == "mean" else self

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        self.check_inputs(inputs)
        spec = self.head.compute_output_spec(inputs)
        return keras.KerasTensor(self._joined(spec.shape), spec.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._joined(self.head.compute_output_shape(input_shape))

    def _joined(self, shape):
        batch, *rest = shape
        own = () if self.reduction == "mean" else (self.samples,)
        return (batch, *own, *rest)

    def get_config(self) -> Config:
        own = {
            "head": keras.saving.serialize_keras_object(self.head),
            "samples": self.samples,
            "reduction": self.reduction,
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        head = keras.saving.deserialize_keras_object(config["head"])
        return super().from_config({**config, "head": head})
