"""What LoRA adds to a layer, apart from what the frozen weights give.

Keras keeps the frozen kernel W of the shape (..., out) and two matrices, A of the
shape (..., rank) and B of the shape (rank, out). Its layers compute with the sum
`W + (alpha / rank) A B`, or, once they are quantized, add both results.
"""

import math

import keras
from keras import ops

from keras_dropout import _keras, random
from keras_dropout._layers._base import concrete, formulas, shapes
from keras_dropout._layers.weights._weight_noise import raw

L = keras.layers
CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.Conv3D)
# Older versions of Keras have none.
REVERSIBLE = getattr(L, "ReversibleEmbedding", None)
KNOWN = (L.Dense, L.EinsumDense, L.Embedding, *CONVOLUTIONS)
_CLASSES = KNOWN if REVERSIBLE is None else (REVERSIBLE, *KNOWN)


def is_enabled(layer):
    """Whether LoRA is enabled on a layer itself."""
    return getattr(layer, "lora_enabled", False) is True


def require_known(layer, mode):
    """Refuses layers if it is unknown which part of them is the branch."""
    cls = type(layer)
    kin = next((known for known in _CLASSES if isinstance(layer, known)), None)
    names = ", ".join(known.__name__ for known in KNOWN)
    if kin is None:
        raise TypeError(
            f"LoRA dropout supports {names} and their subclasses. Leave other "
            "layers out with `layers`. Received: the LoRA of layer "
            f"{layer.name!r}, a {cls.__name__}"
        )
    if mode == "input" and _own_call(cls) is not kin.call:
        raise TypeError(
            "mode='input' replaces the `call` of a layer, but the class "
            f"{cls.__name__} defines its own. Choose mode='weights', which runs that "
            "`call` with other matrices, or leave the layer out with `layers`. "
            f"Received: the LoRA of layer {layer.name!r}"
        )


def _own_call(cls):
    """The `call` of a class, as it was before the dropout."""
    return getattr(cls, "adapted", cls).call


def matrices(layer):
    """The names of the attributes that hold A and B."""
    kind = "embeddings" if isinstance(layer, L.Embedding) else "kernel"
    return f"lora_{kind}_a", f"lora_{kind}_b"


def scale(layer):
    """The factor of the product of A and B."""
    return layer.lora_alpha / layer.lora_rank


def with_dropped_inputs(layer, plain, masks, x, *args, **kwargs):
    """The outputs of a layer if its branch gets only some of the inputs.

    Args:
        layer: A layer with LoRA.
        plain: What its class does in a call.
        masks: Function of a shape to a mask, and to the factor of what it keeps.
        x: The inputs.
        *args: Further arguments of the call.
        **kwargs: Further arguments of the call.
    """
    reverse = _is_reversible(layer) and _is_reverse(args, kwargs)
    if reverse and not _adapts_reverse(layer):
        return plain(layer, x, *args, **kwargs)
    # What follows the sum is applied below, after it.
    ends = {"logit_soft_cap": None} if reverse else {"activation": None}
    bare = _keras.borrowed(layer, lora_enabled=False, **ends)
    outputs = plain(bare, x, *args, **kwargs)
    added = _reversed_inputs if reverse else _dropped_inputs
    total = outputs + ops.cast(added(layer, x, masks), outputs.dtype)
    if (mask := _keras.mask_of(outputs)) is not None:
        _keras.set_mask(total, mask)
    if reverse:
        return _capped(layer, total)
    activation = getattr(layer, "activation", None)
    return total if activation is None else activation(total)


def _dropped_inputs(layer, x, masks):
    """What A and B add to the outputs if the branch sees only some of the inputs."""
    a, b = (getattr(layer, name) for name in matrices(layer))
    if isinstance(layer, L.Embedding):
        keep, keep_scale = masks((*ops.shape(x), 1))
        # Keras takes ids of any dtype.
        x = ops.cast(x, "int32")
        low = concrete.masked(keep, ops.take(a, x, axis=0), keep_scale)
    else:
        a, b = ops.cast(a, x.dtype), ops.cast(b, x.dtype)
        x = concrete.masked(*_placed(masks, x))
        if not _is_factorized(layer):
            return scale(layer) * _linear(layer, x, ops.matmul(a, b))
        low = _linear(layer, x, a)
    return scale(layer) * ops.matmul(low, b)


