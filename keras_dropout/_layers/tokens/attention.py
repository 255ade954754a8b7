"""DropHead and DropKey: noise inside Keras's multi-head attention."""

from __future__ import annotations

import functools
from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _bases, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import AttentionOptions, Rate
from keras_dropout._layers.tokens import _fused
from keras_dropout._registration import registered
from keras_dropout._typing import Seed, Shape, Tensor


class _NoisyAttention(BernoulliLayer, _bases.Attention):
    """Base of the attentions with noise of our own.

    They write `_compute_attention`, private in Keras but named by its documentation
    as the method to override. It gets the projected tensors, `(batch, time, heads,
    dim)`, and the mask that unites all masks; Keras's fast path for causal masks,
    which hands over none, is off where the method is overridden.
    """

    # Attention is called on queries, values and keys: in all of this Keras's own.
    compute_output_shape: Any = keras.layers.MultiHeadAttention.compute_output_shape
    compute_output_spec: Any = keras.layers.MultiHeadAttention.compute_output_spec

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        rate: Rate = 0.1,
        seed: Seed = None,
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(
            rate, seed=seed, num_heads=num_heads, key_dim=key_dim, **kwargs
        )

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        self.check_ranks(query_shape, value_shape, key_shape)
        super().build(query_shape, value_shape, key_shape)

    @functools.wraps(keras.layers.MultiHeadAttention.call)
    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        given = [x for x in (query, value, key) if x is not None]
        self.check_floats(*given)
        self.check_ranks(*(x.shape for x in given))
        return keras.layers.MultiHeadAttention.call(
            self, query, value, key, *args, **kwargs
        )

    def check_ranks(
        self, query: Tensor, value: Tensor, key: Tensor | None = None
    ) -> None:
        """Refuses shapes that attention has no meaning for."""
        shapes = [tuple(shape) for shape in (query, value, key) if shape is not None]
        ranks = {len(shape) for shape in shapes}
        if len(ranks) > 1 or not self.fits(min(ranks)):
            raise ValueError(
                f"{type(self).__name__} needs a query, a value and a key of "
                f"{self.expected}, all of one rank. Received: shapes {shapes} in "
                f"layer {self.name!r}"
            )

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
    ):
        if not return_attention_scores:
            given = query, key, value, attention_mask, training
            outputs = _fused.at_once(self, *given)
            if outputs is not None:
                return outputs, None
        return super()._compute_attention(
            query, key, value, attention_mask, training, return_attention_scores
        )

    expected = "shape (batch, ..., features) with one axis between or more"

    def fits(self, rank: int) -> bool:
        """Whether inputs may have this rank."""
        return rank >= 3


@registered
class DropHead(_NoisyAttention):
    r"""Multi-head attention that drops whole heads.

    In training, with $m_{bh} \sim \mathrm{Bernoulli}(1 - p)$ for each row and each of
    the $H$ heads, the output $o_{bh}$ of a head becomes

    $$\frac{H}{\sum_k m_{bk}}\, m_{bh}\, o_{bh},$$

    or 0 if no head is left, before the heads are combined. Its mean is $(1 - p^H)\,
    o_{bh}$. At inference this is `keras.layers.MultiHeadAttention`.

    Args:
        num_heads: Integer, the number $H$ of heads.
        key_dim: Integer, the size of each head for query and key.
        rate: Float in `[0, 1]`, the probability $p$ that a head is dropped, or a
            schedule. Live. In the paper it falls to 0 and rises again.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.MultiHeadAttention` (`value_dim`,
            `dropout`, `use_bias`, ...), `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Called on `query`, `value` and perhaps `key`, each `(batch, time, features)`,
        as `keras.layers.MultiHeadAttention`. The output has the shape of the query.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or the inputs have a rank below 3 or
            different ranks.

    Examples:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.DropHead(num_heads=4, key_dim=2, rate=1.0)
        >>> x = np.ones((2, 3, 8), "float32")
        >>> bool(ops.all(layer(x, x, training=True) == 0))  # no head, and no bias yet
        True

    References:
        - Zhou et al., 2020, [Scheduled DropHead: A Regularization Method for
          Transformer Models](https://arxiv.org/abs/2004.13342)
    """

    def mask_shape(self, shape: Shape) -> Shape:
        middle = (1,) * (len(shape) - 3)
        return (shape[0], *middle, shape[-2], 1)

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
    ):
        outputs, scores = super()._compute_attention(
            query, key, value, attention_mask, training, return_attention_scores
        )
        if self.is_noisy(training):
            keep, _ = self.keep_mask(outputs)
            outputs = drop_heads(keep, outputs)
            self.advance(training)
        return outputs, scores


@registered
class DropKey(_NoisyAttention):
    r"""Multi-head attention that drops keys before the softmax.

    In training each key is masked with probability $p$, in addition to the attention
    mask. There is a new draw for each row, head and query. The softmax is over the
    remaining keys, so the weights still sum to 1, unlike with dropout after the
    softmax. If no valid key would be left, none is dropped. At inference this is
    `keras.layers.MultiHeadAttention`.

    Args:
        num_heads: Integer, the number of heads.
        key_dim: Integer, the size of each head for query and key.
        rate: Float in `[0, 1]`, the probability $p$ that a key is dropped, or a
            schedule. Live. In the paper it falls with depth.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: Arguments of `keras.layers.MultiHeadAttention` (`value_dim`,
            `dropout`, `use_bias`, ...), `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Called on `query`, `value` and perhaps `key`, each `(batch, time, features)`,
        as `keras.layers.MultiHeadAttention`. The output has the shape of the query.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or the inputs have another rank.

    Examples:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.DropKey(num_heads=4, key_dim=2, rate=0.5, seed=0)
        >>> x = np.ones((2, 3, 8), "float32")
        >>> y, weights = layer(x, x, return_attention_scores=True, training=True)
        >>> bool(ops.all(ops.abs(ops.sum(weights, axis=-1) - 1) < 1e-6))
        True

    References:
        - Li et al., 2023, [DropKey for Vision Transformer](https://arxiv.org/abs/2208.02646)
    """

    expected = "shape (batch, time, features)"

    def fits(self, rank: int) -> bool:
        return rank == 3

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
    ):
        if self.is_noisy(training):
            batch, queries, heads = ops.shape(query)[:3]
            shape = (batch, heads, queries, ops.shape(key)[1])
            keep = random.keep_mask(shape, self.current("rate"), self.key())
            attention_mask = drop_keys(keep, attention_mask)
            self.advance(training)
        return super()._compute_attention(
            query, key, value, attention_mask, training, return_attention_scores
        )


def drop_heads(keep: Tensor, outputs: Tensor) -> Tensor:
    """Keeps whole heads, scaled by the share that is left in each row."""
    share = ops.mean(ops.cast(keep, "float32"), axis=-2, keepdims=True)
    return formulas.where_kept(keep, outputs, formulas.inverse(share))


def drop_keys(keep: Tensor, valid: Tensor | None = None) -> Tensor:
    """The mask of the keys that are kept, `(batch, heads, queries, keys)`.

    Args:
        keep: Boolean tensor of that shape.
        valid: Attention mask `(batch, queries, keys)`, or of that shape, or None.
    """
    if valid is None:
        valid = ops.ones_like(keep)
    else:
        valid = ops.cast(valid, "bool")
        if len(valid.shape) == 3:
            valid = ops.expand_dims(valid, 1)
    kept = ops.logical_and(keep, valid)
    some = ops.any(kept, axis=-1, keepdims=True)
    return ops.where(some, kept, valid)
