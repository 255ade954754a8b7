"""Dropout of whole channels, at any rank and along any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensors
from keras_dropout._validation import invalid


@registered
class ChannelDropout(BernoulliLayer):
    r"""Drops whole channels of inputs of any rank.

    $$y_{b \ldots c} = \frac{m_{bc}}{1 - p}\, x_{b \ldots c}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    On inputs of shape `(batch, features)` it is the same as `Dropout`. With
    `per="batch"` a channel is dropped for the whole batch: $m_{bc} = m_c$.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        axis: Integer, or a tuple of integers, the axes of the channels. All other axes
            except the batch share the mask.
        per: What gets its own mask: each `"row"`, or the whole `"batch"`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., channels)` of rank 2 or more. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `axis` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `axis` outside the input, or `per` is
            unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.ChannelDropout(0.5, seed=0)(ops.ones((64, 3, 8)), training=True)
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [0.0, 2.0]

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    def __init__(
        self,
        rate: Rate,
        axis: int | Sequence[int] = -1,
        per: Literal["row", "batch"] = "row",
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.axis: tuple[int, ...] = _axes(axis)
        self.per: Literal["row", "batch"] = _validation.choice(
            "per", per, ("row", "batch")
        )

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        rank = len(inputs.shape)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if rank < 2 or any(not -rank < axis < rank or axis == 0 for axis in axes):
            expected = f"axes other than 0 of an input of rank {rank}"
            raise ValueError(invalid("axis", expected, self.axis))

    def mask_shape(self, shape: Shape) -> Shape:
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return shapes.one_per(self.per, shape, within=axes)

    def get_config(self) -> Config:
        own = {"axis": self.axis, "per": self.per}
        return {**super().get_config(), **own}


def _axis(name, value):
    return _validation.integer(name, value, minimum=-32)


def _axes(value):
    if isinstance(value, (tuple, list)):
        return tuple(_axis("axis", each) for each in value)
    return _axis("axis", value)
