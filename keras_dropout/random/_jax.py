"""Draws on JAX: Threefry-2x32 with 13 rounds, keyed by (seed, counter).

Each number is a function of the key and of its place in the tensor, or in its part of
the tensor: 32 bits a number, all of which a mask compares. A seed has 2^32 keys, one a
draw, and repeats after them; one draw has 2^32 different numbers (each part has) and
repeats within larger tensors.

XLA compiles it into one loop over the elements, which is faster than JAX's own
generator, and each device of a mesh computes the part that it holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import context, thresholds
from keras_dropout.random._jax_replay import once as once
from keras_dropout.random.fusion import is_cheap_to_fuse
from keras_dropout.random.threefry import threefry


def next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The next state: programs are written for the whole batch, not for a replica."""
    return generator.next()


def next_state(
    generator: keras.random.SeedGenerator, draw: Callable[[], Tensor]
) -> Tensor:
    """What `draw()` takes from a generator."""
    return draw()


def may_export() -> bool:
    """Whether this call may be part of an export."""
    return True


def plain(rate: Tensor) -> Tensor:
    """A rate as it is: the number may not be there while a function is traced."""
    return rate


def at_hand(number: Tensor) -> float | None:
    """A scalar that was computed, and lies on a CPU of this process."""
    if isinstance(number, jax.core.Tracer) or number.size != 1:
        return None
    if any(device.platform != "cpu" for device in number.devices()):
        return None
    ready = number.is_fully_addressable and number.is_ready()
    return number.item() if ready else None


def note(variable: keras.Variable, number: float) -> None:
    """Nothing: the programs read their variables on the device."""


def loops_wait() -> bool:
    """Never: loops are part of the program."""
    return False


def keys(seeds: np.ndarray) -> Tensor:
    """Rows of an integer array as the states of generators."""
    return jnp.asarray(seeds.astype("uint32"))


def keep_mask(shape: Shape, rate: Tensor, key: Tensor, parts: int = 1) -> Tensor:
    """True where 32 random bits reach the threshold of the rate."""
    rate = jnp.asarray(rate, jnp.float32)
    shape = tuple(shape)
    at_once = rate.ndim > 0 or is_cheap_to_fuse(shape) or _is_read_once(shape, parts)
    return _keep_mask(shape, parts, at_once, rate, key)


def _is_read_once(shape, parts):
    """Whether each place of a mask is read once: nothing shares it, or goes backward.

    Drawn where it is read it is as fast then, and compiled in half the time.
    """
    return context.is_active() and parts != shape[0] and 1 not in shape[1:]


def dither(key: Tensor) -> Tensor:
    """A number on [0, 1) that belongs to the key."""
    word = thresholds.dither(_two_words(key))
    return (word >> 8).astype(jnp.float32) * 2.0**-24


def _two_words(key):
    """The words of a key, in fewer steps than indexing takes."""
    key = key.astype(jnp.uint32)
    return [lax.index_in_dim(key, place, keepdims=False) for place in (0, 1)]


def uniform(shape: Shape, key: Tensor, parts: int = 1) -> Tensor:
    """Float32 uniforms on [0, 1), multiples of 2^-24."""
    return _uniform(tuple(shape), parts, key)


def normal(
    shape: Shape,
    key: Tensor,
    mean: Tensor = None,
    stddev: Tensor = 1.0,
    parts: int = 1,
) -> Tensor:
    """Float32 normals, the quantiles of 2^23 equally likely steps."""
    numbers = stddev * _normal(tuple(shape), parts, key)
    return numbers if mean is None else mean + numbers


def select(keep: Tensor, x: Tensor, scale: Tensor = None) -> Tensor:
    """`scale * x` where kept and 0 elsewhere."""
    x = x if scale is None else x * scale
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.where(keep, x, jnp.zeros((), x.dtype))
    shape = jnp.broadcast_shapes(keep.shape, x.shape)
    return _masked.bind(jnp.broadcast_to(keep, shape), jnp.broadcast_to(x, shape))


def _mask_bits(keep, x):
    integers = f"int{8 * x.dtype.itemsize}"
    # All bits where kept, none elsewhere.
    bits = -keep.astype(integers)
    kept = lax.bitcast_convert_type(x, integers) & bits
    return lax.bitcast_convert_type(kept, x.dtype)


