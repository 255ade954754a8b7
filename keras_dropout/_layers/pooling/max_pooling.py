"""Max-pooling dropout: dropping units before the largest is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from keras import ops

from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers.pooling._windows import WindowLayer
from keras_dropout._registration import registered
from keras_dropout._typing import DataFormat, Seed, Tensor


class _MaxPoolingDropout(WindowLayer, BernoulliLayer):
    """Base of the three, which differ by rank."""

    def __init__(
        self,
        rate: Rate = 0.5,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: Literal["valid", "same"] = "valid",
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            pool_size, strides, padding, data_format, rate=rate, seed=seed, **kwargs
        )

    def perturb(self, x: Tensor) -> Tensor:
        keep, _ = self.keep_mask(x)
        return self.max_pool(formulas.where_kept(keep, ops.relu(x)))

    def infer(self, x: Tensor) -> Tensor:
        return expected_maximum(self.windows(ops.relu(x)), self.current("rate"))


def expected_maximum(windows: Tensor, rate: Tensor) -> Tensor:
    """The mean of the largest unit that is left, over all masks of a window.

    The largest counts if it is kept, the second if it is kept and the largest is not,
    and so on.
    """
    count = windows.shape[-1]
    powers = ops.power(rate, ops.arange(count - 1, -1, -1, dtype="float32"))
    weights = ops.cast((1.0 - rate) * powers, windows.dtype)
    return ops.sum(ops.sort(windows, axis=-1) * weights, axis=-1)


@registered
class MaxPoolingDropout1D(_MaxPoolingDropout):
    r"""Drops single steps before max pooling of sequences.

    It is `MaxPoolingDropout2D` with windows of `pool_size` steps. In training it
    returns the largest kept unit, and at inference the mean of this over all masks.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live.
        pool_size: Integer, the size of a window in steps.
        strides: Integer, the steps from window to window; by default `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` if
        `data_format="channels_first"`. The output has the shape of that of
        `keras.layers.MaxPooling1D`.

    Raises:
        TypeError: `rate` is not a number, `pool_size` or `strides` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `pool_size` or `strides` is below 1,
            `padding` is unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.MaxPoolingDropout1D(0.5, pool_size=3)
        >>> x = ops.reshape(ops.convert_to_tensor([1.0, 2.0, 3.0]), (1, 3, 1))
        >>> float(layer(x)[0, 0, 0])  # 3 / 2 + 2 / 4 + 1 / 8
        2.125

    References:
        - Wu and Gu, 2015, [Towards Dropout Training for Convolutional Neural
          Networks](https://arxiv.org/abs/1512.00242)
    """

    rank = 3


@registered
class MaxPoolingDropout2D(_MaxPoolingDropout):
    r"""Drops single units before max pooling of images.

    In training each window returns its largest kept unit, or 0 if no unit is kept. With
    $a_{(1)} \le \ldots \le a_{(n)}$ the units of a window in order, this is $a_{(i)}$
    with probability $(1 - p)\, p^{n - i}$, and at inference

    $$y = \sum_{i=1}^{n} (1 - p)\, p^{n - i}\, a_{(i)},$$

    the mean of this. Nothing is rescaled. Units below 0 count as 0, so put the layer
    after a ReLU, as in the paper. Overlapping windows share the mask.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live.
        pool_size: Integer, or a tuple of 2 integers, the size of a window.
        strides: Integer, or a tuple of 2 integers, the way from window to window; by
            default `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` if
        `data_format="channels_first"`. The output has the shape of that of
        `keras.layers.MaxPooling2D`.

    Raises:
        TypeError: `rate` is not a number, `pool_size` or `strides` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `pool_size` or `strides` is below 1,
            `padding` or `data_format` is unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.MaxPoolingDropout2D(0.5, pool_size=2)
        >>> x = ops.reshape(ops.convert_to_tensor([1.0, 2.0, 4.0, 8.0]), (1, 2, 2, 1))
        >>> float(layer(x)[0, 0, 0, 0])  # 8 / 2 + 4 / 4 + 2 / 8 + 1 / 16
        5.3125

    References:
        - Wu and Gu, 2015, [Towards Dropout Training for Convolutional Neural
          Networks](https://arxiv.org/abs/1512.00242)
    """

    rank = 4


@registered
class MaxPoolingDropout3D(_MaxPoolingDropout):
    r"""Drops single units before max pooling of volumes.

    It is `MaxPoolingDropout2D` with windows of three dimensions. In training it returns
    the largest kept unit, and at inference the mean of this over all masks.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live.
        pool_size: Integer, or a tuple of 3 integers, the size of a window.
        strides: Integer, or a tuple of 3 integers, the way from window to window; by
            default `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, depth, rows, columns, channels)`, or with the channels on axis 1 if
        `data_format="channels_first"`. The output has the shape of that of
        `keras.layers.MaxPooling3D`.

    Raises:
        TypeError: `rate` is not a number, `pool_size` or `strides` not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `pool_size` or `strides` is below 1,
            `padding` or `data_format` is unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.MaxPoolingDropout3D(0.5, pool_size=2)
        >>> float(layer(ops.ones((1, 2, 2, 2, 1)))[0, 0, 0, 0, 0])  # 1 - 1 / 2**8
        0.99609375

    References:
        - Wu and Gu, 2015, [Towards Dropout Training for Convolutional Neural
          Networks](https://arxiv.org/abs/1512.00242)
    """

    rank = 5
