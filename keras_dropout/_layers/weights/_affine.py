"""Dense and convolution layers taken apart: a linear map, a bias, an activation."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_dropout import _constants
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout._typing import Tensor

AFFINE = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


def linear(layer: keras.layers.Layer, x: Tensor, kernel: Tensor) -> Tensor:
    """What the layer makes of `x` with this kernel, before bias and activation."""
    if isinstance(layer, keras.layers.Dense):
        return ops.matmul(x, kernel)
    return layer.convolution_op(x, kernel)


def adapted(layer: keras.layers.Layer, kernel: Tensor) -> Tensor:
    """The kernel with what LoRA adds to it, where it is enabled."""
    if not layer.lora_enabled:
        return kernel
    product = ops.matmul(raw(layer.lora_kernel_a), raw(layer.lora_kernel_b))
    share = layer.lora_alpha / layer.lora_rank
    return kernel + ops.cast(share * product, kernel.dtype)


def aligned(layer: keras.layers.Layer, bias: Tensor, x: Tensor) -> Tensor:
    """The bias, reshaped so that it can be added to `x`, the output of the map."""
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    shape = [1] * len(x.shape)
    shape[axis] = -1
    return ops.reshape(bias, shape)


def relu_mean(mean: Tensor, stddev: Tensor) -> Tensor:
    r"""The mean of a rectified Gaussian.

    $$\mathrm{E}[\max(u, 0)] = \mu\, \Phi(\mu / \sigma)
    + \sigma\, \varphi(\mu / \sigma), \qquad u \sim \mathcal{N}(\mu, \sigma^2)$$
    """
    ratio = mean / _constants.at_least(stddev, 1e-30)
    below = 0.5 * (1.0 + ops.erf(ratio / math.sqrt(2.0)))
    density = ops.exp(-0.5 * ops.square(ratio)) / math.sqrt(2.0 * math.pi)
    return mean * below + stddev * density