def _reversed_inputs(layer, x, masks):
    """The same for an embedding that takes vectors back to words."""
    a, b = (getattr(layer, name) for name in matrices(layer))
    if layer.reverse_dtype is not None:
        x = ops.cast(x, layer.reverse_dtype)
    a, b = (ops.transpose(ops.cast(each, x.dtype)) for each in (a, b))
    x = concrete.masked(*_placed(masks, x))
    return scale(layer) * ops.matmul(ops.matmul(x, b), a)


def _placed(masks, x):
    keep, keep_scale = masks(ops.shape(x))
    return keep, x, keep_scale


def _is_reversible(layer):
    return REVERSIBLE is not None and isinstance(layer, REVERSIBLE)


def _is_reverse(args, kwargs):
    """Whether a call asks an embedding for words, not for vectors."""
    return bool(kwargs.get("reverse", args[0] if args else False))


def _adapts_reverse(layer):
    """Whether LoRA is in the way back: not without tied weights, or quantized."""
    return layer.tie_weights and getattr(layer, "quantization_mode", None) is None


def _capped(layer, logits):
    cap = layer.logit_soft_cap
    return logits if cap is None else ops.tanh(logits / cap) * cap


def channel_shape(layer, shape):
    """The shape of a mask of inputs, of whole channels in front of a convolution."""
    if not isinstance(layer, CONVOLUTIONS) or len(shape) < 3:
        return shape
    return shapes.shared_over(shape, shapes.positions(len(shape), layer.data_format))


def masked_weights(layer):
    """The matrices that masks of the inputs meet, and how many rows and columns."""
    a, b = (getattr(layer, name) for name in matrices(layer))
    if isinstance(layer, CONVOLUTIONS):
        return [a], a.shape[-2] * layer.groups
    if _is_reversible(layer):
        back = _adapts_reverse(layer)
        return ([a, b], a.shape[0] + b.shape[-1]) if back else ([a], a.shape[0])
    if not isinstance(layer, L.EinsumDense):
        return [a], a.shape[0]
    inputs, kernel, _ = _parts(layer)
    sizes = zip(kernel, (*a.shape[:-1], b.shape[-1]), strict=True)
    count = math.prod(size for label, size in sizes if label in inputs)
    found = [a] if any(label in inputs for label in kernel[:-1]) else []
    return ([*found, b] if kernel[-1] in inputs else found), count


def with_dropped_weights(layer, plain, rate, keys, *args, **kwargs):
    """The outputs of a layer with some rows of A and columns of B left out."""
    names = matrices(layer)
    keep_scale = formulas.keep_scale(rate)
    dropped = {}
    for name, key in zip(names, keys, strict=True):
        value = raw(getattr(layer, name))
        shape = _rows(layer, value) if name == names[0] else (1, value.shape[-1])
        keep = random.keep_mask(shape, rate, key, per_row=False)
        value = formulas.where_kept(keep, value, keep_scale)
        dropped[name] = ops.cast(value, layer.compute_dtype)
    return plain(_keras.borrowed(layer, **dropped), *args, **kwargs)


def _rows(layer, a):
    """The shape of a mask of A that has one draw for each input feature."""
    if isinstance(layer, L.EinsumDense):
        inputs, kernel, _ = _parts(layer)
        own = [label in inputs for label in kernel[:-1]]
    else:
        # An input channel of a convolution is the second from the end, as is the row
        # of a matrix.
        own = [axis == len(a.shape) - 2 for axis in range(len(a.shape) - 1)]
    sizes = zip(a.shape, own, strict=False)
    return (*(size if is_own else 1 for size, is_own in sizes), 1)


def _is_factorized(layer):
    """Whether applying A and then B to the last axis is applying their product."""
    if isinstance(layer, L.EinsumDense):
        inputs, kernel, outputs = _parts(layer)
        return kernel[-1] == outputs[-1] and kernel[-1] not in inputs
    if isinstance(layer, CONVOLUTIONS):
        return layer.groups == 1 and layer.data_format == "channels_last"
    return True


def _parts(layer):
    """The labels of inputs, kernel and outputs of an einsum."""
    operands, _, outputs = layer.equation.replace(" ", "").partition("->")
    inputs, _, kernel = operands.partition(",")
    return inputs, kernel, outputs


def _linear(layer, x, kernel):
    """The linear map of a layer, with another kernel, which may have other outputs."""
    if isinstance(layer, L.Dense):
        return ops.matmul(x, kernel)
    if isinstance(layer, L.EinsumDense):
        return ops.einsum(layer.equation, x, kernel)
    return _keras.convolved(layer, x, kernel)
