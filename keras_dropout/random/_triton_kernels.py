"""Kernels for CUDA, in Triton: draw, select, and both at once.

The bits are those of Philox-4x32 with 7 rounds, the fewest that pass all statistical
tests of Salmon et al. (2011, [Parallel random numbers: as easy as 1, 2,
3](https://doi.org/10.1145/2063384.2063405)). Its key is the state of the generator, a
seed and a counter, read on the device, so that the host does not wait and a CUDA graph
repeats the read. Its counter is the place in the tensor and the rank.

One call gives 4 words of 32 bits, and each word two decisions: one from the word, and
one from the word with its halves exchanged (see `_torch`). The 8 decisions are for 8
places that are `BLOCK` apart, so that the threads of a block read and write next to one
another.

Every kernel counts places in 32 bits, and computes in float32.
"""

import triton
import triton.language as tl

_ROUNDS = tl.constexpr(7)
# Numbers that change from call to call: Triton would compile a kernel for some of them.
_NUMBERS = ["rate", "scale", "rank"]


@triton.jit
def _number(given, IS_POINTER: tl.constexpr):
    """A float32 that the host knows, or that lies on the device."""
    if IS_POINTER:
        number = tl.load(given).to(tl.float32)
    else:
        number = tl.full((), given, tl.float32)
    return number


@triton.jit
def _threshold(low, high, rate):
    """How many of 2^32 words are dropped: see `thresholds`. 0 for 2^32."""
    levels = rate * 65536.0
    upper = tl.floor(levels)
    levels = (levels - upper) * 65536.0
    lower = tl.floor(levels)
    word = low * 0x6A09E667 + high * 0x61C8864F
    more = (word >> 8).to(tl.float32) * (1.0 / 16777216.0) < levels - lower
    whole = upper.to(tl.int64) * 65536 + lower.to(tl.int64) + more.to(tl.int64)
    return whole.to(tl.uint32)


@triton.jit
def _kept(word, threshold, is_certain):
    return (word >= threshold) & (is_certain == 0)


@triton.jit
def _decisions(key, rate, rank, place):
    """Eight Booleans for each place."""
    low = tl.load(key).to(tl.uint32)
    high = tl.load(key + 1).to(tl.uint32)
    none = place.to(tl.uint32) * 0
    seed = (high.to(tl.uint64) << 32) | low.to(tl.uint64)
    a, b, c, d = tl.philox(
        seed, place.to(tl.uint32), none, none + rank, none, n_rounds=_ROUNDS
    )
    least = _threshold(low, high, rate)
    all_drop = (rate >= 1.0).to(tl.int32)
    return (
        _kept(a, least, all_drop),
        _kept((a << 16) | (a >> 16), least, all_drop),
        _kept(b, least, all_drop),
        _kept((b << 16) | (b >> 16), least, all_drop),
        _kept(c, least, all_drop),
        _kept((c << 16) | (c >> 16), least, all_drop),
        _kept(d, least, all_drop),
        _kept((d << 16) | (d >> 16), least, all_drop),
    )


@triton.jit(do_not_specialize=_NUMBERS)
def drop(
    x, y, key, rate, scale, rank, count, IS_POINTER: tl.constexpr, BLOCK: tl.constexpr
):
    """`scale * x` where kept and 0 elsewhere, with a mask that is not stored."""
    block, lane = tl.program_id(0), tl.arange(0, BLOCK)
    chance, factor = _number(rate, IS_POINTER), _number(scale, IS_POINTER)
    kept = _decisions(key, chance, rank, block * BLOCK + lane)
    first = block * (8 * BLOCK) + lane
    for j in tl.static_range(8):
        place = first + j * BLOCK
        number = tl.load(x + place, mask=place < count)
        number = tl.where(kept[j], number.to(tl.float32) * factor, 0.0)
        tl.store(y + place, number.to(y.dtype.element_ty), mask=place < count)


@triton.jit(do_not_specialize=_NUMBERS)
def draw(y, key, rate, rank, count, IS_POINTER: tl.constexpr, BLOCK: tl.constexpr):
    """A mask, one byte a place."""
    block, lane = tl.program_id(0), tl.arange(0, BLOCK)
    kept = _decisions(key, _number(rate, IS_POINTER), rank, block * BLOCK + lane)
    first = block * (8 * BLOCK) + lane
    for j in tl.static_range(8):
        place = first + j * BLOCK
        tl.store(y + place, kept[j].to(tl.int8), mask=place < count)


@triton.jit(do_not_specialize=_NUMBERS)
def draw_bits(y, key, rate, rank, IS_POINTER: tl.constexpr, BLOCK: tl.constexpr):
    """A mask, one bit a place: the j-th of a byte is for the j-th row of a block."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    kept = _decisions(key, _number(rate, IS_POINTER), rank, place)
    byte = kept[0].to(tl.int32)
    for j in tl.static_range(1, 8):
        byte |= kept[j].to(tl.int32) << j
    tl.store(y + place, byte.to(tl.uint8))


@triton.jit(do_not_specialize=["scale", "n1", "n2", "n3", "s0", "s1", "s2", "s3"])
def select(
    keep, x, y, scale, count, n1, n2, n3, s0, s1, s2, s3,
    AXES: tl.constexpr, IS_POINTER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`scale * x` where kept and 0 elsewhere, with a mask of `AXES` strides."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    rest, at = place, place * 0
    if AXES >= 4:
        at += rest % n3 * s3
        rest = rest // n3
    if AXES >= 3:
        at += rest % n2 * s2
        rest = rest // n2
    if AXES >= 2:
        at += rest % n1 * s1
        rest = rest // n1
    at += rest * s0
    kept = tl.load(keep + at, mask=inside) != 0
    number = tl.load(x + place, mask=inside).to(tl.float32)
    number = tl.where(kept, number * _number(scale, IS_POINTER), 0.0)
    tl.store(y + place, number.to(y.dtype.element_ty), mask=inside)
