"""Draws on PyTorch, keyed by (seed, counter, rank of `torch.distributed`).

| where | generator | period of one draw |
|---|---|---|
| CPU | NumPy's SFC64 (Doty-Humphrey, 2010) | 2^64 words at least |
| CPU, normals | PyTorch's MT19937 | 2^19937 - 1 words |
| masks on CUDA, with Triton | Philox-4x32 with 7 rounds | 2^32 words |
| other devices | PyTorch's own, on CUDA Philox-4x32 with 10 rounds | 2^66 words |
| under `torch.compile`, in a CUDA graph | Threefry-2x32 with 13 rounds | 2^32 numbers |

The first two and PyTorch's own are seeded by a hash of the key (NumPy's
`SeedSequence`): SFC64 by 128 bits, other devices by 63, but MT19937 by the 32 that
PyTorch takes, so that of a hundred thousand draws of normals about one pair is equal.
The others take the key as it is. A seed has 2^32 keys, one a draw, and repeats
after them.

Where bits are expensive, one word of 32 bits gives two decisions: one from the word,
and one from the word with its halves exchanged. The lower half counts only if the upper
half is equal to that of the threshold, so the correlation of the two is below 2^-16.
"""

from __future__ import annotations

import functools
import math
import random as python_random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch

from keras_dropout._keras import in_stateless_scope, set_initial_seed
from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import _torch_attention as attention
from keras_dropout.random import _torch_compiled as compiled
from keras_dropout.random import _torch_cuda as cuda
from keras_dropout.random import _torch_host as host
from keras_dropout.random import _torch_numpy as cpu
from keras_dropout.random import context, thresholds
from keras_dropout.random._torch_compiled import shift_right
from keras_dropout.random._torch_host import at_hand as at_hand
from keras_dropout.random._torch_host import loops_wait as loops_wait
from keras_dropout.random._torch_host import plain as plain
from keras_dropout.random._torch_mapped import drawn, is_mapped
from keras_dropout.random._torch_replay import once as once
from keras_dropout.random._torch_select import select as select


