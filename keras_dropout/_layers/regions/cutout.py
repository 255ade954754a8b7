"""Cutout: erasing squares of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from keras import ops

from keras_dropout import _constants, _validation, random
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, DataFormat, Seed, Tensor, Tensors


@registered
class Cutout(NoiseLayer):
    r"""Erases rectangles at random places of images.

    In training, the centre $(c_1, c_2)$ of each hole is uniform over the pixels of the
    image. The hole covers the $s_1$ rows from $c_1 - \lfloor s_1 / 2 \rfloor$ on, and
    the columns in the same way, as far as they are inside the image. There all channels
    are set to `fill_value`. Nothing is rescaled. At inference $y = x$.

    With an even size $s$ no larger than an axis of $n$ pixels, a hole covers
    $s - s^2 / (4 n)$ of it on average: 19 % of the area for $s = 16$, $n = 32$.

    Holes of odd size have exactly this size. In the authors' code they are one pixel
    smaller. For rectangles of random size see `keras.layers.RandomErasing`.

    Args:
        size: Integer, or a tuple of 2 integers, rows and columns of a hole in pixels.
        num_holes: Integer, the number of holes in each image. With more than one this
            is also called coarse dropout.
        fill_value: Float, the value of the pixels in a hole. Use the value of an
            average pixel: 0 for normalised images.
        probability: Float in `[0, 1]`, the probability that an image gets its holes, or
            a schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` if
        `data_format="channels_first"`. The output has the same.

    Raises:
        TypeError: `size` or `num_holes` is not an integer, `probability` or
            `fill_value` not a number.
        ValueError: `probability` lies outside `[0, 1]`, `size` or `num_holes` is below
            1, or the input has another rank.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.Cutout(40, seed=0)(ops.ones((2, 8, 8, 3)), training=True)
        >>> float(ops.sum(y))  # 20 pixels on each side of the centre cover it all
        0.0

    References:
        - DeVries and Taylor, 2017, [Improved Regularization of Convolutional Neural
          Networks with Cutout](https://arxiv.org/abs/1708.04552)
    """

    probability: Live = Live(
        _validation.probability,
        "The probability that an image gets its holes.",
        # The images without holes are drawn, as what is dropped.
        lambda chosen, dtype: np.float32(1) - np.float32(chosen) == 1,
    )

    def __init__(
        self,
        size: int | Sequence[int],
        num_holes: int = 1,
        fill_value: float = 0.0,
        probability: Rate = 1.0,
        data_format: DataFormat | None = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.size: tuple[int, ...] = _validation.integers("size", size, count=2)
        self.num_holes: int = _validation.integer("num_holes", num_holes, minimum=1)
        self.fill_value: float = _validation.finite(
            "fill_value", fill_value, self.compute_dtype
        )
        self.probability = probability
        self.data_format = _validation.data_format(data_format)

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        shapes.check_rank(self, inputs, 4)

    def perturb(self, x: Tensor) -> Tensor:
        shape = ops.shape(x)
        axes = shapes.positions(4, self.data_format)
        sizes = [shape[axis] for axis in axes]
        places = random.uniform((shape[0], self.num_holes, 2), self.key())
        erased = inside_holes(places, sizes, self.size)
        chosen = random.keep_mask(
            (shape[0], 1, 1), 1.0 - self.current("probability"), self.key()
        )
        erased = ops.expand_dims(
            ops.logical_and(erased, chosen), shapes.channels(self.data_format)
        )
        return ops.where(erased, _constants.scalar(self.fill_value, x.dtype), x)

    def get_config(self) -> Config:
        own = {
            "size": self.size,
            "num_holes": self.num_holes,
            "fill_value": self.fill_value,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}


def inside_holes(places: Tensor, sizes: Sequence[Any], hole: Sequence[int]) -> Tensor:
    """Which pixels lie in a hole.

    Args:
        places: Float tensor `(batch, holes, 2)` in `[0, 1)`: the pixel that is the
            centre, as a share of the axis.
        sizes: Rows and columns of the image.
        hole: Rows and columns of a hole.

    Returns:
        Boolean tensor `(batch, rows, columns)`.
    """
    inside = []
    for axis, (size, length) in enumerate(zip(sizes, hole, strict=True)):
        # In float32, which is exact here: TensorFlow computes with integers of 32 bits
        # on the host.
        pixels = ops.cast(ops.arange(size, dtype="int32"), "float32")
        known = isinstance(size, int)
        extent = size if known else ops.cast(size, "float32")
        scaled = ops.floor(places[..., axis] * extent)
        # The product may round up to the size itself.
        last = extent - 1
        centre = _constants.at_most(scaled, last)
        start = ops.expand_dims(centre - length // 2, -1)
        inside.append(ops.logical_and(pixels >= start, pixels < start + length))
    rows, columns = inside
    both = ops.logical_and(rows[..., :, None], columns[..., None, :])
    return ops.any(both, axis=1)
