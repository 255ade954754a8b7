"""Draws on TensorFlow: stateless Philox, keyed by (seed, counter)."""

import tensorflow as tf

# Odd, and with its top bit set: no two replica ids below 2^32 give one product,
# and the seeds of replica 1 are out of the range that users choose from.
_REPLICA_STRIDE = 0x9E3779B1


def mix_replica(words):
    """Mixes the replica id of a distribution strategy into the seed word."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return words
    replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
    mixed = (replica * _REPLICA_STRIDE) & 0xFFFFFFFF
    return tf.bitwise.bitwise_xor(words, tf.stack([mixed, tf.zeros_like(mixed)]))


def _seed(key):
    # XLA wants 32-bit seeds; the cast keeps the low 32 bits of each word.
    return tf.bitcast(tf.cast(key & 0xFFFFFFFF, tf.uint32), tf.int32)


def keep_mask(shape, threshold, key):
    """True where 16 random bits reach the threshold."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    count = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [(count + 1) // 2], _seed(key), None, None, tf.int32
    )
    halves = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count]
    return tf.reshape(tf.cast(halves, tf.int32) >= threshold, shape)


def uniform(shape, key):
    """Float32 uniforms on [0, 1)."""
    return tf.random.stateless_uniform(shape, _seed(key), dtype=tf.float32)


def normal(shape, key):
    """Float32 standard normals."""
    return tf.random.stateless_normal(shape, _seed(key), dtype=tf.float32)
