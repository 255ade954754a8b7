"""What the kernel of a layer multiplies: features, or channels of a convolution."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_dropout import _keras
from keras_dropout._layers._base import shapes
from keras_dropout._layers.weights import _affine
from keras_dropout._layers.weights._weight_noise import call_with, raw
from keras_dropout._typing import Shape, Tensor
from keras_dropout._validation import invalid

L = keras.layers
CONVOLUTIONS = (
    *(getattr(L, f"Conv{n}D") for n in (1, 2, 3)),
    *(getattr(L, f"Conv{n}DTranspose") for n in (1, 2, 3)),
    *(getattr(L, f"DepthwiseConv{n}D") for n in (1, 2)),
)
KNOWN = (L.Dense, L.EinsumDense, L.Embedding, *CONVOLUTIONS)
_REGULARIZERS = (
    "kernel_regularizer",
    "depthwise_regularizer",
    "embeddings_regularizer",
)


def require_known(layer: keras.layers.Layer) -> None:
    """Refuses a layer if it is unknown which axes of its kernel are inputs."""
    if not isinstance(layer, KNOWN):
        names = ", ".join(cls.__name__ for cls in KNOWN)
        raise TypeError(invalid("layer", f"one of {names}", layer))


def require_affine(layer: keras.layers.Layer) -> None:
    """Refuses a layer that is not one kernel, a bias and an activation."""
    if not isinstance(layer, _affine.AFFINE):
        names = ", ".join(cls.__name__ for cls in _affine.AFFINE)
        raise TypeError(invalid("layer", f"one of {names}", layer))
    if layer.activity_regularizer is not None:
        raise ValueError(
            "`layer` must have no `activity_regularizer`: put "
            "`keras.layers.ActivityRegularization` after it. Received: "
            f"{layer.activity_regularizer!r} of the layer {layer.name!r}"
        )


def variable(layer: keras.layers.Layer) -> keras.Variable:
    """The variable of an affine layer's kernel, without what LoRA adds."""
    found = [v for v in layer.weights if v.name == "kernel"]
    if not found or not keras.backend.is_float_dtype(found[0].dtype):
        raise ValueError(
            f"The kernel of layer {layer.name!r} must be of floats, because "
            "this wrapper adds noise to it or prunes it. Quantize a model without the "
            "wrapper. Received: "
            f"{found[0].dtype if found else 'no kernel'}"
        )
    return found[0]


def keep_in_floats(wrapper: Any) -> None:
    """Has `quantize` of a model leave the layer of a wrapper as it is, and say so.

    Keras warns of a layer that raises `NotImplementedError`, and goes on.
    """
    message = (
        f"{type(wrapper).__name__} {wrapper.name!r} computes with the weights of its "
        f"layer {wrapper.layer.name!r}, also at inference. So this layer is not "
        "quantized: it stays in floats and works as before. In a model without the "
        "wrapper it can be quantized."
    )

    def quantize(*args, **kwargs):
        raise NotImplementedError(message)

    wrapper.layer.quantize = quantize


def called_without(wrapper: Any, dropped: Tensor, x: Tensor, **kwargs: Any) -> Tensor:
    """What the layer of a wrapper gives without those weights of its kernel."""
    own = variable(wrapper.layer)
    value = raw(own)
    left = ops.where(dropped, ops.zeros_like(value), value)
    outputs, losses = call_with(wrapper.layer, [(own, left)], x, **kwargs)
    for loss in losses:
        wrapper.add_loss(loss)
    return outputs


def finished(layer: keras.layers.Layer, x: Tensor) -> Tensor:
    """The bias and the activation of an affine layer on its linear map `x`."""
    x = biased(layer, x)
    return x if layer.activation is None else layer.activation(x)


def biased(layer: keras.layers.Layer, x: Tensor) -> bool:
    """The linear map `x` of an affine layer, with its bias."""
    if not layer.use_bias:
        return x
    return x + ops.cast(_affine.aligned(layer, layer.bias, x), x.dtype)


def regularizer_of(layer: keras.layers.Layer) -> str | None:
    """The name of the attribute with a penalty on the kernel of a layer, or `None`."""
    found = (n for n in _REGULARIZERS if getattr(layer, n, None) is not None)
    return next(found, None)


def require_unregularized(layer: keras.layers.Layer, instead: str) -> None:
    """Refuses a layer that already has a penalty on its kernel."""
    name = regularizer_of(layer)
    if name is not None:
        raise ValueError(
            f"`layer` must have no `{name}`: the penalty on its kernel is `{instead}`. "
            f"Received: {name}={getattr(layer, name)!r} of the layer {layer.name!r}"
        )


def is_embedding(layer: keras.layers.Layer) -> bool:
    """Whether the inputs are ids. An id selects a row of the kernel."""
    return isinstance(layer, L.Embedding)


def kernel(layer: keras.layers.Layer) -> Tensor:
    """The kernel in its own dtype, with what LoRA adds; `None` once it is quantized."""
    name = "embeddings" if is_embedding(layer) else "kernel"
    with _keras.AutocastScope(None):
        value = ops.convert_to_tensor(getattr(layer, name))
    dtype = keras.backend.standardize_dtype(value.dtype)
    return value if keras.backend.is_float_dtype(dtype) else None


def count(layer: keras.layers.Layer, input_shape: Shape) -> int:
    """How many features or channels the kernel has rows for."""
    if is_embedding(layer):
        return layer.input_dim
    if isinstance(layer, L.EinsumDense):
        inputs, rows = layer.equation.split("->")[0].split(",")
        sizes = zip(rows.strip(), layer.kernel.shape, strict=True)
        return math.prod(size for label, size in sizes if label in inputs)
    axis = shapes.channels(getattr(layer, "data_format", None))
    return input_shape[axis]


def mask_shape(layer: keras.layers.Layer, shape: Shape) -> Shape:
    """The shape of one mask for inputs of this shape."""
    if is_embedding(layer):
        return (*shape, 1)
    if isinstance(layer, CONVOLUTIONS):
        positions = shapes.positions(len(shape), layer.data_format)
        return shapes.shared_over(shape, positions)
    return tuple(shape)
