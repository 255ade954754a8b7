r"""Layers that are a linear map, a bias and an activation.

$$\mathrm{E}[W x + b] = W\,\mathrm{E}[x] + b, \qquad
\mathrm{Var}[W x + b] = W^2\,\mathrm{Var}[x]$$

The mean always holds. The variance holds where the numbers that are summed up are
independent, and is an approximation elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from keras_dropout._layers.weights._affine import aligned
from keras_dropout._typing import Tensor
from keras_dropout.moments import rules
from keras_dropout.moments.activations import activate
from keras_dropout.moments.rules import operation, rule
from keras_dropout.moments.state import Moments

L = keras.layers
# Up to so many outputs their covariance is told, for the softmax.
_MOST_OUTPUTS = 128


def affine(
    layer: Any,
    x: Moments,
    linear: Callable[..., Any],
    kernel: Tensor,
    contracted: Iterable[int],
    independent: Iterable[int] = (),
    noise: Any = None,
) -> Moments:
    """The moments after a linear map and a bias, before the activation.

    Args:
        layer: The layer, for its bias.
        x: The `Moments` before, in float32.
        linear: Function of a tensor and a kernel, the linear map.
        kernel: The mean of the kernel, float32.
        contracted: The axes of `x` that the map sums over.
        independent: The axes of the result along which its numbers are independent.
        noise: The variance of each weight of the kernel, or `None` for none.
    """
    mean, variance = linear(x.mean, kernel), 0.0
    if not x.is_certain:
        variance = linear(x.variance, ops.square(kernel))
    if noise is not None:
        variance = variance + linear(ops.square(x.mean) + x.spread, noise)
    if layer.use_bias:
        mean = mean + aligned(layer, ops.cast(layer.bias, "float32"), mean)
    return x.becomes(
        mean,
        variance,
        exact=x.independent_along(contracted),
        independent=frozenset(independent),
        gaussian=x.gaussian and noise is None,
    )


def kernel_of(layer: Any, name: str = "kernel") -> Tensor:
    """The kernel of a layer as floats, with what LoRA adds."""
    if getattr(layer, "quantization_mode", None) is not None:
        raise rules.unknown(layer, "its weights are quantized")
    return ops.cast(getattr(layer, name), "float32")


@rule(L.Dense)
def dense(layer: Any, x: Moments) -> Moments:
    """A matrix product over the last axis, each place along the others by itself."""
    x, kernel, last = x.floats(), kernel_of(layer), x.rank - 1
    y = affine(layer, x, ops.matmul, kernel, {last}, x.independent - {last})
    if kernel.shape[-1] <= _MOST_OUTPUTS:

        def covariance():
            weighted = ops.expand_dims(x.variance, -1) * kernel
            return ops.matmul(ops.transpose(kernel), weighted)

        y = dataclasses.replace(y, covariance=covariance)
    return activate(y, layer.activation, layer)


@rule(L.EinsumDense)
def _einsum_dense(layer, x):
    x, kernel = x.floats(), kernel_of(layer)

    def linear(values, weights):
        return ops.einsum(layer.equation, values, weights)

    inputs, outputs = _labels(layer.equation, x.rank)
    contracted = {axis for axis, label in enumerate(inputs) if label not in outputs}
    kept = {
        outputs.index(label)
        for axis, label in enumerate(inputs)
        if label in outputs and axis in x.independent
    }
    y = affine(_WithoutBias, x, linear, kernel, contracted, kept)
    if layer.bias is not None:
        y = dataclasses.replace(y, mean=y.mean + ops.cast(layer.bias, "float32"))
    return activate(y, layer.activation, layer)


class _WithoutBias:
    use_bias = False


def _labels(equation, rank):
    """The labels of input and output, an ellipsis written out."""
    equation = equation.replace(" ", "")
    inputs, rest = equation.split(",")
    _, outputs = rest.split("->")
    hidden = rank - len(inputs.replace("...", ""))
    # Signs that no equation has.
    extra = "".join(chr(0x2460 + place) for place in range(max(hidden, 0)))
    inputs, outputs = (each.replace("...", extra) for each in (inputs, outputs))
    return inputs, outputs


def _positions(layer, rank):
    """The axes of positions, and that of the channels."""
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    start = 2 if first else 1
    return set(range(start, start + rank - 2)), 1 if first else rank - 1


def convolve(layer: Any, values: Tensor, kernel: Tensor) -> Tensor:
    """The linear map of a convolution."""
    if layer.padding != "causal":
        return ops.conv(
            values,
            kernel,
            strides=list(layer.strides),
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )
    before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
    paddings = [(0, 0)] * 3
    paddings[2 if layer.data_format == "channels_first" else 1] = (before, 0)
    return ops.conv(
        ops.pad(values, paddings),
        kernel,
        strides=list(layer.strides),
        padding="valid",
        dilation_rate=layer.dilation_rate,
        data_format=layer.data_format,
    )


def summed_axes(layer: Any, x: Moments) -> set[int]:
    """The axes that a convolution sums over: channels, and those of wide kernels."""
    positions, channels = _positions(layer, x.rank)
    return {channels} | (positions if max(layer.kernel_size) > 1 else set())


@rule(L.Conv1D, L.Conv2D, L.Conv3D)
def _convolution(layer, x, kernel=None):
    x = x.floats()
    kernel = kernel_of(layer) if kernel is None else kernel

    def linear(values, weights):
        return convolve(layer, values, weights)

    axes = summed_axes(layer, x)
    kept = x.independent - axes
    return activate(
        affine(layer, x, linear, kernel, axes, kept), layer.activation, layer
    )


@rule(L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)
def _transposed(layer, x):
    x = x.floats()

    def linear(values, kernel):
        return ops.conv_transpose(
            values,
            kernel,
            strides=list(layer.strides),
            padding=layer.padding,
            output_padding=layer.output_padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    positions, channels = _positions(layer, x.rank)
    y = affine(layer, x, linear, kernel_of(layer), positions | {channels})
    return activate(y, layer.activation, layer)


@rule(L.DepthwiseConv1D, L.DepthwiseConv2D)
def _depthwise(layer, x):
    x = x.floats()

    def linear(values, kernel):
        return ops.depthwise_conv(
            values,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    positions, channels = _positions(layer, x.rank)
    alone = layer.depth_multiplier == 1
    kept = x.independent & ({channels} if alone else set())
    y = affine(layer, x, linear, kernel_of(layer), positions, kept)
    return activate(y, layer.activation, layer)


@rule(L.SeparableConv1D, L.SeparableConv2D)
def _separable(layer, x):
    # As one convolution with the product of both kernels. If a channel has several
    # depthwise kernels, the square of the product is not the product of the squares.
    deep, points = (kernel_of(layer, f"{n}_kernel") for n in ("depthwise", "pointwise"))
    *sizes, channels, several = deep.shape
    points = ops.reshape(points, (channels, several, -1))
    kernel = ops.einsum(
        "pcm,cmo->pco", ops.reshape(deep, (-1, channels, several)), points
    )
    kernel = ops.reshape(kernel, (*sizes, channels, -1))
    return _convolution(layer, x, kernel)


@operation("Matmul")
def _product(given, x, kernel):
    if not hasattr(x, "spread") or hasattr(kernel, "spread"):
        raise rules.unknown(given, "what comes second has noise")
    kernel = ops.cast(kernel, "float32")
    last = x.rank - 1
    kept = x.independent - {last}
    return affine(_WithoutBias, x.floats(), ops.matmul, kernel, {last}, kept)
