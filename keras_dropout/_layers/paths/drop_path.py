"""Dropping residual branches: DropPath and StochasticDepth."""

from __future__ import annotations

from typing import Literal, Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.joins import JoinLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


@registered
class DropPath(BernoulliLayer):
    r"""Drops a residual branch, for single rows or for the whole batch.

    Put it at the end of the branch, before the addition. In training, with
    $m_b \sim \mathrm{Bernoulli}(1 - p)$,

    $$y_b = \frac{m_b}{1 - p}\, x_b, \qquad \mathrm{E}[y_b] = x_b, \qquad
    \mathrm{Var}[y_b] = x_b^2 \frac{p}{1 - p},$$

    and at inference $y = x$. The rate usually grows with the depth of the block: see
    `keras_dropout.schedules.linear_decay_rates`. The "drop connect" of EfficientNet's
    code is this layer.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that the branch is dropped, or a
            schedule. Live.
        per: What gets its own draw: each `"row"`, or the whole `"batch"`.
        scale_by_keep: Boolean. If false, nothing is divided by $1 - p$, as in timm.
            Then the mean in training is $(1 - p)\, x$, and differs from the output at
            inference.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ...)`, any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or `per` is unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.DropPath(0.5, seed=0)(ops.ones((64, 5, 8)), training=True)
        >>> sorted(set(ops.convert_to_numpy(ops.mean(y, axis=(1, 2))).tolist()))
        [0.0, 2.0]

    References:
        - Larsson et al., 2017, [FractalNet: Ultra-Deep Neural Networks without
          Residuals](https://arxiv.org/abs/1605.07648)
        - Huang et al., 2016, [Deep Networks with Stochastic
          Depth](https://arxiv.org/abs/1603.09382)
    """

    def __init__(
        self,
        rate: Rate = 0.5,
        per: Literal["row", "batch"] = "row",
        scale_by_keep: bool = True,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.per: Literal["row", "batch"] = _validation.choice(
            "per", per, ("row", "batch")
        )
        self.scale_by_keep: bool = _validation.boolean("scale_by_keep", scale_by_keep)

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.one_per(self.per, shape)

    def factor(self, rate: Tensor) -> Tensor | None:
        return super().factor(rate) if self.scale_by_keep else None

    def get_config(self) -> Config:
        own = {"per": self.per, "scale_by_keep": self.scale_by_keep}
        return {**super().get_config(), **own}


@registered
class StochasticDepth(JoinLayer, BernoulliLayer):
    r"""Adds a residual branch to its shortcut, or leaves it out.

    Called on `[shortcut, residual]`, $(s, r)$. In training, with
    $m \sim \mathrm{Bernoulli}(1 - p)$, and at inference,

    $$y = s + m\, r, \qquad y = s + (1 - p)\, r = \mathrm{E}[s + m\, r].$$

    `DropPath` before an `Add` layer does the same, but scales in training.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that the branch is left out, or a
            schedule. Live.
        per: What gets its own draw: the whole `"batch"`, as in the paper, or each
            `"row"`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        A list of two tensors `(batch, ...)` of one shape. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `per` is unknown, or the input is
            not a list of two tensors of one shape.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> shortcut, residual = ops.full((2, 3), 10.0), ops.full((2, 3), 4.0)
        >>> y = layers.StochasticDepth(0.25)([shortcut, residual])
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [13.0]

    References:
        - Huang et al., 2016, [Deep Networks with Stochastic
          Depth](https://arxiv.org/abs/1603.09382)
    """

    def __init__(
        self,
        rate: Rate = 0.5,
        per: Literal["row", "batch"] = "batch",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.per: Literal["row", "batch"] = _validation.choice(
            "per", per, ("row", "batch")
        )

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.one_per(self.per, shape)

    def perturb(self, x: Tensor) -> Tensor:
        shortcut, residual = x
        keep, _ = self.keep_mask(residual)
        return shortcut + formulas.where_kept(keep, residual)

    def infer(self, x: Tensor) -> Tensor:
        shortcut, residual = x
        kept = random.keep_probability(self.current("rate"))
        return shortcut + residual * ops.cast(kept, residual.dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "per": self.per}
