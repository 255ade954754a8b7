"""Shake-Shake and ShakeDrop: one noise forward, another backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.joins import JoinLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, DataFormat, Seed, Shape, Tensor


@registered
class ShakeShake(JoinLayer):
    r"""Mixes two residual branches at random, with other weights backward.

    Called on two branches $[x_1, x_2]$; the shortcut is added outside. In training,
    with $a, b \sim \mathrm{U}(0, 1)$ independent,

    $$y = a\, x_1 + (1 - a)\, x_2, \qquad
    \frac{\partial y}{\partial x_1} := b, \quad
    \frac{\partial y}{\partial x_2} := 1 - b,$$

    so that $\mathrm{E}[y] = (x_1 + x_2) / 2$, which is the output at inference, and
    $\mathrm{Var}[y] = (x_1 - x_2)^2 / 12$. The default is the best setting of the paper
    on CIFAR-10. On CIFAR-100 `backward="even"` is best.

    Args:
        forward: `"shake"` draws $a$, `"even"` sets it to 1/2.
        backward: `"shake"` draws $b$, `"even"` sets it to 1/2, `"keep"` to $a$.
        per: What gets its own weights: each `"row"`, or the whole `"batch"`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        A list of two tensors `(batch, ...)` of one shape. The output has the same.

    Raises:
        ValueError: `forward`, `backward` or `per` is unknown, or the input is not
            a list of two tensors of one shape.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> first, second = ops.full((2, 3), 2.0), ops.full((2, 3), 4.0)
        >>> y = layers.ShakeShake()([first, second])
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [3.0]

    References:
        - Gastaldi, 2017, [Shake-Shake
          regularization](https://arxiv.org/abs/1705.07485)
    """

    def __init__(
        self,
        forward: Literal["shake", "even"] = "shake",
        backward: Literal["shake", "even", "keep"] = "shake",
        per: Literal["row", "batch"] = "row",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        # Not `self.forward`: that is what PyTorch calls.
        self._forward = _validation.choice("forward", forward, ("shake", "even"))
        self._backward = _validation.choice(
            "backward", backward, ("shake", "even", "keep")
        )
        self.per: Literal["row", "batch"] = _validation.choice(
            "per", per, ("row", "batch")
        )

    @property
    def is_silent(self) -> bool:
        """Whether the weights of the forward pass are fixed."""
        return self._forward == "even"

    def perturb(self, x: Tensor) -> Tensor:
        first, second = x
        shape = shapes.one_per(self.per, ops.shape(first))
        a = self._weight(self._forward, shape)
        b = a if self._backward == "keep" else self._weight(self._backward, shape)
        return shake_shake(first, second, a, b)

    def _weight(self, mode, shape):
        return random.uniform(shape, self.key()) if mode == "shake" else 0.5

    def infer(self, x: Tensor) -> Tensor:
        first, second = x
        return 0.5 * (first + second)

    def get_config(self) -> Config:
        own = {
            "forward": self._forward,
            "backward": self._backward,
            "per": self.per,
        }
        return {**super().get_config(), **own}


@registered
class ShakeDrop(BernoulliLayer):
    r"""Keeps a residual branch, or scales it at random.

    Put it at the end of the branch, before the addition. In training, with the gate
    $g \sim \mathrm{Bernoulli}(1 - p)$, $\alpha$ and $\beta$ uniform over their ranges,

    $$y = (g + \alpha - g \alpha)\, x, \qquad
    \frac{\partial y}{\partial x} := g + \beta - g \beta,$$

    and at inference $y = \mathrm{E}[g + \alpha - g \alpha]\, x =
    \left(1 - p + p\, \overline{\alpha}\right) x$, with $\overline{\alpha}$ the middle
    of its range. In the paper $p$ grows linearly with depth, to 0.5 in the last block.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that the branch is scaled by
            $\alpha$, or a schedule. Live.
        alpha_range: Pair of floats, the range of $\alpha$, the factor forward.
        beta_range: Pair of floats, the range of $\beta$, the factor backward.
        per: What gets its own $\alpha$ and $\beta$: each `"element"`, each
            `"channel"` of each row, each `"row"`, or the whole `"batch"`.
        gate_per: What gets its own gate: the whole `"batch"`, as in the authors'
            code, or each `"row"`.
        data_format: `"channels_last"` or `"channels_first"`, for `per="channel"`;
            by default Keras's `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., channels)`, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` or the end of a range is not a number.
        ValueError: `rate` lies outside `[0, 1]`, a range is not a pair in order, or
            `per`, `gate_per` or `data_format` is unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.ShakeDrop(0.5)(ops.full((2, 3), 2.0))
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [1.0]

    References:
        - Yamada et al., 2019, [ShakeDrop Regularization for Deep Residual
          Learning](https://arxiv.org/abs/1802.02375)
    """

    def __init__(
        self,
        rate: Rate = 0.5,
        alpha_range: Sequence[float] = (-1.0, 1.0),
        beta_range: Sequence[float] = (0.0, 1.0),
        per: Literal["element", "channel", "row", "batch"] = "element",
        gate_per: Literal["row", "batch"] = "batch",
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.alpha_range: tuple[float, float] = _validation.interval(
            "alpha_range", alpha_range
        )
        self.beta_range: tuple[float, float] = _validation.interval(
            "beta_range", beta_range
        )
        self.per: Literal["element", "channel", "row", "batch"] = _validation.choice(
            "per", per, ("element", "channel", "row", "batch")
        )
        self.gate_per: Literal["row", "batch"] = _validation.choice(
            "gate_per", gate_per, ("row", "batch")
        )
        self.data_format = _validation.data_format(data_format)

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.one_per(self.gate_per, shape)

    def perturb(self, x: Tensor) -> Tensor:
        gate, _ = self.keep_mask(x)
        channels = (shapes.channels(self.data_format),)
        shape = shapes.one_per(self.per, ops.shape(x), channels=channels)
        alpha = _within(self.alpha_range, random.uniform(shape, self.key()))
        beta = _within(self.beta_range, random.uniform(shape, self.key()))
        return shake_drop(x, gate, alpha, beta)

    def infer(self, x: Tensor) -> Tensor:
        kept = random.keep_probability(self.current("rate"))
        factor = kept + (1.0 - kept) * sum(self.alpha_range) / 2
        return x * ops.cast(factor, x.dtype)

    def get_config(self) -> Config:
        own = {
            "alpha_range": self.alpha_range,
            "beta_range": self.beta_range,
            "per": self.per,
            "gate_per": self.gate_per,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}


def shake_shake(
    first: Tensor, second: Tensor, forward: Tensor, backward: Tensor
) -> Tensor:
    """The mix with weight `forward` of the first, and the gradient of `backward`'s."""

    def mix(weight):
        weight = ops.cast(weight, first.dtype)
        return weight * first + (1.0 - weight) * second

    return formulas.value_of_gradient_of(mix(forward), mix(backward))


def shake_drop(x: Tensor, gate: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """`x` where the gate is open, else `alpha * x` with the gradient `beta`."""

    def scale(factor):
        factor = ops.where(gate, ops.ones_like(factor), factor)
        return x * ops.cast(factor, x.dtype)

    return formulas.value_of_gradient_of(scale(alpha), scale(beta))


def _within(interval, uniforms):
    low, high = interval
    return low + (high - low) * uniforms
