"""Draws on PyTorch, keyed by (seed, counter, rank of `torch.distributed`).

| where | generator | period of one draw |
|---|---|---|
| CPU | NumPy's SFC64 (Doty-Humphrey, 2010) | 2^64 words at least |
| CPU, normals | PyTorch's MT19937 | 2^19937 - 1 words |
| other devices | PyTorch's own, on CUDA Philox-4x32 with 10 rounds | 2^66 words |
| under `torch.compile` | Threefry-2x32 with 13 rounds | 2^32 numbers |

Each is seeded by a hash of the key (NumPy's `SeedSequence`): SFC64 by 128 bits, other
devices by 63, but MT19937 by the 32 that PyTorch takes, so that of a hundred thousand
draws of normals about one pair is equal. Masks compare 16 bits a decision, so the
probability of keeping is within 2^-17 of the one asked for. A seed has 2^32 keys, one
a draw, and repeats after them.
"""

import inspect
import math

import numpy as np
import torch

from keras_dropout._keras import in_stateless_scope
from keras_dropout.random.threefry import threefry

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
# Below this many elements the call costs more than the loop.
_FEW = 4096


def next_key(generator):
    """The next state. The rank is mixed in later, when a generator is seeded."""
    # As the generator's own `next`, which makes NumPy arrays, at which
    # `torch.compile` would break the graph.
    state = generator.state
    value = state.value
    words = value.clone()
    step = torch.tensor([0, 1], dtype=words.dtype, device=words.device)
    if in_stateless_scope():
        state.assign(words + step)
    else:
        # `assign` takes longer, and switches gradients off, which an exported graph
        # may not do.
        value.add_(step)
    return words


def plain(rate):
    """A rate as a Python float where that costs nothing, to reckon with it faster."""
    if torch.compiler.is_compiling() or not isinstance(rate, torch.Tensor):
        return rate
    known = rate.is_cpu and rate.ndim == 0 and not rate.requires_grad
    return rate.item() if known else rate


def keep_mask(shape, threshold, key):
    """True where 16 random bits reach the threshold."""
    if torch.compiler.is_compiling():
        # The sign of a difference: loops over Booleans are compiled into slow ones.
        below = (threshold - 1 - _compiled_halves(shape, key)) >> 31
        return below.to(torch.int8) != 0
    if not key.is_cpu:
        # At 65536 the difference leaves 16 bits, and nothing is kept.
        halves = _device_halves(shape, key)
        return (halves >= threshold - 32768) & (threshold < 65536)
    threshold = int(threshold)
    if threshold in (0, 65536):
        return torch.full(shape, threshold == 0)
    return torch.from_numpy(_cpu_reach(math.prod(shape), threshold, key).reshape(shape))


def uniform(shape, key):
    """Float32 uniforms on [0, 1)."""
    if torch.compiler.is_compiling():
        words, _ = _compiled_words(math.prod(shape), key)
        return (_shift_right(words, 8).float() * 2.0**-24).reshape(shape)
    if not key.is_cpu:
        return torch.rand(shape, generator=_generator(key), device=key.device)
    words = torch.from_numpy(_cpu_words(math.prod(shape), key, np.int32))
    return _shift_right(words, 8).float().mul_(2.0**-24).reshape(shape)


def normal(shape, key, mean=None, stddev=1.0):
    """Float32 normals."""
    stddev = plain(stddev)
    if torch.compiler.is_compiling():
        numbers = _compiled_normals(shape, key)
    elif isinstance(stddev, float):
        numbers = torch.empty(shape, dtype=torch.float32, device=key.device)
        return numbers.normal_(mean or 0.0, stddev, generator=_generator(key))
    else:
        numbers = torch.randn(shape, generator=_generator(key), device=key.device)
    learned = isinstance(stddev, torch.Tensor) and stddev.requires_grad
    numbers = numbers * stddev if learned else numbers.mul_(stddev)
    return numbers if mean is None else numbers.add_(mean)


def select(keep, x, scale=None):
    """`scale * x` where kept and 0 elsewhere."""
    if isinstance(scale, torch.Tensor) and scale.requires_grad:
        x, scale = x * scale, None
    compiling = torch.compiler.is_compiling()
    if (
        not x.is_cpu
        or x.numel() < _FEW
        or not x.is_floating_point()
        or not _widens_to(keep.shape, x.shape)
        # Compiled, integers of 16 bits are slow, and a shared mask is easy to predict.
        or (compiling and x.dtype.itemsize == 2 and keep.shape != x.shape)
    ):
        x = x if scale is None else x * scale
        return torch.where(keep, x, 0.0)
    # Bytes, since compiled loops over Booleans are slow ones.
    ones = keep.to(torch.int8) if compiling else keep.view(torch.int8)
    return _Select.apply(x, ones, scale)


def _widens_to(shape, other):
    """Whether broadcasting gives `other`. PyTorch's own test may outlast the mask."""
    return shape == other or torch.broadcast_shapes(shape, other) == other


