"""Layers around a layer: noise on its inputs, its outputs or its weights."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_dropout import layers, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers.learned import _kernels
from keras_dropout._layers.weights import _affine
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout.moments import rules
from keras_dropout.moments.activations import activate
from keras_dropout.moments.affine import affine, convolve, kernel_of, summed_axes
from keras_dropout.moments.noise import dropped, multiplied, require_certain, source
from keras_dropout.moments.rules import rule
from keras_dropout.moments.state import Moments, all_axes
from keras_dropout.moments.walk import has_noise, through
from keras_dropout.trainers import BatchRepetition

L = keras.layers
# How many points the mean and the variance of a relaxed mask are computed from.
_PLACES = 4096


@rule(layers.MaxNormDropout)
def _max_norm(layer, x):
    rate, kept = layer.current("rate"), layer.scaling == "train"
    if layer.position == "before":
        x = dropped(x, rate, layer.mask_shape(x.shape), is_scaled=kept)
        return through(layer.layer, x)
    y = through(layer.layer, x)
    if not isinstance(y, Moments):
        raise rules.unknown(layer, "the layer within has several outputs")
    return dropped(y, rate, layer.mask_shape(y.shape), is_scaled=kept)


@rule(layers.MultiSampleDropout)
def _multi_sample(layer, x):
    if layer.reduction != "mean":
        raise rules.unknown(layer, "it stacks its outputs")
    # One sample of a prediction has one mask.
    x = dropped(x, layer.current("rate"), layer.mask_shape(x.shape))
    return through(layer.head, x)


@rule(layers.RDrop, BatchRepetition)
def _trainer(layer, x):
    return through(layer.model, x)


@rule(layers.LayerDrop)
def _layer_drop(layer, x):
    keep = random.keep_probability(random.plain(layer.current("rate")))
    y, x = through(layer.layer, x).floats(), x.floats()
    mean = keep * y.mean + (1.0 - keep) * x.mean
    gap = keep * (1.0 - keep) * ops.square(y.mean - x.mean)
    variance = keep * y.spread + (1.0 - keep) * x.spread + gap
    sources = x.sources | y.sources | source()
    return Moments(mean, variance, x.exact and y.exact, sources=sources, mask=y.mask)


@rule(layers.ConcreteDropout)
def _concrete(layer, x):
    mean, variance = _relaxed(layer)
    if _kernels.is_embedding(layer.layer):
        y = through(layer.layer, x)
        return multiplied(y, mean, variance, _kernels.mask_shape(layer.layer, x.shape))
    shape = _kernels.mask_shape(layer.layer, x.shape)
    return through(layer.layer, multiplied(x, mean, variance, shape))


def _relaxed(layer):
    """Mean and variance of the scaled mask of a `ConcreteDropout`."""
    rate = layer.current("rate")
    if layer.hard:
        keep = random.keep_probability(rate)
        scale = formulas.inverse(keep)
        return keep * scale, keep * (1.0 - keep) * scale**2
    u = (np.arange(_PLACES) + 0.5) / _PLACES
    odds = ops.convert_to_tensor(np.log(u) - np.log1p(-u), "float32")
    p = ops.clip(rate, 1e-30, 1.0 - 2.0**-24)
    logit = ops.log(p) - ops.log1p(-p)
    mask = ops.sigmoid(-(logit + odds) / layer.temperature) / (1.0 - p)
    return ops.mean(mask), ops.var(mask)


@rule(layers.Standout)
def _standout(layer, x):
    require_certain(layer, x)
    y, logits = layer._parts(x.floats().mean)
    keep = ops.sigmoid(logits)
    y = Moments(ops.cast(y, "float32"), mask=x.mask)
    return multiplied(y, keep, keep * (1.0 - keep), y.shape)


@rule(layers.InformationDropout)
def _information(layer, x):
    require_certain(layer, x)
    logits = ops.cast(layer.noise_layer(x.mean), "float32")
    alpha = layer.max_alpha * ops.sigmoid(logits)
    y = through(layer.layer, x)
    return multiplied(y, 1.0, ops.expm1(ops.square(alpha)), y.shape)


def _noisy_kernel(wrapper, x, kernel, noise, bias_noise=0.0, own=False):
    """The output of a wrapped layer if its kernel has this mean and variance.

    Args:
        wrapper: A wrapper of an affine layer.
        x: `Moments`.
        kernel: The mean of the kernel, float32.
        noise: The variance of each weight.
        bias_noise: The variance of each number of the bias.
        own: Whether every number of the result has a normal noise of its own.
    """
    layer, x = wrapper.layer, x.floats()

    def linear(values, weights):
        if isinstance(layer, L.Dense):
            return ops.matmul(values, weights)
        return convolve(layer, values, weights)

    is_dense = isinstance(layer, L.Dense)
    axes = {x.rank - 1} if is_dense else summed_axes(layer, x)
    y = affine(layer, x, linear, kernel, axes, noise=noise)
    apart = frozenset()
    if x.is_certain:
        # The weights of two units have different noise; two places share the weights.
        apart = all_axes(y) if own else frozenset({y.rank - 1} if is_dense else ())
    y = dataclasses.replace(
        y,
        variance=y.variance + bias_noise,
        independent=apart,
        gaussian=own and x.is_certain,
        sources=x.sources | source(),
    )
    return activate(y, layer.activation, layer)


def _require_kernel(wrapper, allowed=("kernel",)):
    if not isinstance(wrapper.layer, _affine.AFFINE):
        raise rules.unknown(wrapper, "the layer within is no Dense or convolution")
    if tuple(wrapper.weight_names) != allowed:
        raise rules.unknown(wrapper, "its noise is on other weights than the kernel")


def _plain_kernel(layer):
    """The kernel that the noise is for, without what LoRA adds, as floats."""
    return ops.cast(raw(_kernels.variable(layer)), "float32")


def _ratio(wrapper):
    keep = random.keep_probability(random.plain(wrapper.current("rate")))
    return (1.0 - keep) * formulas.inverse(keep)


@rule(layers.DropConnect)
def _drop_connect(wrapper, x):
    _require_kernel(wrapper)
    layer, ratio = wrapper.layer, _ratio(wrapper)
    noise = ratio * ops.square(_plain_kernel(layer))
    bias = 0.0
    if wrapper.drop_bias and layer.use_bias:
        bias = ratio * ops.square(ops.cast(raw(layer.bias), "float32"))
    first = getattr(layer, "data_format", None) == "channels_first"
    if first and wrapper.drop_bias and layer.use_bias:
        bias = ops.reshape(bias, (-1, *[1] * (x.rank - 2)))
    return _noisy_kernel(wrapper, x, kernel_of(layer), noise, bias)


@rule(layers.WeightDrop)
def _weight_drop(wrapper, x):
    _require_kernel(wrapper)
    noise = _ratio(wrapper) * ops.square(_plain_kernel(wrapper.layer))
    y = _noisy_kernel(wrapper, x, kernel_of(wrapper.layer), noise)
    return y if wrapper.per == "element" else _shared_by_units(y)


@rule(layers.Mixout)
def _mixout(wrapper, x):
    _require_kernel(wrapper)
    away = _plain_kernel(wrapper.layer) - ops.cast(raw(wrapper.anchors[0]), "float32")
    noise = _ratio(wrapper) * ops.square(away)
    y = _noisy_kernel(wrapper, x, kernel_of(wrapper.layer), noise)
    return y if wrapper.per == "element" else _shared_by_units(y)


def _shared_by_units(y):
    """The weights of one input share a draw, so that units are not independent."""
    return dataclasses.replace(y, independent=frozenset())


@rule(layers.SparseVariationalDropout)
def _sparse_variational(wrapper, x):
    noise = ops.exp(ops.cast(wrapper.log_sigma2, "float32"))
    return _noisy_kernel(wrapper, x, kernel_of(wrapper.layer), noise, 1e-8, own=True)


@rule(layers.TargetedDropout)
def _targeted(wrapper, x):
    layer, rate = wrapper.layer, random.plain(wrapper.current("rate"))
    if wrapper.mode != "weight":
        raise rules.unknown(wrapper, "it drops units, whose weights share a draw")
    if layer.lora_enabled:
        raise rules.unknown(wrapper, "its layer has LoRA weights")
    chosen = ops.cast(wrapper._candidates(), "float32")
    kernel = _plain_kernel(layer)
    noise = rate * (1.0 - rate) * chosen * ops.square(kernel)
    return _noisy_kernel(wrapper, x, kernel * (1.0 - rate * chosen), noise)


@rule(L.TimeDistributed)
def _time_distributed(wrapper, x, mask=None):
    rows, steps, *rest = x.shape

    def flat(values):
        return ops.reshape(values, (-1, *rest))

    within = frozenset(axis - 1 for axis in x.independent if axis > 1)
    inner = Moments(
        flat(x.mean),
        None if x.is_certain else flat(x.variance),
        x.exact,
        within,
        gaussian=x.gaussian,
        sources=x.sources,
    )
    y = through(wrapper.layer, inner)

    def steps_again(values):
        return ops.reshape(values, (rows, steps, *values.shape[1:]))

    # What noise the layer within has may be one for all steps.
    apart = x.independent & {1} if not has_noise(wrapper.layer) else set()
    return Moments(
        steps_again(y.mean),
        None if y.is_certain else steps_again(y.variance),
        y.exact,
        frozenset({axis + 1 for axis in y.independent} | apart),
        gaussian=y.gaussian,
        sources=y.sources,
        mask=x.mask,
    )
