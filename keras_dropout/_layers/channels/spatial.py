"""Keras's spatial dropouts: whole channels of sequences, images and volumes."""

from __future__ import annotations

from typing import Unpack

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, DataFormat, Seed, Shape, Tensors


class _SpatialDropout(BernoulliLayer):
    """Base of the spatial dropouts, which differ by rank."""

    rank = None

    def __init__(
        self,
        rate: Rate,
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = _validation.data_format(data_format)

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        shapes.check_rank(self, inputs, self.rank)

    def mask_shape(self, shape: Shape) -> Shape:
        axes = shapes.positions(self.rank, self.data_format)
        return shapes.shared_over(shape, axes)

    def get_config(self) -> Config:
        return {**super().get_config(), "data_format": self.data_format}


@registered
class SpatialDropout1D(_SpatialDropout):
    r"""Drops whole feature maps of sequences.

    $$y_{btc} = \frac{m_{bc}}{1 - p}\, x_{btc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    The mean and the variance of each element are those of `Dropout`. All steps of a
    channel are kept or dropped together.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        data_format: `"channels_last"` or `"channels_first"`. As in Keras, the default
            is `"channels_last"` for any global setting.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.SpatialDropout1D(0.5, seed=0)(ops.ones((8, 5, 4)), training=True)
        >>> bool(ops.all(y[:, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 3

    def __init__(
        self,
        rate: Rate,
        seed: Seed = None,
        data_format: DataFormat | None = "channels_last",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, data_format=data_format, seed=seed, **kwargs)


@registered
class SpatialDropout2D(_SpatialDropout):
    r"""Drops whole feature maps of images.

    $$y_{bijc} = \frac{m_{bc}}{1 - p}\, x_{bijc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `data_format` is unknown, or the
            input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.SpatialDropout2D(0.5, seed=0)
        >>> y = layer(ops.ones((8, 3, 3, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 4


@registered
class SpatialDropout3D(_SpatialDropout):
    r"""Drops whole feature maps of volumes.

    $$y_{bijkc} = \frac{m_{bc}}{1 - p}\, x_{bijkc}, \qquad
    m_{bc} \sim \mathrm{Bernoulli}(1 - p)$$

    Args:
        rate: Float in `[0, 1]`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, depth, rows, columns, channels)`, or with the channels on axis 1 if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `data_format` is unknown, or the
            input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.SpatialDropout3D(0.5, seed=0)
        >>> y = layer(ops.ones((8, 2, 2, 2, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1, :1] == y))
        True

    References:
        - Tompson et al., 2015, [Efficient Object Localization Using Convolutional
          Networks](https://arxiv.org/abs/1411.4280)
    """

    rank = 5
