"""Draws on TensorFlow: a counter-based generator, keyed by (seed, counter).

Outside XLA it is TensorFlow's own Philox-4x32 with 10 rounds (Salmon et al., 2011),
the only one that it has a fast kernel of. On a CPU that takes a byte a decision, and
two more in the rare tie, on other devices 32 bits, without a branch. Under
`jit_compile=True` XLA compiles that kernel badly on a CPU, so there it is Threefry-2x32
with 13 rounds in plain integer operations, 32 bits a decision. A seed has 2^32 keys,
one a draw, and repeats after them; one draw has 2^128 blocks with Philox, and 2^32
numbers with Threefry.
"""

from __future__ import annotations

import functools
import math
import operator

import keras
import numpy as np
import tensorflow as tf

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import _tensorflow_devices as devices
from keras_dropout.random import _tensorflow_shared as shared
from keras_dropout.random import context, thresholds
from keras_dropout.random._tensorflow_loops import next_state as next_state
from keras_dropout.random._tensorflow_replay import once as once
from keras_dropout.random._tensorflow_select import select as select
from keras_dropout.random.fusion import is_cheap_to_fuse
from keras_dropout.random.threefry import threefry

# Odd, and with its top bit set: no two replica ids below 2^32 give one product,
# and the seeds of replica 1 are out of the range that users choose from.
_REPLICA_STRIDE = 0x9E3779B1
_PHILOX = 1
# Below this many places the operations cost more than the bits.
_FEW = 8192
# What `_count_reach` takes.
_COUNT_REACH = (
    tf.TensorSpec([], tf.int32),
    tf.TensorSpec([], tf.float32),
    tf.TensorSpec([2], tf.int64),
)


def next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The next state, with the id of a strategy's replica mixed into the seed."""
    words = next_state(generator, generator.next)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return words
    replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
    mixed = (replica * _REPLICA_STRIDE) & 0xFFFFFFFF
    return tf.bitwise.bitwise_xor(words, tf.stack([mixed, tf.zeros_like(mixed)]))


def may_export() -> bool:
    """Whether this call may be part of an export."""
    return not tf.executing_eagerly()


def plain(rate: Tensor) -> Tensor:
    """A rate as it is: the number may not be there while a function is traced."""
    return rate


def at_hand(number: Tensor) -> float | None:
    """A scalar on a CPU that is not traced."""
    eager = isinstance(number, (tf.Variable, tf.Tensor)) and tf.executing_eagerly()
    if not eager or number.shape.rank != 0 or devices.is_on_accelerator(number):
        return None
    return float(number.numpy())


def note(variable: keras.Variable, number: float) -> None:
    """Nothing: the programs read their variables on the device."""


def keys(seeds: np.ndarray) -> Tensor:
    """Rows of an integer array as the states of generators."""
    return tf.convert_to_tensor(seeds, tf.int64)


def keep_mask(shape: Shape, rate: Tensor, key: Tensor, parts: int = 1) -> Tensor:
    """True where random bits reach the threshold of the rate."""
    rate = tf.convert_to_tensor(rate, tf.float32)
    if devices.is_on_accelerator(key):
        # Without a branch: for its condition the host would wait for the device.
        reach = _threefry_reach if devices.in_xla() else _words_reach
        return reach(shape, rate, key) & (rate < 1)
    if devices.in_xla():
        at_once = isinstance(shape, (tuple, list)) and is_cheap_to_fuse(shape)
        return _branched(shape, rate, key, _threefry_reach, at_once=at_once)
    count = _count(shape)
    is_few = isinstance(count, int) and count < _FEW
    if is_few or rate.shape.rank != 0:
        return _branched(shape, rate, key, _long_words_reach, at_once=True)
    reach = _count_reach
    if tf.inside_function():
        share = shared.as_it_is if context.is_active() else shared.optimised
        # To trace its many branches anew for each draw takes longer than the draws.
        reach = share(_count_reach, _COUNT_REACH)
    return tf.reshape(reach(count, rate, tf.cast(key, tf.int64)), _told(shape))


def _branched(shape, rate, key, reach, at_once=False):
    """A mask, drawn in a branch unless it is drawn at once."""
    if at_once or rate.shape.rank != 0:
        # At a rate of 1 the threshold leaves its bits, and nothing is kept.
        return reach(shape, rate, key) & (rate < 1)
    return tf.cond(
        (rate > 0) & (rate < 1),
        lambda: reach(shape, rate, key),
        lambda: _filled(shape, rate, key),
    )


def _count_reach(count, rate, key):
    """A mask of so many places in a row: one size, one mask, wherever it is drawn."""
    shape = tf.reshape(count, [1])
    ways = (_filled, _long_words_reach, _halves_reach, _bytes_reach)
    is_usual = (rate >= 1 / 256) & (rate < 255 / 256)
    place = tf.where(count < _FEW, 1, tf.where(is_usual, 3, 2))
    # To compile a branch takes longer than most draws do, so there are few.
    return tf.switch_case(
        tf.where((rate > 0) & (rate < 1), place, 0),
        [functools.partial(way, shape, rate, key) for way in ways],
    )


def _filled(shape, rate, key):
    """The mask of a rate of 0 or 1."""
    return tf.fill(shape, rate <= 0)


def loops_wait() -> bool:
    """Whether a loop in a graph runs on the host, for a device that is no CPU."""
    return devices.sees_accelerator() and not devices.in_xla()


