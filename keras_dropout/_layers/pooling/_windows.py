"""What the pooling layers share: their windows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, Unpack

import keras
from keras import ops

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import NoiseOptions
from keras_dropout._typing import Config, Shape, Tensor, Tensors


class WindowLayer(NoiseLayer):
    """Base of the pooling layers.

    Args:
        pool_size: Integer, or one for each dimension, the size of a window.
        strides: Integer, or one for each dimension; by default the size.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`, or None for the default.
        **kwargs: Arguments of the next base class.
    """

    rank = None

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None,
        padding: Literal["valid", "same"],
        data_format: Any,
        **kwargs: Unpack[NoiseOptions],
    ) -> None:
        super().__init__(**kwargs)
        count = self.rank - 2
        strides = pool_size if strides is None else strides
        self.pool_size: tuple[int, ...] = _validation.integers(
            "pool_size", pool_size, count=count
        )
        self.strides: tuple[int, ...] = _validation.integers(
            "strides", strides, count=count
        )
        self.padding: Literal["valid", "same"] = _validation.choice(
            "padding", padding, ("valid", "same")
        )
        self.data_format = _validation.data_format(data_format)

    def check_inputs(self, inputs: Tensors) -> None:
        super().check_inputs(inputs)
        shapes.check_rank(self, inputs, self.rank)
        # Some backends end the process over windows that do not fit.
        self.compute_output_shape(inputs.shape)

    def windows(self, x: Tensor) -> Tensor:
        """The numbers of each window, on a new last axis; 0 where padded."""
        axes = shapes.positions(self.rank, self.data_format)
        return windows(x, axes, self.pool_size, self.strides, self.padding)

    def max_pool(self, x: Tensor) -> Tensor:
        """Keras's own max pooling over the same windows."""
        if 0 in tuple(x.shape):
            # PyTorch pools no tensors without channels.
            return ops.zeros(self.compute_output_shape(x.shape), x.dtype)
        # TensorFlow pools volumes on CPUs in float32 only; the largest is the same.
        pooled = ops.max_pool(
            ops.cast(x, "float32") if self.rank == 5 else x,
            self.pool_size,
            self.strides,
            self.padding,
            self.data_format,
        )
        return ops.cast(pooled, x.dtype)

    def compute_mask(
        self, inputs: Tensors, previous_mask: Tensor | None = None
    ) -> Tensor:
        """A step of the output counts if any step of its window does."""
        if previous_mask is None or self.rank != 3:
            return None
        steps = ops.expand_dims(ops.cast(previous_mask, "float32"), -1)
        pooled = ops.max_pool(
            steps, self.pool_size, self.strides, self.padding, "channels_last"
        )
        return ops.squeeze(pooled, -1) > 0

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        axes = shapes.positions(self.rank, self.data_format)
        for axis, size, stride in zip(axes, self.pool_size, self.strides, strict=True):
            if shape[axis] is not None:
                shape[axis] = pooled_length(shape[axis], size, stride, self.padding)
                if isinstance(shape[axis], int) and shape[axis] < 1:
                    raise ValueError(
                        f"{type(self).__name__} needs inputs that its windows fit in. "
                        f"Received: an input of shape {tuple(input_shape)} for "
                        f"pool_size={self.pool_size} in layer {self.name!r}"
                    )
        return tuple(shape)

    def compute_output_spec(self, inputs: Tensors, *args: Any, **kwargs: Any) -> Any:
        self.check_inputs(inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> Config:
        own = {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}


def pooled_length(
    length: Any, size: int, stride: int, padding: Literal["valid", "same"]
) -> Any:
    """How many windows an axis has."""
    if padding == "same":
        return (length + stride - 1) // stride
    return (length - size) // stride + 1


def windows(
    x: Tensor,
    axes: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: str,
) -> Tensor:
    """Stacks the windows of `axes` on a new last axis, padded with zeros."""
    shape = ops.shape(x)
    paddings = [(0, 0)] * len(shape)
    numbers = []
    for axis, size, stride in zip(axes, sizes, strides, strict=True):
        # There is one at least, which an export cannot know.
        number = shapes.at_least(pooled_length(shape[axis], size, stride, padding), 1)
        numbers.append(number)
        span = (number - 1) * stride
        if padding == "same":
            missing = shapes.at_least(span + size - shape[axis], 0)
            paddings[axis] = (missing // 2, missing - missing // 2)
    if padding == "same":
        x = shapes.padded(x, paddings)
    parts = []
    for offsets in itertools.product(*map(range, sizes)):
        part = x
        for axis, *places in zip(axes, offsets, numbers, strides, strict=True):
            part = _every(part, axis, *places)
        parts.append(part)
    return ops.stack(parts, axis=-1)


def _every(x, axis, start, number, stride):
    """So many positions of an axis, `stride` apart."""
    if isinstance(number, int) or ops.is_tensor(number):
        index = [slice(None)] * len(x.shape)
        index[axis] = slice(start, start + (number - 1) * stride + 1, stride)
        return x[tuple(index)]
    # JAX does not know the size of a slice if its ends are symbols.
    return ops.take(x, start + stride * ops.arange(number), axis=axis)
