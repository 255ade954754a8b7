"""Makes Keras's own noise layers draw through `keras_dropout.random`.

Each function here stands in for a method of one of Keras's layers while the layer's
noise is on. It computes what the layer computes in training, with the layer's own
seed generator, but the numbers come from where ours come from. So the schemes that
join samples hold for Keras's layers as well.
"""

import keras
from keras import ops

from keras_dropout import random
from keras_dropout.layers._base import formulas, shapes
from keras_dropout.random import context


def strength(layer):
    """The names of the attributes that say how strong the noise of a layer is."""
    return [name for name in ("rate", "stddev", "dropout") if hasattr(layer, name)]


def with_training(layer, *args, **kwargs):
    """The layer's own `call`, told that it is training."""
    kwargs["training"] = True
    return type(layer).call(layer, *args, **kwargs)


def _drop(x, rate, noise_shape, generator):
    keep = random.keep_mask(noise_shape, rate, random.next_key(generator))
    kept = formulas.inverse(random.keep_probability(rate))
    return formulas.where_kept(keep, x, kept)


def _dropout(layer, inputs, training=None):
    shape = shapes.resolve(layer.noise_shape, ops.shape(inputs))
    rate = context.number(layer, "rate")
    return _drop(inputs, rate, shape, layer.seed_generator)


def _spatial_dropout(layer, inputs, training=None):
    # `SpatialDropout1D` has no data format: its channels are last.
    data_format = getattr(layer, "data_format", "channels_last")
    axes = shapes.positions(len(inputs.shape), data_format)
    shape = shapes.shared_over(ops.shape(inputs), axes)
    rate = context.number(layer, "rate")
    return _drop(inputs, rate, shape, layer.seed_generator)


def _alpha_dropout(layer, inputs, training=None):
    shape = shapes.resolve(layer.noise_shape, ops.shape(inputs))
    rate = context.number(layer, "rate")
    keep = random.keep_mask(shape, rate, random.next_key(layer.seed_generator))
    return formulas.alpha_drop(keep, inputs, random.keep_probability(rate))


def _gaussian_dropout(layer, inputs, training=None):
    rate = context.number(layer, "rate")
    stddev = (rate / (1.0 - rate)) ** 0.5
    return inputs * ops.cast(1.0 + stddev * _normal(layer, inputs), inputs.dtype)


def _gaussian_noise(layer, inputs, training=None):
    stddev = context.number(layer, "stddev")
    return inputs + ops.cast(stddev * _normal(layer, inputs), inputs.dtype)


def _normal(layer, inputs):
    return random.normal(ops.shape(inputs), random.next_key(layer.seed_generator))


def _attention(
    layer,
    inputs,
    mask=None,
    training=None,
    return_attention_scores=False,
    use_causal_mask=False,
):
    # The layer's deterministic call gives the weights; dropping some of them and
    # averaging the values is all that its noise adds.
    _, weights = type(layer).call(
        layer,
        inputs,
        mask=mask,
        training=False,
        return_attention_scores=True,
        use_causal_mask=use_causal_mask,
    )
    rate = context.number(layer, "dropout")
    weights = _drop(weights, rate, ops.shape(weights), layer.seed_generator)
    outputs = ops.matmul(weights, inputs[1])
    if mask and mask[0] is not None:
        outputs = ops.where(ops.expand_dims(mask[0], axis=-1), outputs, 0)
    return (outputs, weights) if return_attention_scores else outputs


CALLS = {
    keras.layers.Dropout.call: _dropout,
    keras.layers.SpatialDropout1D.call: _spatial_dropout,
    keras.layers.AlphaDropout.call: _alpha_dropout,
    keras.layers.GaussianDropout.call: _gaussian_dropout,
    keras.layers.GaussianNoise.call: _gaussian_noise,
    keras.layers.Attention.call: _attention,
}


def _cell_mask(cell, step_input, name):
    """One mask for all steps of a call; the cell itself is not touched."""
    cached = context.scratch()
    place = (id(cell), name)
    if place not in cached and getattr(cell, name) > 0:
        rate = context.number(cell, name)
        shape, ones = ops.shape(step_input), ops.ones_like(step_input)
        # Private in Keras: the LSTM and the GRU cell want a mask for each gate.
        count = getattr(cell, "dropout_mask_count", None)
        masks = [
            _drop(ones, rate, shape, cell.seed_generator) for _ in [0] * (count or 1)
        ]
        cached[place] = masks[0] if count is None else masks
    return cached.get(place)


def _get_dropout_mask(cell, step_input):
    return _cell_mask(cell, step_input, "dropout")


def _get_recurrent_dropout_mask(cell, step_input):
    return _cell_mask(cell, step_input, "recurrent_dropout")


def _reset_dropout_mask(cell):
    context.scratch().pop((id(cell), "dropout"), None)


def _reset_recurrent_dropout_mask(cell):
    context.scratch().pop((id(cell), "recurrent_dropout"), None)


CELL_METHODS = {
    "get_dropout_mask": _get_dropout_mask,
    "get_recurrent_dropout_mask": _get_recurrent_dropout_mask,
    "reset_dropout_mask": _reset_dropout_mask,
    "reset_recurrent_dropout_mask": _reset_recurrent_dropout_mask,
}
