"""Draws on JAX: its own counter-based Threefry-2x32, keyed by (seed, counter)."""

import math

import jax
import jax.numpy as jnp


def mix_replica(words):
    """JAX programs are written for the whole batch: rows differ by themselves."""
    return words


def keep_mask(shape, threshold, key):
    """True where 16 random bits reach the threshold."""
    count = math.prod(shape)
    words = jax.random.bits(key, ((count + 1) // 2,), jnp.uint32)
    if isinstance(count, int):
        halves = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)
    else:
        # In a model exported for batches of any size: TensorFlow cannot serve a
        # bitcast of unknown shape.
        halves = jnp.stack([words & 0xFFFF, words >> 16], axis=1).reshape(-1)
    return (halves[:count].astype(jnp.int32) >= threshold).reshape(shape)


def uniform(shape, key):
    """Float32 uniforms on [0, 1)."""
    return jax.random.uniform(key, shape, jnp.float32)


def normal(shape, key):
    """Float32 standard normals."""
    return jax.random.normal(key, shape, jnp.float32)