def dither(key: Tensor) -> Tensor:
    """A number on [0, 1) that belongs to the key."""
    word = thresholds.dither(tf.cast(key, tf.int64)) & 0xFFFFFFFF
    upper = tf.bitwise.right_shift(word, tf.constant(8, tf.int64))
    return tf.cast(upper, tf.float32) * 2.0**-24


def uniform(shape: Shape, key: Tensor, parts: int = 1) -> Tensor:
    """Float32 uniforms on [0, 1)."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    if devices.in_xla():
        return _upper(_words(shape, key), 8) * 2.0**-24
    return tf.raw_ops.StatelessRandomUniformV2(
        shape=shape, dtype=tf.float32, **_philox(key)
    )


def normal(
    shape: Shape,
    key: Tensor,
    mean: Tensor = None,
    stddev: Tensor = 1.0,
    parts: int = 1,
) -> Tensor:
    """Float32 normals; under XLA the quantiles of 2^23 equally likely steps."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    if devices.in_xla():
        # The middles of the steps: symmetric about 0, and never at -1 or 1.
        steps = _upper(_words(shape, key), 9) + 0.5
        numbers = tf.math.erfinv(steps * 2.0**-22 - 1.0) * 2.0**0.5
    else:
        numbers = tf.raw_ops.StatelessRandomNormalV2(
            shape=shape, dtype=tf.float32, **_philox(key)
        )
    numbers = stddev * numbers
    return numbers if mean is None else mean + numbers


def _bytes_reach(shape, rate, key):
    """A byte a decision."""
    return _tied_reach(shape, rate, key, tf.uint8, tf.uint16)


def _halves_reach(shape, rate, key):
    """A half of a word a decision, where ties of bytes would be too many."""
    # The number that nothing reaches, at a rate close to 1, is none of 16 bits. So
    # what is drawn is what is rare, which is to drop or to keep.
    is_low = rate < 0.5
    rare = tf.where(is_low, rate, 1.0 - rate)
    return tf.equal(_tied_reach(shape, rare, key, tf.uint16, tf.uint32), is_low)


def _tied_reach(shape, rate, key, first, second):
    """True where a first number reaches the threshold, with a second one for ties.

    Sixteen places, each a sixteenth of the mask from the next, share the second.
    """
    count = _count(shape)
    each = 32 // first.size
    words = _philox_words([9, (count + each - 1) // each], key)
    drawn = tf.reshape(tf.bitcast(words[:8], first), [16, -1])
    ties = tf.reshape(tf.bitcast(words[8], second), [-1])
    upper, lower = 8 * first.size, 8 * second.size
    high, low, _ = thresholds.parts(rate, tf.floor, upper, lower)
    tie = tf.cast(ties < tf.cast(low, second), first)
    reached = drawn >= tf.cast(high, first) + tie
    return tf.reshape(tf.reshape(reached, [-1])[:count], shape)


def _long_words_reach(shape, rate, key):
    """True where 64 random bits reach the threshold: the fewest operations."""
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.convert_to_tensor(shape, tf.int32), dtype=tf.uint64, **_philox(key)
    )
    return words >= tf.cast(rate * 2.0**64, tf.uint64)


def _threefry_reach(shape, rate, key):
    """True where 32 random bits of Threefry reach the threshold."""
    return _words(shape, key) >= _threshold(rate, key)


def _words_reach(shape, rate, key):
    """True where 32 random bits of Philox reach the threshold."""
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.convert_to_tensor(shape, tf.int32), dtype=tf.uint32, **_philox(key)
    )
    return words >= _threshold(rate, key)


def _threshold(rate, key):
    high, low, fraction = thresholds.parts(rate, tf.floor, 16, 16)
    # GPUs have no kernel that shifts unsigned words.
    whole = tf.cast(high, tf.uint32) * 65536 + tf.cast(low, tf.uint32)
    return whole + tf.cast(dither(key) < fraction, tf.uint32)


def _count(shape):
    """How many places a shape has, a plain number if it is known."""
    if isinstance(shape, (tuple, list)):
        known = math.prod(n for n in shape if isinstance(n, int))
        open_ = [n for n in shape if not isinstance(n, int)]
        return functools.reduce(operator.mul, open_, known) if known else 0
    return tf.reduce_prod(tf.convert_to_tensor(shape, tf.int32))


def _told(shape):
    """A shape to reshape to: a plain one if one size of it is open."""
    sizes = [n if isinstance(n, int) else -1 for n in shape]
    return sizes if sizes.count(-1) == 1 and 0 not in sizes else shape


def _philox_words(shape, key):
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, dtype=tf.int32, **_philox(key)
    )


def _philox(key):
    """The two words as Philox's key of 64 bits, with its counter at 0."""
    # The cast keeps the low 32 bits of each word.
    key = tf.reshape(tf.bitcast(tf.cast(key, tf.uint32), tf.uint64), [1])
    return {"key": key, "counter": tf.zeros([2], tf.uint64), "alg": _PHILOX}


def _words(shape, key):
    """One random 32-bit word for each place of the shape."""
    place = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
    key = tf.cast(key, tf.uint32)
    words, _ = threefry(key, place, tf.zeros_like(place), _rotate)
    return tf.reshape(words, shape)


def _upper(words, drop):
    """Words without their lowest bits, as float32."""
    upper = tf.bitwise.right_shift(words, tf.constant(drop, tf.uint32))
    return tf.cast(upper, tf.float32)


def _rotate(words, bits):
    left = tf.bitwise.left_shift(words, tf.cast(bits, tf.uint32))
    right = tf.bitwise.right_shift(words, tf.cast(32 - bits, tf.uint32))
    return tf.bitwise.bitwise_or(left, right)
