"""Layers that multiply by a Bernoulli mask: what differs is what the mask shares."""

from __future__ import annotations

from typing import Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import NoiseOptions, Rate
from keras_dropout._typing import Shape, Tensor


class BernoulliLayer(NoiseLayer):
    """Base of the layers that keep or drop with one probability.

    A subclass says in `mask_shape` what its mask shares: 1 on an axis means that
    all positions along it are kept or dropped together.

    Args:
        rate: Float in `[0, 1]`, the probability of dropping, or a schedule.
        **kwargs: Arguments of `NoiseLayer`: `seed`, `monte_carlo`, `name`, `dtype`, ...
    """

    rate: Live = Live(
        _validation.drop_rate, "The probability of dropping, a live float."
    )

    def __init__(self, rate: Rate, **kwargs: Unpack[NoiseOptions]) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def mask_shape(self, shape: Shape) -> Shape:
        """The shape of the mask for an input of this shape."""
        return shape

    def keep_mask(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mask for one call on `x`, and the factor for what is kept."""
        rate = random.plain(self.current("rate"))
        keep = random.keep_mask(self.mask_shape(ops.shape(x)), rate, self.key())
        return keep, self.factor(rate)

    def factor(self, rate: Tensor) -> Tensor | None:
        """What is kept is multiplied by this, at a rate; `None` for 1."""
        return formulas.keep_scale(rate)

    def perturb(self, x: Tensor) -> Tensor:
        if type(self).keep_mask is BernoulliLayer.keep_mask:
            rate = random.plain(self.current("rate"))
            shape, key = self.mask_shape(ops.shape(x)), self.key()
            return random.drop(x, shape, rate, key, self.factor(rate))
        keep, scale = self.keep_mask(x)
        return formulas.where_kept(keep, x, scale)
