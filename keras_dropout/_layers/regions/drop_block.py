"""DropBlock: dropping contiguous regions of feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.regions import _blocks
from keras_dropout._registration import registered
from keras_dropout._typing import Config, DataFormat, Seed, Tensor, Tensors
from keras_dropout.random import context


class _DropBlock(BernoulliLayer):
    """Base of the three, which differ by rank."""

    rank = None

    def __init__(
        self,
        rate: Rate,
        block_size: int | Sequence[int],
        per: Literal["channel", "row"] = "channel",
        scale: Literal["batch", "row", "none"] = "batch",
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.block_size: tuple[int, ...] = _validation.integers(
            "block_size", block_size, count=self.rank - 2
        )
        self.per: Literal["channel", "row"] = _validation.choice(
            "per", per, ("channel", "row")
        )
        self.scale: Literal["batch", "row", "none"] = _validation.choice(
            "scale", scale, ("batch", "row", "none")
        )
        self.data_format = _validation.data_format(data_format)

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        shapes.check_rank(self, inputs, self.rank)

    def perturb(self, x: Tensor) -> Tensor:
        # A map without positions has no place for a block.
        return x if 0 in tuple(x.shape) else super().perturb(x)

    def keep_mask(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = list(ops.shape(x))
        axes = shapes.positions(self.rank, self.data_format)
        sizes = [shape[axis] for axis in axes]
        for axis, size, block in zip(axes, sizes, self.block_size, strict=True):
            shape[axis] = _blocks.places(size, block)
        channels = (shapes.channels(self.data_format),)
        shape = shapes.one_per(self.per, shape, channels=channels, within=axes)
        rate = _blocks.seed_rate(self.current("rate"), sizes, self.block_size)
        # Seeds are rare: the 16 bits of a keep mask would round their rate too much.
        seeds = random.uniform(shape, self.key()) < rate
        keep = ops.logical_not(_blocks.drop(seeds, axes, sizes, self.block_size))
        return keep, self._factor(keep)

    def _factor(self, keep):
        if self.scale == "none":
            return None
        # A prediction must not depend on the rows that are drawn beside it.
        alone = self.scale == "row" or context.is_active()
        axes = tuple(range(1 if alone else 0, self.rank))
        kept = ops.mean(ops.cast(keep, "float32"), axis=axes, keepdims=True)
        return formulas.inverse(kept)

    def get_config(self) -> Config:
        own = {
            "block_size": self.block_size,
            "per": self.per,
            "scale": self.scale,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}


@registered
class DropBlock1D(_DropBlock):
    r"""Drops contiguous spans of sequences.

    It is `DropBlock2D` with spans of `block_size` steps. A step that $n$ spans can
    cover is dropped with probability $1 - (1 - \gamma)^n$. Here $\gamma$ is the
    probability that a span starts. It is chosen so that the mean over the steps is the
    rate.

    Args:
        rate: Float in `[0, 1]`, the mean share of steps that is dropped, or a schedule.
            Live.
        block_size: Integer, the length of a span in steps. It is limited to the length
            of the sequence.
        per: What gets its own spans: each `"channel"` of each row, or each `"row"`.
        scale: What makes up for the dropped steps: `"batch"`, `"row"` or `"none"`, as
            in `DropBlock2D`.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `block_size` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `block_size` is below 1, or the
            input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.DropBlock1D(0.3, block_size=3, seed=0)
        >>> y = layer(ops.ones((64, 20, 8)), training=True)
        >>> round(float(ops.mean(y)), 4)
        1.0

    References:
        - Ghiasi et al., 2018, [DropBlock: A regularization method for convolutional
          networks](https://arxiv.org/abs/1810.12890)
    """

    rank = 3


@registered
class DropBlock2D(_DropBlock):
    r"""Drops contiguous regions of feature maps.

    Blocks of size $k_1 \times k_2$ start with probability $\gamma$ at each position
    where the whole block is inside the map. The union of all blocks is dropped:

    $$y_{bijc} = \frac{m_{bijc}}{\overline{m}}\, x_{bijc}, \qquad
    \mathrm{P}(m_{bijc} = 0) = 1 - (1 - \gamma)^{n_{ij}},$$

    where $n_{ij}$ is the number of blocks that can cover a position, and $\overline{m}$
    is the mean of the mask. At inference $y = x$.

    The $\gamma$ of the paper ignores that blocks overlap, so it drops less than the
    rate: 0.093 for 0.1 and 0.21 for 0.25, with blocks of 7 on a 14 x 14 map. Here
    $\gamma$ solves $\overline{1 - (1 - \gamma)^n} = p$. So the mean share of dropped
    positions is the rate on every map, also with even blocks, on maps that are not
    square, and for blocks that are larger than the map, which are limited to the map.
    As in the paper, positions near the edge are dropped less often than those in the
    middle, because fewer blocks cover them.

    Args:
        rate: Float in `[0, 1]`, the mean share $p$ of positions that is dropped, or a
            schedule. Live.
        block_size: Integer, or a tuple of 2 integers, the size of a block in positions.
        per: What gets its own regions: each `"channel"` of each row, as the paper
            prefers, or each `"row"`.
        scale: What the output is divided by. `"batch"`: the mean of the mask over the
            whole batch, as in the paper, so that the mean of an input of ones stays
            exactly 1. `"row"`: the mean over each row, which keeps rows independent.
            `mc_predict` always uses this. `"none"`: nothing. If everything is dropped,
            the output is 0.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `block_size` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `block_size` is below 1 or of another
            length, `per`, `scale` or `data_format` is unknown, or the input has
            another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.DropBlock2D(0.1, block_size=7, seed=0)
        >>> y = layer(ops.ones((8, 14, 14, 16)), training=True)
        >>> round(float(ops.mean(y)), 4)
        1.0

    References:
        - Ghiasi et al., 2018, [DropBlock: A regularization method for convolutional
          networks](https://arxiv.org/abs/1810.12890)
    """

    rank = 4


@registered
class DropBlock3D(_DropBlock):
    r"""Drops contiguous regions of volumes.

    It is `DropBlock2D` with blocks of three dimensions. A position that $n$ blocks can
    cover is dropped with probability $1 - (1 - \gamma)^n$. Here $\gamma$ is chosen so
    that the mean over the positions is the rate.

    Args:
        rate: Float in `[0, 1]`, the mean share of positions that is dropped, or a
            schedule. Live.
        block_size: Integer, or a tuple of 3 integers, the size of a block in positions.
            It is limited to the size of the map.
        per: What gets its own regions: each `"channel"` of each row, or each `"row"`.
        scale: What makes up for the dropped positions: `"batch"`, `"row"` or `"none"`,
            as in `DropBlock2D`.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, depth, rows, columns, channels)`, or with the channels on axis 1 if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number, `block_size` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `block_size` is below 1 or of another
            length, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.DropBlock3D(0.2, block_size=2, seed=0)
        >>> y = layer(ops.ones((8, 4, 6, 6, 8)), training=True)
        >>> round(float(ops.mean(y)), 4)
        1.0

    References:
        - Ghiasi et al., 2018, [DropBlock: A regularization method for convolutional
          networks](https://arxiv.org/abs/1810.12890)
    """

    rank = 5
