"""Draws on TensorFlow: a counter-based generator, keyed by (seed, counter).

Outside XLA it is TensorFlow's own Philox-4x32 with 10 rounds (Salmon et al., 2011),
the only one that it has a fast kernel of, a byte a decision and one more in the rare
tie. Under `jit_compile=True` XLA compiles that kernel badly on a CPU, so there it is
Threefry-2x32 with 13 rounds in plain integer operations, 32 bits a decision, of which
16 count. Both keep with a probability within 2^-17 of the one asked for. A seed has
2^32 keys, one a draw, and repeats after them; one draw has 2^128 blocks with Philox,
and 2^32 numbers with Threefry.
"""

import functools
import math

import tensorflow as tf

from keras_dropout.random.fusion import is_cheap_to_fuse
from keras_dropout.random.threefry import threefry

# Odd, and with its top bit set: no two replica ids below 2^32 give one product,
# and the seeds of replica 1 are out of the range that users choose from.
_REPLICA_STRIDE = 0x9E3779B1
_PHILOX = 1
# Below this many places the operations cost more than the bits.
_FEW = 8192


def next_key(generator):
    """The next state, with the id of a strategy's replica mixed into the seed."""
    words = generator.next()
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return words
    replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
    mixed = (replica * _REPLICA_STRIDE) & 0xFFFFFFFF
    return tf.bitwise.bitwise_xor(words, tf.stack([mixed, tf.zeros_like(mixed)]))


def plain(rate):
    """A rate as it is: the number may not be there while a function is traced."""
    return rate


def keep_mask(shape, threshold, key):
    """True where 16 random bits reach the threshold."""
    threshold = tf.convert_to_tensor(threshold, tf.int32)
    in_xla = _in_xla()
    count = _count(shape)
    if not in_xla and isinstance(count, int) and count < _FEW:
        return _halves_reach(shape, threshold, key)
    if in_xla and isinstance(shape, (tuple, list)) and is_cheap_to_fuse(shape):
        return _words_reach(shape, threshold, key)
    return tf.cond(
        (threshold > 0) & (threshold < 65536),
        lambda: (_words_reach if in_xla else _reach)(shape, threshold, key),
        lambda: tf.fill(shape, threshold <= 0),
    )


def uniform(shape, key):
    """Float32 uniforms on [0, 1)."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    if _in_xla():
        return tf.cast(_words(shape, key, 8), tf.float32) * 2.0**-24
    return tf.raw_ops.StatelessRandomUniformV2(
        shape=shape, dtype=tf.float32, **_philox(key)
    )


def normal(shape, key, mean=None, stddev=1.0):
    """Float32 normals; under XLA the quantiles of 2^23 equally likely steps."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    if _in_xla():
        # The middles of the steps: symmetric about 0, and never at -1 or 1.
        steps = tf.cast(_words(shape, key, 9), tf.float32) + 0.5
        numbers = tf.math.erfinv(steps * 2.0**-22 - 1.0) * 2.0**0.5
    else:
        numbers = tf.raw_ops.StatelessRandomNormalV2(
            shape=shape, dtype=tf.float32, **_philox(key)
        )
    numbers = stddev * numbers
    return numbers if mean is None else mean + numbers


def select(keep, x, scale=None):
    """`scale * x` where kept and 0 elsewhere; the scale is taken for a constant."""
    if not x.dtype.is_floating:
        x = x if scale is None else x * scale
        return tf.where(keep, x, tf.zeros((), x.dtype))
    if not _covers(x.shape, keep.shape):
        x = tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(keep), tf.shape(x)))
    if _in_xla():
        return _masked(keep, x if scale is None else x * scale)
    return _multiplied(keep, x, scale)


def _covers(shape, other):
    """Whether, as far as is known, the other shape broadcasts to this one."""
    if len(shape) < len(other):
        return False
    pairs = zip(reversed(shape), reversed(other), strict=False)
    return all(size != 1 or size == another for size, another in pairs)


def _multiplied(keep, x, scale):
    """A product in which 0 times anything is 0: the selection's kernel is slower."""

    @tf.custom_gradient
    def multiply(x):
        factor = tf.cast(keep, x.dtype)
        factor = factor if scale is None else factor * scale

        def gradient(upstream):
            # Not before it is needed: finding the factor made twice, the optimizer of
            # graphs would keep it in place of the mask, of one byte an element.
            with tf.control_dependencies([upstream]):
                return _multiplied(keep, upstream, scale)

        return tf.raw_ops.MulNoNan(x=x, y=factor), gradient

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


def _reach(shape, threshold, key):
    return tf.cond(
        (threshold >= 256) & (threshold < 65280),
        lambda: _bytes_reach(shape, threshold, key),
        lambda: _halves_reach(shape, threshold, key),
    )


def _bytes_reach(shape, threshold, key):
    """True where a random byte reaches the threshold, with a second one for ties."""
    count = _count(shape)
    words = _philox_words([9, (count + 31) // 32], key)
    drawn = tf.reshape(tf.bitcast(words, tf.uint8), [9, -1])
    first, second = drawn[:8], drawn[8]
    tie = tf.cast(second < tf.cast(threshold % 256, tf.uint8), tf.uint8)
    reached = first >= tf.cast(threshold // 256, tf.uint8) + tie
    return tf.reshape(tf.reshape(reached, [-1])[:count], shape)


def _halves_reach(shape, threshold, key):
    count = _count(shape)
    words = _philox_words([(count + 1) // 2], key)
    halves = tf.reshape(tf.bitcast(words, tf.uint16), [-1])
    halves = tf.reshape(halves[:count], shape)
    return tf.cast(halves, tf.int32) >= threshold


def _words_reach(shape, threshold, key):
    return tf.cast(_words(shape, key, 16), tf.int32) >= threshold


def _count(shape):
    """How many places a shape has, a plain number if it is known."""
    if isinstance(shape, (tuple, list)) and all(isinstance(n, int) for n in shape):
        return math.prod(shape)
    return tf.reduce_prod(tf.convert_to_tensor(shape, tf.int32))


def _philox_words(shape, key):
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, dtype=tf.int32, **_philox(key)
    )


def _philox(key):
    """The two words as Philox's key of 64 bits, with its counter at 0."""
    # The cast keeps the low 32 bits of each word.
    key = tf.reshape(tf.bitcast(tf.cast(key, tf.uint32), tf.uint64), [1])
    return {"key": key, "counter": tf.zeros([2], tf.uint64), "alg": _PHILOX}


def _words(shape, key, drop):
    """One random word for each place of the shape, without its lowest bits."""
    place = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
    key = tf.cast(key, tf.uint32)
    words, _ = threefry(key, place, tf.zeros_like(place), _rotate)
    return tf.reshape(tf.bitwise.right_shift(words, tf.cast(drop, tf.uint32)), shape)


def _rotate(words, bits):
    left = tf.bitwise.left_shift(words, tf.cast(bits, tf.uint32))
    right = tf.bitwise.right_shift(words, tf.cast(32 - bits, tf.uint32))
    return tf.bitwise.bitwise_or(left, right)


def _in_xla():
    """Whether what is being traced will be compiled by XLA."""
    # Private in TensorFlow, which has no public way to ask. Where it changes, the
    # numbers stay right and only the speed under XLA is lost.
    try:
        from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
    except ImportError:
        return False
    if tf.executing_eagerly():
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
