"""Stochastic pooling: drawing one unit of each window in proportion to its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

from keras import ops

from keras_dropout import _constants, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.options import LayerOptions
from keras_dropout._layers.pooling._windows import WindowLayer
from keras_dropout._registration import registered
from keras_dropout._typing import DataFormat, Seed, Tensor


class _StochasticPooling(WindowLayer):
    """Base of the three, which differ by rank."""

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: Literal["valid", "same"] = "valid",
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, seed=seed, **kwargs)

    def perturb(self, x: Tensor) -> Tensor:
        units = self.windows(ops.relu(x))
        return drawn_unit(units, random.uniform(ops.shape(units)[:-1], self.key()))

    def infer(self, x: Tensor) -> Tensor:
        return expected_unit(self.windows(ops.relu(x)))


def drawn_unit(windows: Tensor, uniforms: Tensor) -> Tensor:
    """Draws one unit of each window, with a probability in proportion to its value.

    The running sum of the window is the distribution, and is inverted: the unit drawn
    is the first where the sum exceeds the uniform number times the total.
    """
    sums = ops.cumsum(ops.cast(windows, "float32"), axis=-1)
    target = ops.expand_dims(uniforms, -1) * sums[..., -1:]
    # As floats: TensorFlow computes with integers of 32 bits on the host.
    passed = ops.sum(ops.cast(sums <= target, "float32"), axis=-1, keepdims=True)
    # Where all units are 0 every sum is passed, and any of them will do.
    chosen = _constants.at_most(passed, windows.shape[-1] - 1)
    chosen = ops.cast(chosen, "int32")
    return ops.squeeze(ops.take_along_axis(windows, chosen, axis=-1), -1)


def expected_unit(windows: Tensor) -> Tensor:
    """The mean of the unit that is drawn: the sum of squares over the sum."""
    units = ops.cast(windows, "float32")
    share = units * formulas.inverse(ops.sum(units, axis=-1, keepdims=True))
    return ops.cast(ops.sum(share * units, axis=-1), windows.dtype)


@registered
class StochasticPooling1D(_StochasticPooling):
    r"""Draws one unit from each window of a sequence.

    It is `StochasticPooling2D` with windows of `pool_size` steps. A unit is drawn with
    a probability proportional to its value. The output at inference is the mean.

    Args:
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
        TypeError: `pool_size` or `strides` is not an integer.
        ValueError: `pool_size` or `strides` is below 1, `padding` or `data_format` is
            unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> x = ops.reshape(ops.convert_to_tensor([1.0, 3.0]), (1, 2, 1))
        >>> float(layers.StochasticPooling1D()(x)[0, 0, 0])  # 1 / 4 + 3 * 3 / 4
        2.5

    References:
        - Zeiler and Fergus, 2013, [Stochastic Pooling for Regularization of Deep
          Convolutional Neural Networks](https://arxiv.org/abs/1301.3557)
    """

    rank = 3


@registered
class StochasticPooling2D(_StochasticPooling):
    r"""Draws one unit from each window of an image.

    With $a_1, \ldots, a_n \ge 0$ the units of a window, in training and at inference

    $$\mathrm{P}(y = a_i) = \frac{a_i}{\sum_k a_k}, \qquad
    y = \sum_i \frac{a_i}{\sum_k a_k}\, a_i,$$

    so the output at inference is the mean of training. The gradient goes to the unit
    that was drawn. If all units are 0, $y = 0$. Units below 0 count as 0, so put the
    layer after a ReLU, as in the paper.

    Args:
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
        TypeError: `pool_size` or `strides` is not an integer.
        ValueError: `pool_size` or `strides` is below 1, `padding` or `data_format` is
            unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> x = ops.reshape(ops.convert_to_tensor([1.0, 2.0, 1.0, 0.0]), (1, 2, 2, 1))
        >>> float(layers.StochasticPooling2D()(x)[0, 0, 0, 0])  # 1 / 4 + 4 / 4 + 1 / 4
        1.5

    References:
        - Zeiler and Fergus, 2013, [Stochastic Pooling for Regularization of Deep
          Convolutional Neural Networks](https://arxiv.org/abs/1301.3557)
    """

    rank = 4


@registered
class StochasticPooling3D(_StochasticPooling):
    r"""Draws one unit from each window of a volume.

    It is `StochasticPooling2D` with windows of three dimensions. A unit is drawn with a
    probability proportional to its value. The output at inference is the mean.

    Args:
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
        TypeError: `pool_size` or `strides` is not an integer.
        ValueError: `pool_size` or `strides` is below 1, `padding` or `data_format` is
            unknown, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> float(
        ...     layers.StochasticPooling3D()(ops.ones((1, 2, 2, 2, 1)))[0, 0, 0, 0, 0]
        ... )
        1.0

    References:
        - Zeiler and Fergus, 2013, [Stochastic Pooling for Regularization of Deep
          Convolutional Neural Networks](https://arxiv.org/abs/1301.3557)
    """

    rank = 5
