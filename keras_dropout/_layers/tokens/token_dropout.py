"""TokenDropout: replacing words at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from keras_dropout import _constants, _validation
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Tensor, Tensors


@registered
class TokenDropout(BernoulliLayer):
    r"""Replaces random tokens by the token for "unknown" (word dropout).

    Inputs and outputs are token ids. In training, with
    $m_{bt} \sim \mathrm{Bernoulli}(1 - p)$,

    $$y_{bt} = \begin{cases} x_{bt} & \text{where } m_{bt} = 1 \text{ or } x_{bt}
    \text{ is protected} \\ \text{token} & \text{elsewhere,} \end{cases}$$

    and at inference $y = x$. Each position has its own draw, so a word may be replaced
    at one position and kept at another. `EmbeddingDropout` drops a word everywhere. To
    drop whole vectors after an embedding use `ChannelDropout(rate, axis=1)`.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that an unprotected token is
            replaced, or a schedule. Live.
        token_id: Integer, the id that replaces dropped tokens.
        protected_ids: Integer or tuple of integers, ids that are never replaced:
            padding, the beginning and end of a sentence.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ...)`, of an integer dtype. The output has the same. On PyTorch, which
        has few unsigned integers, Keras reads uint16 as int32, and uint32 as int64.

    Raises:
        TypeError: `rate` is not a number, or an id not an integer.
        ValueError: `rate` lies outside `[0, 1]`, an id is negative or too large for
            the dtype of the input, or the input is not of integers.

    Examples:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.TokenDropout(1.0, token_id=1, protected_ids=(0, 2))
        >>> y = layer(np.array([[2, 5, 6, 0]]), training=True)
        >>> ops.convert_to_numpy(y).tolist()
        [[2, 1, 1, 0]]

    References:
        - Iyyer et al., 2015, [Deep Unordered Composition Rivals Syntactic Methods for
          Text Classification](https://aclanthology.org/P15-1162)
        - Bowman et al., 2016, [Generating Sentences from a Continuous
          Space](https://arxiv.org/abs/1511.06349)
    """

    def __init__(
        self,
        rate: Rate = 0.1,
        token_id: int = 1,
        protected_ids: Sequence[int] = (0,),
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.token_id: int = _validation.integer("token_id", token_id, minimum=0)
        if not isinstance(protected_ids, (tuple, list)):
            protected_ids = (protected_ids,)
        self.protected_ids: tuple[int, ...] = tuple(
            _validation.integer("protected_ids", each, minimum=0)
            for each in protected_ids
        )

    def check_inputs(self, inputs: Tensors) -> None:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not keras.backend.is_int_dtype(dtype):
            raise ValueError(
                f"TokenDropout takes token ids. Cast them to integers first, or build "
                f"the model with `keras.Input(shape, dtype='int32')`. Received: "
                f"dtype={dtype} in layer {self.name!r}"
            )
        largest = np.iinfo(dtype).max
        if max((self.token_id, *self.protected_ids)) > largest:
            raise ValueError(
                f"TokenDropout needs ids of at most {largest}, the largest {dtype}, "
                f"since its inputs are {dtype}: cast them, for example to int32. "
                f"Received: token_id={self.token_id} and "
                f"protected_ids={self.protected_ids} in layer {self.name!r}"
            )

    def perturb(self, x: Tensor) -> Tensor:
        keep, _ = self.keep_mask(x)
        return replace_tokens(x, keep, self.token_id, self.protected_ids)

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        self.check_inputs(inputs)
        # The dtype that the backend has for it.
        dtype = ops.convert_to_tensor(np.zeros((), inputs.dtype)).dtype
        return keras.KerasTensor(inputs.shape, keras.backend.standardize_dtype(dtype))

    def get_config(self) -> Config:
        own = {"token_id": self.token_id, "protected_ids": self.protected_ids}
        return {**super().get_config(), **own}


def replace_tokens(
    ids: Tensor, keep: Tensor, token_id: int, protected_ids: Sequence[int]
) -> Tensor:
    """`token_id` where neither kept nor protected."""
    compared = ids
    if keras.backend.backend() == "tensorflow" and ids.dtype == "int32":
        # TensorFlow has the host compare integers of 32 bits, which are mostly shapes.
        compared = ops.cast(ids, "int64")
    for protected in protected_ids:
        keep = ops.logical_or(keep, compared == protected)
    return ops.where(keep, ids, _constants.scalar(token_id, ids.dtype))