# On a CPU XLA makes a faster loop of masking bits than of a selection. JAX cannot see
# through the bits that it is linear in `x`, and its own transpose, so it is told.
_masked = Primitive("masked")
_masked.def_impl(jax.jit(_mask_bits))
_masked.def_abstract_eval(lambda keep, x: x)
mlir.register_lowering(_masked, mlir.lower_fun(_mask_bits, multiple_results=False))
ad.defjvp(_masked, None, lambda tangent, keep, x: _masked.bind(keep, tangent))
ad.primitive_transposes[_masked] = lambda cotangent, keep, x: (
    None,
    cotangent if type(cotangent) is ad.Zero else _masked.bind(keep, cotangent),
)
batching.defbroadcasting(_masked)


# Compiled as one call each, so that eager layers do not pay for each operation.
@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _keep_mask(shape, parts, at_once, rate, key):
    if at_once:
        return _reached(rate, key, shape, parts)
    rate = lax.stop_gradient(rate)
    return _drawn.bind(rate, key, shape=shape, parts=parts, mapped=())


def _reached(rate, key, shape, parts):
    # At a rate of 1 the threshold leaves 32 bits, and nothing is kept.
    return (_words(shape, key, parts) >= _threshold(rate, key)) & (rate < 1)


def _reached_if_any(rate, key, shape, parts):
    """The same mask, drawn in a branch of its own."""
    return lax.cond(
        rate > 0,
        lambda: _reached(rate, key, shape, parts),
        lambda: jnp.ones(shape, bool),
    )


def _mapped(draw):
    """`draw` as the rule that a primitive is lowered by."""

    def rule(rate, key, *, shape, parts, mapped):
        call = functools.partial(draw, shape=shape, parts=parts)
        for axes in mapped:
            call = jax.vmap(call, axes)
        return call(rate, key)

    return mlir.lower_fun(rule, multiple_results=False)


def _abstract_mask(rate, key, *, shape, parts, mapped):
    # Each map adds an axis in front.
    sizes, shapes = [], [list(rate.shape), list(key.shape)]
    for axes in reversed(mapped):
        found = [
            each.pop(axis)
            for each, axis in zip(shapes, axes, strict=True)
            if axis is not None
        ]
        sizes.append(found[0])
    return jax.core.ShapedArray((*sizes, *shape), jnp.dtype(bool))


def _map_mask(operands, axes, *, mapped, **drawn):
    return _drawn.bind(*operands, mapped=(*mapped, tuple(axes)), **drawn), 0


# On a CPU a branch keeps the draw apart from what reads it, and a rate of 0 draws
# nothing. On other devices a branch waits for the host to read its condition. Which
# of them a program is for is known when it is lowered, so this is a primitive:
# `lax.platform_dependent` leaves a branch in the program of each.
_drawn = Primitive("keep_mask")
_drawn.def_abstract_eval(_abstract_mask)
mlir.register_lowering(_drawn, _mapped(_reached))
mlir.register_lowering(_drawn, _mapped(_reached_if_any), platform="cpu")
batching.primitive_batchers[_drawn] = _map_mask


def _threshold(rate, key):
    # All exact: a float32 has fewer bits, and multiplying by a power of 2 rounds none.
    levels = rate * 2.0**32
    whole = lax.floor(levels)
    return whole.astype(jnp.uint32) + (dither(key) < levels - whole)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _uniform(shape, parts, key):
    return (_words(shape, key, parts) >> 8).astype(jnp.float32) * 2.0**-24


@functools.partial(jax.jit, static_argnums=(0, 1))
def _normal(shape, parts, key):
    # The middles of the steps: symmetric about 0, and never at -1 or 1.
    steps = (_words(shape, key, parts) >> 9).astype(jnp.float32) + 0.5
    return lax.erf_inv(steps * 2.0**-22 - 1.0) * jnp.float32(2.0**0.5)


def _words(shape, key, parts=1):
    """One random 32-bit word for each place of the shape.

    The counter has two words: the place within a part, and which part it is. So a part
    has the same numbers, however many rows are added at the end of each.
    """
    split = shape if parts == 1 else (parts, shape[0] // parts, *shape[1:])
    place, stride = jnp.uint32(0), 1
    for axis in reversed(range(parts > 1, len(split))):
        along = lax.broadcasted_iota(jnp.uint32, split, axis)
        place = along if stride == 1 else place + along * _modulo(stride)
        stride = stride * split[axis]
    part = lax.broadcasted_iota(jnp.uint32, split, 0) if parts > 1 else jnp.uint32(0)
    words, _ = threefry(_two_words(key), place, part, _rotate)
    return jnp.broadcast_to(words, split).reshape(shape)


def _modulo(size):
    """A product of sizes as uint32. In an export it may be a symbol, known later."""
    if isinstance(size, int):
        return jnp.uint32(size % 2**32)
    return jnp.asarray(size).astype(jnp.uint32)


def _rotate(words, bits):
    return (words << bits) | (words >> (32 - bits))
