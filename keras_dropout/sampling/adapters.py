"""Makes Keras's own noise layers draw through `keras_dropout.random`.

Each function here stands in for a method of one of Keras's layers while the layer's
noise is on. It computes what the layer computes in training, with the layer's own
seed generator, but the numbers come from where ours come from. So the schemes that
join samples hold for Keras's layers as well.

A function gets the layer and the method that it stands in for. It does so only where
all that it passes over is what Keras wrote: a subclass that changes any of that calls
its own method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _keras, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers.units.gaussian import gaussian_stddev
from keras_dropout.random import context
from keras_dropout.sampling.activation import own_attribute


def strength(layer: keras.layers.Layer) -> list[str]:
    """The names of the attributes that say how strong the noise of a layer is."""
    return [name for name in ("rate", "stddev", "dropout") if hasattr(layer, name)]


def with_training(
    layer: keras.layers.Layer, own: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """The layer's own `call`, told that it is training; layers after it are not."""
    with _keras.training_as(_keras.training_around()):
        return own(*args, **{**kwargs, "training": True})


def as_it_is(
    layer: keras.layers.Layer, own: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """The layer's own `call`."""
    return own(*args, **kwargs)


def _drop(layer, name, x, noise_shape):
    """Dropout of `x` at the rate that an attribute of a layer holds."""
    rate = _number(layer, name)
    keep = random.keep_mask(noise_shape, rate, random.next_key(layer.seed_generator))
    return formulas.where_kept(keep, x, formulas.keep_scale(rate))


def _number(layer, name):
    """A number that a layer holds, as the samples are to take it."""
    told = context.number(layer, name)
    return getattr(layer, name) if told is None else told


def _dropout(layer, own, inputs, training=None):
    shape = shapes.resolve(layer.noise_shape, ops.shape(inputs))
    return _drop(layer, "rate", inputs, shape)


def _spatial_dropout(layer, own, inputs, training=None):
    # `SpatialDropout1D` has no data format: its channels are last.
    data_format = getattr(layer, "data_format", "channels_last")
    axes = shapes.positions(len(inputs.shape), data_format)
    shape = shapes.shared_over(ops.shape(inputs), axes)
    return _drop(layer, "rate", inputs, shape)


def _alpha_dropout(layer, own, inputs, training=None):
    shape = shapes.resolve(layer.noise_shape, ops.shape(inputs))
    rate = _number(layer, "rate")
    keep = random.keep_mask(shape, rate, random.next_key(layer.seed_generator))
    return formulas.alpha_drop(keep, inputs, random.keep_probability(rate))


def _gaussian_dropout(layer, own, inputs, training=None):
    rate = _number(layer, "rate")
    stddev = gaussian_stddev(rate)
    return inputs * ops.cast(1.0 + stddev * _normal(layer, inputs), inputs.dtype)


def _gaussian_noise(layer, own, inputs, training=None):
    stddev = _number(layer, "stddev")
    return inputs + ops.cast(stddev * _normal(layer, inputs), inputs.dtype)


def _normal(layer, inputs):
    return random.normal(ops.shape(inputs), random.next_key(layer.seed_generator))


def _attention(
    layer,
    own,
    inputs,
    mask=None,
    training=None,
    return_attention_scores=False,
    use_causal_mask=False,
):
    # The layer's deterministic call gives the weights; dropping some of them and
    # averaging the values is all that its noise adds.
    _, weights = own(
        inputs,
        mask=mask,
        training=False,
        return_attention_scores=True,
        use_causal_mask=use_causal_mask,
    )
    weights = _drop(layer, "dropout", weights, ops.shape(weights))
    outputs = ops.matmul(weights, inputs[1])
    if mask and mask[0] is not None:
        outputs = ops.where(ops.expand_dims(mask[0], axis=-1), outputs, 0)
    return (outputs, weights) if return_attention_scores else outputs


CALLS: dict[type, Callable[..., Any]] = {
    keras.layers.Dropout: _dropout,
    keras.layers.SpatialDropout1D: _spatial_dropout,
    keras.layers.SpatialDropout2D: _spatial_dropout,
    keras.layers.SpatialDropout3D: _spatial_dropout,
    keras.layers.AlphaDropout: _alpha_dropout,
    keras.layers.GaussianDropout: _gaussian_dropout,
    keras.layers.GaussianNoise: _gaussian_noise,
    keras.layers.Attention: _attention,
    keras.layers.AdditiveAttention: _attention,
}

# Methods that a subclass may override, because a call does not use them.
_FREE = {
    "__init__",
    "build",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "get_config",
}


def stands_in(layer: keras.layers.Layer) -> Callable[..., Any] | None:
    """The function that stands in for the `call` of a layer, or None.

    There is one if the layer is Keras's, or of a subclass that changes nothing of what
    Keras's class computes.
    """
    known = next((cls for cls in type(layer).__mro__ if cls in CALLS), None)
    if known is None:
        return None
    lineage = known.__mro__[: known.__mro__.index(keras.layers.Layer)]
    names = {name for cls in lineage for name in vars(cls)} - _FREE
    return CALLS[known] if is_unchanged(layer, known, names) else None


def is_unchanged(layer: keras.layers.Layer, known: type, names: Iterable[str]) -> bool:
    """Whether a layer has these methods as the class `known` has them."""
    return all(
        getattr(type(layer), name) is getattr(known, name)
        and own_attribute(layer, name) is None
        for name in names
        if inspect.isfunction(getattr(known, name, None))
    )


def is_silent(layer: keras.layers.Layer) -> bool:
    """Whether the noise of a layer that a function stands in for has strength 0."""
    return all(_is_zero(layer, name) for name in strength(layer))


def _is_zero(layer, name):
    value = float(np.float32(getattr(layer, name)))
    if name == "stddev":
        return value == 0.0
    if isinstance(layer, keras.layers.GaussianDropout):
        stddev = gaussian_stddev(value) if value < 1 else 1.0
        return formulas.is_lost(8.0 * stddev, layer.compute_dtype)
    return drops_nothing(value)


def drops_nothing(rate: float) -> bool:
    """Whether masks of this rate keep all."""
    return float(random.keep_probability(float(np.float32(rate)))) == 1.0


def _cell_mask(cell, step_input, name):
    """One mask for all steps of a call; the cell itself is not touched."""
    cached = context.scratch()
    place = (id(cell), name)
    if place not in cached and getattr(cell, name) > 0:
        shape, ones = ops.shape(step_input), ops.ones_like(step_input)
        # Private in Keras: the LSTM and the GRU cell want a mask for each gate.
        count = getattr(cell, "dropout_mask_count", None)
        masks = [_drop(cell, name, ones, shape) for _ in [0] * (count or 1)]
        cached[place] = masks[0] if count is None else masks
    return cached.get(place)


def _get_dropout_mask(cell, own, step_input):
    return _cell_mask(cell, step_input, "dropout")


def _get_recurrent_dropout_mask(cell, own, step_input):
    return _cell_mask(cell, step_input, "recurrent_dropout")


def _reset_dropout_mask(cell, own):
    context.scratch().pop((id(cell), "dropout"), None)


def _reset_recurrent_dropout_mask(cell, own):
    context.scratch().pop((id(cell), "recurrent_dropout"), None)


CELL_METHODS: dict[str, Callable[..., Any]] = {
    "get_dropout_mask": _get_dropout_mask,
    "get_recurrent_dropout_mask": _get_recurrent_dropout_mask,
    "reset_dropout_mask": _reset_dropout_mask,
    "reset_recurrent_dropout_mask": _reset_recurrent_dropout_mask,
}

_CELL = keras.layers.LSTMCell


def stands_in_cell(cell: keras.layers.Layer) -> bool:
    """Whether these functions may stand in for the methods of a recurrent cell."""
    return is_unchanged(cell, _CELL, {*CELL_METHODS, _keras.CREATE_MASK})
