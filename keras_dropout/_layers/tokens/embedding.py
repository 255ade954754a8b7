"""EmbeddingDropout: an embedding that drops whole words."""

from __future__ import annotations

import math
from typing import Any, Literal, Unpack

import keras
from keras import ops

from keras_dropout import _bases, _validation
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor, Tensors


@registered
class EmbeddingDropout(BernoulliLayer, _bases.Embedding):
    r"""An `Embedding` that drops words everywhere they occur.

    In training, with $m_v \sim \mathrm{Bernoulli}(1 - p)$ for each word $v$ of the
    vocabulary, the vector of a token $v$ is

    $$y_{bt} = \frac{m_v}{1 - p}\, E_v, \qquad \mathrm{E}[y_{bt}] = E_v,$$

    and at inference $y_{bt} = E_v$. A word that occurs twice in a sequence is dropped
    twice or not at all. The embeddings themselves do not change, so an output layer
    that shares them has no noise.

    Args:
        input_dim: Integer, the size of the vocabulary.
        output_dim: Integer, the size of the vectors.
        rate: Float in `[0, 1]`, the probability $p$ that a word is dropped, or a
            schedule. Live.
        per: What gets its own mask over words: the whole `"batch"` (Merity et al.), or
            each `"row"` (Gal and Ghahramani).
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.Embedding` (`embeddings_initializer`,
            `mask_zero`,
            ...), `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ...)`, token ids below `input_dim`. The output has one more axis, of
        size `output_dim`.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or `per` is unknown.

    Examples:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.EmbeddingDropout(9, 4, rate=0.5, per="row", seed=0)
        >>> y = layer(np.array([[7, 3, 7]] * 8), training=True)
        >>> bool(ops.all(y[:, 0] == y[:, 2]))
        True

    References:
        - Gal and Ghahramani, 2016, [A Theoretically Grounded Application of Dropout in
          Recurrent Neural Networks](https://arxiv.org/abs/1512.05287)
        - Merity et al., 2018, [Regularizing and Optimizing LSTM Language
          Models](https://arxiv.org/abs/1708.02182)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        rate: Rate = 0.1,
        per: Literal["batch", "row"] = "batch",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            rate, seed=seed, input_dim=input_dim, output_dim=output_dim, **kwargs
        )
        self.per: Literal["batch", "row"] = _validation.choice(
            "per", per, ("row", "batch")
        )

    def check_inputs(self, inputs: Tensors) -> None:
        """Ids may be of any dtype, as in Keras: the embedding casts them."""

    def mask_shape(self, shape: Shape) -> Shape:
        batch = shape[0] if shape else 1
        return shapes.one_per(self.per, (batch, self.input_dim), within=(1,))

    def infer(self, x: Tensor) -> Tensor:
        return keras.layers.Embedding.call(self, x)

    def perturb(self, x: Tensor) -> Tensor:
        keep, scale = self.keep_mask(x)
        kept = words_kept(keep, ops.cast(x, "int32"))
        return formulas.where_kept(ops.expand_dims(kept, -1), self.infer(x), scale)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "per": self.per}


def words_kept(keep: Tensor, ids: Tensor) -> Tensor:
    """Looks up which tokens are kept, in a mask over words for all or for each row."""
    if keep.shape[0] == 1:
        return ops.take(keep[0], ids, axis=0)
    if shapes.is_empty(ids.shape):
        # TensorFlow does not gather from nothing.
        return ops.ones(ops.shape(ids), "bool")
    rows, *others = ops.shape(ids)
    flat = ops.reshape(ids, (rows, math.prod(others)))
    return ops.reshape(ops.take_along_axis(keep, flat, axis=1), ops.shape(ids))
