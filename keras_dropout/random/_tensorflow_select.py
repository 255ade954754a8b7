"""The selection by a mask on TensorFlow, forward and backward."""

from __future__ import annotations

import functools

import tensorflow as tf

from keras_dropout._typing import Tensor
from keras_dropout.random import _tensorflow_devices as devices
from keras_dropout.random import context


def select(keep: Tensor, x: Tensor, scale: Tensor = None) -> Tensor:
    """`scale * x` where kept and 0 elsewhere; the scale is taken for a constant."""
    if not x.dtype.is_floating or (
        devices.is_on_accelerator(keep) and not devices.in_xla()
    ):
        # GPUs have no kernel for `MulNoNan` in bfloat16, and a fast one for this.
        x = x if scale is None else x * scale
        return tf.where(keep, x, tf.zeros((), x.dtype))
    if not _covers(x.shape, keep.shape):
        x = tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(keep), tf.shape(x)))
    if devices.in_xla():
        return _masked(keep, x if scale is None else x * scale)
    return _multiplied(keep, x, scale)


def _covers(shape, other):
    """Whether, as far as is known, the other shape broadcasts to this one."""
    if len(shape) < len(other):
        return False
    pairs = zip(reversed(shape), reversed(other), strict=False)
    return all(size != 1 or size == another for size, another in pairs)


def _multiplied(keep, x, scale, is_backward=False):
    """A product in which 0 times anything is 0: the selection's kernel is slower.

    By measurement, a step takes less memory if it scales `x` forward, and less time if
    it scales the mask backward.
    """

    def product(x):
        factor = tf.cast(keep, x.dtype)
        if scale is not None:
            factor, x = (factor * scale, x) if is_backward else (factor, x * scale)
        return tf.raw_ops.MulNoNan(x=x, y=factor)

    if context.is_active():
        # A gradient is hardly ever taken then, and need not keep as little as it can.
        return product(x)

    @tf.custom_gradient
    def multiply(x):
        def gradient(upstream):
            # Not before it is needed: finding the factor made twice, the optimizer of
            # graphs would keep it in place of the mask, of one byte an element.
            with tf.control_dependencies([upstream]):
                return _multiplied(keep, upstream, scale, not is_backward)

        return product(x), gradient

    return multiply(x)


def _masked(keep, x):
    """A selection by masking bits: on a CPU XLA makes a faster loop of it."""
    integers = {2: tf.int16, 4: tf.int32, 8: tf.int64}[x.dtype.size]

    @tf.custom_gradient
    def mask(x):
        # All bits where kept, none elsewhere.
        bits = -tf.cast(keep, integers)
        kept = tf.bitwise.bitwise_and(tf.bitcast(x, integers), bits)
        return tf.bitcast(kept, x.dtype), functools.partial(_masked, keep)

    return mask(x)
