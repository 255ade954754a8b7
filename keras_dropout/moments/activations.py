"""Activations, as functions and as layers of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import activations, ops

from keras_dropout.moments import gaussian, rules
from keras_dropout.moments.rules import operation, rule
from keras_dropout.moments.state import Moments

L = keras.layers
# Work number by number. Some are in newer versions of Keras only.
_ELEMENTWISE = (
    *("celu", "elu", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh"),
    *("log_sigmoid", "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink"),
    *("softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh"),
    *("tanh_shrink", "threshold"),
)


def elementwise(x: Moments, function: Callable) -> Moments:
    """Moments of an elementwise function, by quadrature.

    Each number is assumed to be normal.

    Args:
        x: The `Moments` of the argument.
        function: Function of a float32 tensor that treats each number by itself.

    Returns:
        The `Moments` of the result. They are accurate for normal numbers only, and up
        to the accuracy of 32 nodes, so they are never marked as exact.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import moments
        >>> x = moments.Moments(ops.zeros((1, 1)), ops.ones((1, 1)))
        >>> y = moments.elementwise(x, ops.square)  # chi squared
        >>> round(float(y.mean[0, 0]), 4), round(float(y.variance[0, 0]), 3)
        (1.0, 2.0)
    """
    mean, variance = gaussian.quadrature(function, x.mean, x.variance)
    return x.becomes(mean, variance, independent=x.independent)


def activate(x: Moments, function: Any, owner: Any) -> Moments:
    """The moments after an activation function.

    Args:
        x: `Moments`.
        function: The function, or `None` for none.
        owner: The layer that it belongs to, for errors.
    """
    if function is None or function is activations.linear:
        return x
    if x.is_certain:
        return dataclasses.replace(x, mean=function(x.mean))
    if isinstance(function, L.Layer):
        # Layers are activations as well.
        known = rules.of_operation(function)
        if known is not None:
            return known(function, x)
    known = rules.of_function(function)
    if known is None:
        name = getattr(function, "__name__", type(function).__name__)
        raise rules.unknown(owner, f"there is no rule for its activation {name}")
    return known(x)


def leaky(x: Moments, slope: Any) -> Moments:
    """A number that is scaled by `slope` where it is negative."""
    if x.factor is not None and _is_not_negative(slope):
        # A factor that is never negative comes through as it is.
        mean = ops.where(x.mean > 0, x.mean, slope * x.mean)
        variance = ops.square(mean) * x.factor
        kept = {"independent": x.independent, "factor": x.factor, "exact": True}
        return x.becomes(mean, variance, **kept)
    mean, variance = gaussian.leaky_relu(x.mean, x.variance, slope)
    return x.becomes(mean, variance, exact=x.gaussian, independent=x.independent)


def _is_not_negative(slope):
    return isinstance(slope, float) and slope >= 0


rule(activations.linear)(lambda x: x)
rule(activations.relu)(lambda x: leaky(x, 0.0))
rule(activations.leaky_relu)(lambda x: leaky(x, 0.2))


@rule(activations.exponential)
def _exponential(x):
    mean, variance = gaussian.exponential(x.mean, x.variance)
    return x.becomes(mean, variance, exact=x.gaussian, independent=x.independent)


def _by_quadrature(function):
    return lambda x: elementwise(x, function)


for _name in _ELEMENTWISE:
    _function = getattr(activations, _name, None)
    if _function is not None:
        rule(_function)(_by_quadrature(_function))


@rule(activations.softmax)
def softmax(x: Moments, axis: int = -1) -> Any:
    """The softmax along one axis, by the log odds of classes."""
    if axis not in (-1, x.rank - 1):
        moved = _moved(dataclasses.replace(x, covariance=None), axis, -1)
        return _moved(softmax(moved), -1, axis)
    covariance = None if x.covariance is None else x.covariance()
    return x.becomes(*gaussian.softmax(x.mean, x.variance, covariance))


def _moved(x, source, destination):
    mean = ops.moveaxis(x.mean, source, destination)
    variance = ops.moveaxis(x.variance, source, destination)
    return dataclasses.replace(x, mean=mean, variance=variance, factor=None)


@rule(L.Activation)
def _activation(layer, x):
    return activate(x, layer.activation, layer)


@rule(L.Softmax)
def _softmax_layer(layer, x, mask=None):
    if mask is not None or x.mask is not None or not isinstance(layer.axis, int):
        raise rules.unknown(layer, "it is masked, or over several axes")
    return softmax(x, layer.axis)


@rule(L.ReLU)
def _relu_layer(layer, x):
    if layer.max_value is None and not layer.threshold:
        return leaky(x, float(layer.negative_slope))
    return elementwise(x, layer.call)


@rule(L.LeakyReLU)
def _leaky_layer(layer, x):
    return leaky(x, float(layer.negative_slope))


@rule(L.PReLU)
def _prelu(layer, x):
    return leaky(x, ops.convert_to_tensor(layer.alpha))


@rule(L.ELU)
def _elu(layer, x):
    return elementwise(x, layer.call)


# The same as operations of `keras.ops`.
_NUMBERS = (
    *("Abs", "Absolute", "Celu", "Clip", "Elu", "Erf", "Expm1", "Gelu", "HardShrink"),
    *("HardSigmoid", "HardSilu", "HardTanh", "Log1p", "LogSigmoid", "Relu6", "Selu"),
    *("Sigmoid", "Silu", "SoftShrink", "Softplus", "Softsign", "Sin", "Cos", "Square"),
    *(
        "Squareplus",
        "Tanh",
        "TanhShrink",
        "Threshold",
        "Mish",
        "SparsePlus",
        "HardSwish",
    ),
)


@operation(*_NUMBERS)
def _numbers(given, x, *args, **kwargs):
    return elementwise(x, lambda each: given.call(each, *args, **kwargs))


operation("Relu")(lambda given, x: leaky(x, 0.0))
operation("LeakyRelu")(lambda given, x: leaky(x, float(given.negative_slope)))
operation("Exp")(lambda given, x: _exponential(x))
operation("Softmax")(lambda given, x: softmax(x, given.axis))
