"""PatchDropout: leaving out a fixed number of tokens."""

from __future__ import annotations

import fractions
from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _bases, _keras, _validation, random
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor, Tensors


@registered
class PatchDropout(NoiseLayer):
    r"""Drops tokens of a sequence, the same number in each row.

    In training each row keeps $n = \max(1, \lfloor (1 - p) L \rfloor)$ of its $L$
    tokens, drawn without replacement. The prefix (the class token) is always kept. The
    sequence gets shorter, so the following layers are cheaper. Nothing is scaled. A
    token is kept with probability $n / L$. At inference $y = x$.

    Add the position embeddings before this layer. A Keras mask loses the entries of the
    dropped tokens. The rate is not live, because the shape of the output depends on it.
    The number of kept tokens is computed exactly: of 10 tokens at a rate of 0.9 it
    keeps 1. Other packages use `int(10 * (1 - 0.9))`, which is 0.

    Args:
        rate: Float in `[0, 1)`, the share $p$ of tokens that is dropped.
        num_prefix_tokens: Integer, the number of tokens at the beginning that are
            always kept, and not counted in $L$.
        ordered: Boolean. Whether the kept tokens stay in their order. By default they
            are shuffled, which does not matter for attention.
        return_indices: Boolean. Whether to return `(tokens, indices)`, with the
            positions that were kept, counted after the prefix, as int32 `(batch,
            kept)`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, tokens, features)`. In training the output has only the kept tokens. In
        a symbolic model its length is `None`.

    Raises:
        TypeError: `rate` is not a number, `num_prefix_tokens` not an integer.
        ValueError: `rate` lies outside `[0, 1)`, `num_prefix_tokens` is negative or
            more than there are tokens, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.PatchDropout(0.75, num_prefix_tokens=1, seed=0)
        >>> x = ops.ones((2, 1 + 196, 8))
        >>> tuple(layer(x, training=True).shape), tuple(layer(x).shape)
        ((2, 50, 8), (2, 197, 8))

    References:
        - Liu et al., 2023, [PatchDropout: Economizing Vision Transformers Using Patch
          Dropout](https://arxiv.org/abs/2208.07220)
        - Li et al., 2023, [Scaling Language-Image Pre-training via
          Masking](https://arxiv.org/abs/2212.00794)
    """

    def __init__(
        self,
        rate: float = 0.5,
        num_prefix_tokens: int = 1,
        ordered: bool = False,
        return_indices: bool = False,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self._rate = _validation.probability("rate", rate)
        if self._rate == 1:
            expected = "a float value between 0 and 1, below 1 (some token must stay)"
            raise ValueError(_validation.invalid("rate", expected, rate))
        self.num_prefix_tokens: int = _validation.integer(
            "num_prefix_tokens", num_prefix_tokens, minimum=0
        )
        self.ordered: bool = _validation.boolean("ordered", ordered)
        self.return_indices: bool = _validation.boolean(
            "return_indices", return_indices
        )

    @property
    def rate(self) -> float:
        """The share of tokens that is left out, fixed once the layer is built."""
        return self._rate

    @property
    def is_silent(self) -> bool:
        """Whether all tokens stay, where they are."""
        return self.rate == 0 and self.ordered

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        shapes.check_rank(self, inputs, 3)
        tokens = inputs.shape[1]
        if isinstance(tokens, int) and tokens < self.num_prefix_tokens:
            raise ValueError(
                f"PatchDropout needs sequences that are no shorter than their prefix "
                f"of num_prefix_tokens={self.num_prefix_tokens}. Received: an input of "
                f"shape {tuple(inputs.shape)} in layer {self.name!r}"
            )

    def __call__(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        outputs = super().__call__(inputs, *args, **kwargs)
        tokens = outputs[0] if self.return_indices else outputs
        if isinstance(tokens, keras.KerasTensor) and _keras.mask_of(tokens) is not None:
            # The graph of a model must take the mask from where `call` leaves it.
            _keras.set_mask(tokens, AttachedMask()(tokens))
        return outputs

    def call(
        self, inputs: Tensors, training: bool | None = False, mask: Tensor | None = None
    ) -> Tensor:
        self.check_inputs(inputs)
        if not self.is_noisy(training):
            return self.infer(inputs)
        shape = ops.shape(inputs)
        length = shape[1] - self.num_prefix_tokens
        noise = random.uniform((shape[0], length), self.key())
        places = kept_places(noise, kept_count(length, self.rate), self.ordered)
        outputs = self._thin(inputs, ops.expand_dims(places, -1))
        if mask is not None:
            _keras.set_mask(outputs, self._thin(mask, places))
        self.advance(training)
        if not self.return_indices:
            return outputs
        return outputs, ops.cast(places, "int32")

    def _thin(self, x, places):
        if shapes.is_empty(places.shape[1:2]):
            # All tokens are of the prefix. TensorFlow does not gather from nothing.
            return x
        indices = ops.cast(places + self.num_prefix_tokens, "int32")
        kept = ops.take_along_axis(x, indices, axis=1)
        return ops.concatenate([x[:, : self.num_prefix_tokens], kept], axis=1)

    def infer(self, x: Tensor) -> Tensor:
        if not self.return_indices:
            return x
        shape = ops.shape(x)
        positions = ops.arange(shape[1] - self.num_prefix_tokens, dtype="int32")
        return x, ops.broadcast_to(positions, (shape[0], ops.shape(positions)[0]))

    def without_noise(self) -> keras.layers.Layer | None:
        return self if self.return_indices else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, features = input_shape
        tokens = (batch, None, features)
        return (tokens, (batch, None)) if self.return_indices else tokens

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        self.check_inputs(inputs)
        batch, _, features = inputs.shape
        tokens = keras.KerasTensor((batch, None, features), self.compute_dtype)
        if not self.return_indices:
            return tokens
        return tokens, keras.KerasTensor((batch, None), "int32")

    def get_config(self) -> Config:
        own = {
            "rate": self.rate,
            "num_prefix_tokens": self.num_prefix_tokens,
            "ordered": self.ordered,
            "return_indices": self.return_indices,
        }
        return {**super().get_config(), **own}


@registered
class AttachedMask(_bases.Operation):
    """Gives the Keras mask that is attached to a tensor."""

    def call(self, x: Tensor) -> Tensor:
        return _keras.mask_of(x)

    def compute_output_spec(self, x: Tensor) -> Any:
        return keras.KerasTensor(x.shape[:2], "bool")


def kept_count(length: Any, rate: float) -> Any:
    """How many of `length` tokens are kept: the floor of exact arithmetic, but 1."""
    if ops.is_tensor(length):
        count = ops.floor(ops.cast(length, "float32") * (1.0 - rate) + 1e-3)
        return ops.maximum(ops.cast(count, "int32"), 1)
    # In whole numbers, which symbols of an export have too.
    kept = fractions.Fraction(1.0 - rate).limit_denominator(10**6)
    return shapes.at_least(length * kept.numerator // kept.denominator, 1)


def kept_places(noise: Tensor, count: Any, ordered: bool) -> Tensor:
    """The places of the `count` smallest numbers of each row, as floats.

    TensorFlow computes with integers of 32 bits on the host.
    """
    places = ops.cast(ops.argsort(noise, axis=-1), "float32")[:, :count]
    return ops.sort(places, axis=-1) if ordered else places
