"""Dropout for self-normalising networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


class AlphaLayer(BernoulliLayer):
    """Base of the two alpha dropouts, which differ by what the mask shares."""

    rate: Live = Live(
        _validation.probability_below_one,
        "The probability of dropping, a live float.",
    )

    def perturb(self, x: Tensor) -> Tensor:
        rate = random.plain(self.current("rate"))
        keep = random.keep_mask(self.mask_shape(ops.shape(x)), rate, self.key())
        return formulas.alpha_drop(keep, x, random.keep_probability(rate))


@registered
class AlphaDropout(AlphaLayer):
    r"""Sets single units to SELU's negative saturation, keeping mean 0, variance 1.

    In training, with $m_i \sim \mathrm{Bernoulli}(q)$, $q = 1 - p$, and
    $A = -\lambda \alpha = -1.7580993$ of SELU,

    $$y_i = a\,(m_i x_i + (1 - m_i) A) + b, \qquad
    a = \left(q (1 + p A^2)\right)^{-1/2}, \qquad b = -a p A,$$

    and at inference $y = x$. Inputs of mean 0 and variance 1 keep both exactly. A mean
    $\mu$ and a variance $v$ become $a q \mu$ and $a^2 q (v + p (A - \mu)^2)$. Use it
    only after SELU with LeCun-normal initialisation.

    Args:
        rate: Float in `[0, 1)`, the probability $p$ of dropping, or a schedule.
            Live. Keras accepts 1 here and fails when called.
        noise_shape: As in `Dropout`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, `noise_shape` does not fit.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.AlphaDropout(0.2, seed=0)(ops.ones((64, 8)), training=True)
        >>> sorted(round(v, 4) for v in set(ops.convert_to_numpy(y).ravel().tolist()))
        [-1.2362, 1.1879]

    References:
        - Klambauer et al., 2017, [Self-Normalizing Neural
          Networks](https://arxiv.org/abs/1706.02515)
    """

    def __init__(
        self,
        rate: Rate,
        noise_shape: Sequence[int | None] | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.noise_shape: Shape | None = _validation.noise_shape(noise_shape)

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.resolve(self.noise_shape, shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "noise_shape": self.noise_shape}