def next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The next state. The rank is mixed in later, when a generator is seeded."""
    # As the generator's own `next`, which makes NumPy arrays, at which
    # `torch.compile` would break the graph.
    state = generator.state
    value = state.value
    words = value.clone()
    unknown = host.is_unknown(words)
    followed = not (unknown or words.is_cpu or words.is_meta)
    kept = followed and type(words) is torch.Tensor
    step = (_step if kept else _new_step)(words.dtype, words.device)
    if followed:
        seed, counter = host.note(words, host.words(value))
    elif host.is_captured(words):
        host.captured(value)
    if in_stateless_scope():
        value = words + step
        state.assign(value)
    else:
        # `assign` takes longer, and switches gradients off, which an exported graph
        # may not do.
        value.add_(step)
    if followed:
        host.note(value, (seed, (counter + 1) & 0xFFFFFFFF))
    return words


def _new_step(dtype, device):
    """0 and 1, made on the device."""
    return torch.arange(2, dtype=dtype, device=device)


_step = functools.cache(_new_step)


def next_state(
    generator: keras.random.SeedGenerator, draw: Callable[[], Tensor]
) -> Tensor:
    """What `draw()` takes from a generator."""
    return draw()


def new_generator(seed: int | None) -> keras.random.SeedGenerator:
    """A seed generator whose first state the host knows."""
    # Keras draws a seed in the same way, but does not say which.
    known = python_random.randint(1, 10**9) if seed is None else seed
    generator = keras.random.SeedGenerator(known)
    set_initial_seed(generator, seed)
    host.note(generator.state.value, (known, 0))
    return generator


def may_export() -> bool:
    """Whether this call may be part of an export."""
    if torch.compiler.is_dynamo_compiling():
        return False
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def note(variable, number):
    """Notes the number that a scalar variable was given, for `plain`."""
    if not variable.value.is_cpu:
        host.note(variable.value, float(np.float32(number)))


def keys(seeds):
    """Rows of an integer array as the states of generators."""
    states = keras.ops.convert_to_tensor(seeds.astype(np.int32)).unbind()
    for state, words in zip(states, seeds.tolist(), strict=True):
        host.note(state, tuple(words))
    return states


def keep_mask(shape: Shape, rate: Tensor, key: Tensor, parts: int = 1) -> Tensor:
    """True where random bits reach the threshold of the rate."""
    if isinstance(rate, torch.Tensor):
        rate = plain(rate.detach())
    if cuda.draws(math.prod(shape), rate, key):
        return drawn(shape, lambda shape: cuda.keep_mask(shape, rate, key, _rank()))
    if host.is_unknown(key):
        # The sign of a difference is faster: compiled loops over Booleans are slow.
        last = (_threshold(rate, key, 31) - 1).to(torch.int32)
        below = (last - shift_right(compiled.numbers(shape, key, _rank()), 1)) >> 31
        return below.to(torch.int8) != 0
    if not key.is_cpu:
        return drawn(shape, lambda shape: _device_reach(shape, rate, key))
    if isinstance(rate, torch.Tensor):
        words = drawn(shape, lambda shape: cpu.long_words(shape, _seeds(key)))
        return words >= _threshold(rate, key, 32)
    return drawn(shape, lambda shape: cpu.reach(shape, rate, _seeds(key)))


def are_tensors(given: tuple[Any, ...]) -> bool:
    """Whether these are tensors of one device, of no class of their own.

    Keras takes longer to find out than a small tensor takes to be masked.
    """
    device = getattr(given[0], "device", None)
    return all(type(each) is torch.Tensor and each.device == device for each in given)


def drop(x: Tensor, rate: Tensor, key: Tensor, scale: Tensor = None) -> Tensor | None:
    """`select` by a `keep_mask` for each element at once, or None if it cannot be."""
    if isinstance(scale, torch.Tensor) and scale.requires_grad:
        return None
    # Asked first: an export keeps what is computed, whether it is used or not.
    if not cuda.drops(x, rate, key, scale):
        return None
    rate = plain(rate.detach()) if isinstance(rate, torch.Tensor) else rate
    return cuda.drop(x, rate, key, 1.0 if scale is None else scale, _rank())


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rate: Tensor,
    draw: Callable[[], Tensor],
    **options: Any,
) -> Tensor | None:
    """Attention with dropout of its weights at once, or None if it cannot be."""
    rate = plain(rate)
    if not attention.is_possible(query, rate):
        return None
    seed = _seed(draw())
    return attention.attend(query, key, value, rate=rate, seed=seed, **options)


def dither(key: Tensor) -> Tensor:
    """A number on [0, 1) that belongs to the key."""
    unknown = host.is_unknown(key) or key.is_meta
    words = key.long() if unknown else host.words(key)
    word = thresholds.dither(words) & 0xFFFFFFFF
    return (word >> 8) * 2.0**-24


def uniform(shape: Shape, key: Tensor, parts: int = 1) -> Tensor:
    """Float32 uniforms on [0, 1)."""
    if host.is_unknown(key):
        words, _ = compiled.words(math.prod(shape), key, _rank())
        return (shift_right(words, 8).float() * 2.0**-24).reshape(shape)
    return drawn(shape, lambda shape: _uniform(shape, key))


def normal(
    shape: Shape,
    key: Tensor,
    mean: Tensor = None,
    stddev: Tensor = 1.0,
    parts: int = 1,
) -> Tensor:
    """Float32 normals."""
    stddev = plain(stddev)
    if host.is_unknown(key):
        numbers = compiled.normals(shape, key, _rank())
    elif isinstance(stddev, float):
        return drawn(shape, lambda shape: _normal(shape, key, mean or 0.0, stddev))
    else:
        numbers = drawn(shape, lambda shape: _normal(shape, key, 0.0, 1.0))
    learned = isinstance(stddev, torch.Tensor) and stddev.requires_grad
    numbers = numbers * stddev if learned or is_mapped() else numbers.mul_(stddev)
    return numbers if mean is None else numbers.add_(mean)


def _uniform(shape, key):
    if not key.is_cpu:
        return torch.rand(shape, generator=_generator(key), device=key.device)
    words = torch.from_numpy(cpu.words(math.prod(shape), _seeds(key), np.int32))
    return shift_right(words, 8).float().mul_(2.0**-24).reshape(shape)


def _normal(shape, key, mean, stddev):
    numbers = torch.empty(shape, dtype=torch.float32, device=key.device)
    return numbers.normal_(mean, stddev, generator=_generator(key))


def _threshold(rate, key, bits):
    """How many of the numbers of so many bits are dropped: an integer or int64."""
    if isinstance(rate, torch.Tensor):
        high, low, fraction = thresholds.parts(rate.float(), torch.floor, bits - 16, 16)
        whole = high.long() * 65536 + low.long()
    else:
        high, low, fraction = thresholds.parts(float(rate), math.floor, bits - 16, 16)
        whole = high * 65536 + low
    return whole + (dither(key) < fraction)


def _device_reach(shape, rate, key):
    """True where bits of the device's own generator reach the threshold."""
    if not isinstance(rate, torch.Tensor) and not 0 < rate < 1:
        return torch.full(shape, rate <= 0, device=key.device)
    count = math.prod(shape)
    words = torch.empty((count + 1) // 2, dtype=torch.int64, device=key.device)
    # From the least number on: all 64 bits of each word are random.
    words.random_(-(1 << 63), None, generator=_generator(key))
    # Numbers with a sign.
    numbers = words.view(torch.int32).narrow(0, 0, count).reshape(shape)
    least = _threshold(rate, key, 32) - (1 << 31)
    if not isinstance(rate, torch.Tensor):
        return numbers >= least
    # At a rate of 1 the threshold leaves their bits.
    return (numbers >= least.clamp(max=(1 << 31) - 1).int()) & (rate < 1)


def _seeds(key):
    return np.random.SeedSequence((*host.words(key), _rank()))


def _seed(key):
    low, high = _seeds(key).generate_state(2).tolist()
    # PyTorch takes seeds of 64 bits with a sign, so one bit is left out.
    return (high >> 1 << 32) | low


def _generator(key):
    # Where there is no such device, a tensor has a shape and no values.
    if key.is_meta or (key.is_cuda and not torch.cuda.is_available()):
        return None
    return _generator_of(key.device, _seed(key))


def _generator_of(device, seed):
    return torch.Generator(device).manual_seed(seed)


def _rank():
    # A prediction is to be the same on all ranks.
    if context.is_active():
        return 0
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    return 0
