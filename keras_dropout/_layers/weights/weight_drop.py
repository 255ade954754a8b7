"""Dropout of the recurrent weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

import keras

from keras_dropout import _validation
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.weights._weight_noise import WeightNoise
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Tensor


@registered
class WeightDrop(WeightNoise):
    r"""Drops recurrent weights, the same ones at every step of the sequence.

    In training, with $m \sim \mathrm{Bernoulli}(1 - p)$ for every entry of the
    recurrent kernel $U$,

    $$\tilde U_{ij} = \frac{m_{ij}}{1 - p}\, U_{ij},$$

    and at inference $\tilde U = U$. All rows of a batch share the mask. The wrapped
    layer runs unchanged, with its fused implementation if the backend has one. Unlike
    Keras's `recurrent_dropout` this does not disable cuDNN. To drop weights of both
    directions, wrap a whole `keras.layers.Bidirectional`.

    Args:
        layer: A recurrent Keras layer, such as `keras.layers.LSTM`, or any layer or
            model with weights of the names in `weights`.
        rate: Float in `[0, 1)`, the probability $p$ that a weight is dropped, or a
            schedule. Live.
        weights: Tuple of names of the weights to drop.
        per: What gets its own draw: each weight (`"element"`), or each `"input"`,
            $m_{ij} = m_i$. Then all gates lose the connection from the same unit of the
            previous step, as in the recurrent dropout of Gal and Ghahramani, which has
            one mask for each row.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output. Keras masks,
        `initial_state` and other arguments of the call are passed to the layer.

    Raises:
        TypeError: `layer` is not a layer, or `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, or no weight has one of the names,
            or `per` is unknown.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> layer = layers.WeightDrop(keras.layers.LSTM(3), 0.5)
        >>> layer(keras.Input((None, 2))).shape
        (None, 3)
        >>> [weight.name for weight in layer.weights]
        ['kernel', 'recurrent_kernel', 'bias']

    References:
        - Merity et al., 2018, [Regularizing and Optimizing LSTM Language
          Models](https://arxiv.org/abs/1708.02182)
        - Gal and Ghahramani, 2016, [A Theoretically Grounded Application of Dropout in
          Recurrent Neural Networks](https://arxiv.org/abs/1512.05287)
    """

    rate: Live = Live(
        _validation.drop_rate_below_one,
        "The probability of dropping a weight, a live float.",
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: Rate = 0.5,
        weights: str | Sequence[str] = ("recurrent_kernel",),
        per: Literal["element", "input"] = "element",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(layer, weights, seed=seed, **kwargs)
        self.rate = rate
        self.per: Literal["element", "input"] = _validation.choice(
            "per", per, ("element", "input")
        )

    def perturb_weight(self, variable: keras.Variable, value: Tensor) -> Tensor:
        shape = shapes.one_per(self.per, tuple(value.shape))
        keep, scale = self.keep_mask(shape)
        return formulas.where_kept(keep, value, scale)

    def get_config(self) -> Config:
        return {**super().get_config(), "per": self.per}
