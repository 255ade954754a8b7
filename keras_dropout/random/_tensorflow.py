"""Draws on TensorFlow: a counter-based generator, keyed by (seed, counter).

Outside XLA it is TensorFlow's own Philox-4x32 with 10 rounds (Salmon et al., 2011),
the only one that it has a fast kernel of, 16 bits a decision. Under
`jit_compile=True` XLA compiles that kernel badly on a CPU, so there it is
Threefry-2x32 with 13 rounds in plain integer operations, 32 bits a decision, of which
16 count. Both keep with a probability within 2^-17 of the one asked for. A seed has
2^32 keys, one a draw, and repeats after them; one draw has 2^128 blocks with Philox,
and 2^32 numbers with Threefry.
"""

import tensorflow as tf

from keras_dropout.random.threefry import threefry

# Odd, and with its top bit set: no two replica ids below 2^32 give one product,
# and the seeds of replica 1 are out of the range that users choose from.
_REPLICA_STRIDE = 0x9E3779B1
_PHILOX = 1


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
    shape = tf.convert_to_tensor(shape, tf.int32)
    if _in_xla():
        # XLA would fuse the draw into all that reads the mask, and so draw again in
        # the backward pass. The branches of a conditional stay apart: the mask is
        # drawn once, kept as one byte an element, and at rate 0 not drawn at all.
        return tf.cond(
            tf.convert_to_tensor(threshold > 0),
            lambda: tf.cast(_words(shape, key, 16), tf.int32) >= threshold,
            lambda: tf.ones(shape, tf.bool),
        )
    count = tf.reduce_prod(shape)
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[(count + 1) // 2], dtype=tf.int32, **_philox(key)
    )
    halves = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count]
    return tf.reshape(tf.cast(halves, tf.int32) >= threshold, shape)


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
    """`scale * x` where kept and 0 elsewhere."""
    x = x if scale is None else x * scale
    if _in_xla() and x.dtype.is_floating:
        shape = tf.broadcast_dynamic_shape(tf.shape(keep), tf.shape(x))
        return _masked(keep, tf.broadcast_to(x, shape))
    return tf.where(keep, x, tf.zeros((), x.dtype))


def _masked(keep, x):
    """A selection by masking bits: on a CPU XLA makes a faster loop of it."""
    integers = {2: tf.int16, 4: tf.int32, 8: tf.int64}[x.dtype.size]

    @tf.custom_gradient
    def mask(x):
        # All bits where kept, none elsewhere.
        bits = -tf.cast(keep, integers)
        kept = tf.bitwise.bitwise_and(tf.bitcast(x, integers), bits)
        return tf.bitcast(kept, x.dtype), lambda upstream: _masked(keep, upstream)

    return mask(x)


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
