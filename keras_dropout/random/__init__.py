"""The one place that draws random numbers.

Layers ask for a *key* (the next state of their seed generator) and then for a
keep mask, uniforms or normals from it. Which generator makes the bits is the
business of one file a backend. While Monte Carlo samples are drawn, the
[sampling context][keras_dropout.random.context] of the calling thread may join
the samples by a scheme; the layers do not notice.
"""

import importlib

import keras
from keras import ops

from keras_dropout.random import context, schemes

if keras.backend.backend() not in ("tensorflow", "jax", "torch"):
    raise ImportError(
        "keras_dropout runs on the TensorFlow, JAX and PyTorch backends of Keras. "
        f"Received: KERAS_BACKEND={keras.backend.backend()}"
    )
_backend = importlib.import_module(f"{__name__}._{keras.backend.backend()}")

# Masks are decided by comparing 16 random bits with a threshold. Where bits are dear, a
# byte is compared, and another only in the one case of 256 in which the first equals
# the threshold's. So eight places share the other, each an eighth of the mask from the
# next. With f the share of ties that drop, their decisions correlate by
# f (1 - f) / (65536 p q): less than 0.00005 for rates from 0.1 to 0.9, and less than
# 0.0007 for others.
LEVELS = 65536


def next_key(generator):
    """Returns the next key of `generator` and advances it.

    A key is the pair (seed, counter) of the generator's state, with the replica
    of a TensorFlow distribution strategy or the rank of `torch.distributed`
    mixed into it, so that replicas draw different noise from one state.
    """
    return _backend.next_key(generator)


def plain(number):
    """A scalar as a Python float where that is faster and known, else as it is."""
    return _backend.plain(number)


def drop_threshold(rate):
    """How many of the 65,536 levels of a 16-bit word mean "dropped"."""
    rate = plain(rate)
    if isinstance(rate, float):
        return round(rate * LEVELS)
    return ops.cast(ops.round(ops.cast(rate, "float32") * LEVELS), "int32")


def keep_probability(rate):
    """The probability with which masks of this `rate` really keep a unit.

    It is within 2^-17 of `1 - rate`. Dividing by it makes the mean exact.
    """
    threshold = drop_threshold(rate)
    if isinstance(threshold, int):
        return 1.0 - threshold / LEVELS
    return 1.0 - ops.cast(threshold, "float32") / LEVELS


def keep_mask(shape, rate, key, *, per_row=True):
    """Draws a Boolean mask that is true, that is *kept*, with probability 1 - rate.

    Args:
        shape: Shape of the mask. Its first axis counts rows unless `per_row` is
            false; a first axis of 1 means one mask for all rows.
        rate: Float or scalar tensor in `[0, 1]`. Probability of dropping.
        key: A key of `next_key`.
        per_row: False for masks of weights, which have no row axis.
    """
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.keep_mask(shape, drop_threshold(rate), key)
    threshold = drop_threshold(rate)
    return schemes.keep_mask(arrangement, _backend, shape, threshold, key, per_row)


def uniform(shape, key, *, per_row=True):
    """Draws float32 numbers uniform on [0, 1)."""
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.uniform(shape, key)
    return schemes.uniform(arrangement, _backend, shape, key, per_row)


def normal(shape, key, *, mean=None, stddev=1.0, per_row=True):
    """Draws float32 normal numbers; the mean is 0 unless it is given."""
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.normal(shape, key, mean, stddev)
    numbers = stddev * schemes.normal(arrangement, _backend, shape, key, per_row)
    return numbers if mean is None else mean + numbers


def select(keep, x, scale=None):
    """`scale * x` where kept and 0 elsewhere, in the backend's fastest way.

    A selection, not a product: NaN or infinity that is not kept does not come
    through, forward or backward.
    """
    keep, x = ops.convert_to_tensor(keep), ops.convert_to_tensor(x)
    if scale is not None and not isinstance(scale, float):
        scale = ops.cast(scale, x.dtype)
    return _backend.select(keep, x, scale)