class _Select(torch.autograd.Function):
    """A selection by integers, which keeps one byte an element for later.

    The bits of a number, read as an integer and multiplied by 1 or 0, are those of the
    number or of zero, whatever they stand for, NaN too. On a CPU `torch.where` is a
    loop with a branch, taken at random: more than ten times slower than the
    multiplication. Compiled, it would keep Booleans, which are slow to load.
    """

    @staticmethod
    def forward(x, ones, scale):
        return _selected(x, ones, scale)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ones, ctx.scale = inputs
        ctx.save_for_backward(ones)

    @staticmethod
    def backward(ctx, gradient):
        (ones,) = ctx.saved_tensors
        # `apply` costs more than it does, and is for gradients of gradients.
        select = _Select.apply if torch.is_grad_enabled() else _selected
        return select(gradient, ones, ctx.scale), None, None

    @staticmethod
    def vmap(info, in_dims, x, ones, scale):
        if in_dims[0] is None:
            x = x.expand(info.batch_size, *x.shape)
        else:
            x = x.movedim(in_dims[0], 0)

        def lead(tensor, axis):
            if axis is None:
                return tensor
            between = (1,) * (x.ndim - tensor.ndim)
            tensor = tensor.movedim(axis, 0)
            return tensor.reshape(info.batch_size, *between, *tensor.shape[1:])

        return _Select.apply(x, lead(ones, in_dims[1]), lead(scale, in_dims[2])), 0


# PyTorch asks for it in each call; Python would find it out anew each time.
_Select.forward.__signature__ = inspect.signature(_Select.forward)


def _selected(x, ones, scale):
    if torch.compiler.is_compiling() and x.dtype.itemsize == 2:
        # As float32, which the compiled loop is in anyway.
        return _selected(x.float(), ones, scale).to(x.dtype)
    integers = _INTEGERS[x.dtype.itemsize]
    ones = ones.to(integers)
    times = ones.mul_ if ones.shape == x.shape else ones.mul
    kept = times(x.view(integers)).view(x.dtype)
    return kept if scale is None else kept.mul_(scale)


def _cpu_reach(count, threshold, key):
    """True where random bits reach the threshold, from NumPy, which is fast at it."""
    if count < _FEW or not 256 <= threshold < 65280:
        return _cpu_words(count, key, np.uint16) >= threshold
    high, low = divmod(threshold, 256)
    drawn = _cpu_words(9 * -(-count // 8), key, np.uint8).reshape(9, -1)
    first, second = drawn[:8], drawn[8]
    reached = first >= np.uint8(high) + (second < low).view(np.uint8)
    return reached.reshape(-1)[:count]


def _cpu_words(count, key, dtype):
    """Random words of some size, from NumPy."""
    each = 8 // np.dtype(dtype).itemsize
    words = np.random.SFC64(_seeds(key)).random_raw(-(-count // each))
    return words.view(dtype)[:count]


def _device_halves(shape, key):
    """Random 16-bit words, from the device's own generator."""
    count = math.prod(shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64, device=key.device)
    # From the least number on: all 64 bits of each word are random.
    words.random_(-(1 << 63), None, generator=_generator(key))
    return words.view(torch.int16)[:count].reshape(shape)


def _seeds(key):
    seed, counter = (word & 0xFFFFFFFF for word in key.tolist())
    return np.random.SeedSequence((seed, counter, _rank()))


def _generator(key):
    if key.device.type == "meta":
        return None
    low, high = _seeds(key).generate_state(2).tolist()
    # PyTorch takes seeds of 64 bits with a sign, so one bit is left out.
    return torch.Generator(key.device).manual_seed((high >> 1 << 32) | low)


def _rank():
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    return 0


def _compiled_halves(shape, key):
    """Random 16-bit numbers, four from each pair of words, a quarter apart."""
    count = math.prod(shape)
    words = _compiled_words(-(-count // 4), key)
    halves = [half for w in words for half in (w & 0xFFFF, _shift_right(w, 16))]
    return torch.stack(halves).reshape(-1)[:count].reshape(shape)


def _compiled_normals(shape, key):
    """Normals by the transform of Box and Muller (1958), two from each pair of words.

    The compiler has fast logarithms and cosines, but no fast inverse of `erf`.
    """
    count = math.prod(shape)
    first, second = _compiled_words(-(-count // 2), key)
    # The middles of 2^24 steps, so that the logarithm is finite.
    radius = torch.sqrt(-2.0 * torch.log((_shift_right(first, 8) + 0.5) * 2.0**-24))
    angle = _shift_right(second, 8) * (2.0 * math.pi * 2.0**-24)
    both = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)])
    return both.reshape(-1)[:count].reshape(shape)


def _compiled_words(count, key):
    """Pairs of random words as int32, whose sums wrap as those of unsigned ones do."""
    place = torch.arange(count, dtype=torch.int32, device=key.device)
    low = torch.bitwise_and(key, 0xFFFFFFFF)
    key = torch.where(low < 1 << 31, low, low - (1 << 32)).to(torch.int32)
    return threefry(key, place, torch.full_like(place, _rank()), _rotate)


def _shift_right(words, bits):
    return (words >> bits) & ((1 << (32 - bits)) - 1)


def _rotate(words, bits):
    return (words << bits) | _shift_right(words, 32 - bits)
