"""Draws and selections on CUDA by kernels of Triton, where Triton is installed.

Without them a draw takes a kernel for the bits and one for the comparison, and a
selection one for the factor and one for the choice, each over the whole tensor. What
is drawn and selected at once takes one kernel, as a multiplication does, and the
backward pass draws the same mask again instead of keeping it. Small tensors that have
a gradient are selected by PyTorch's own operations (see `_LARGE`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
import math

import torch

from keras_dropout._typing import Shape, Tensor
from keras_dropout.random._torch_mapped import is_mapped

# PyTorch brings Triton along on Linux.
HAS_TRITON = importlib.util.find_spec("triton") is not None
_FLOATS = (torch.float32, torch.float16, torch.bfloat16)
_PLAIN = (torch.Tensor, torch.nn.Parameter)
# Of 64 to 1,024, the fastest on an H100: 1.04 times a multiplication of 2^26 numbers.
BLOCK = 512
_SELECT_BLOCK = 1024
# Autograd calls a backward pass in Python from another thread, which waits for the
# interpreter: .25 ms on the machine of an H100. Below so many elements the kernels that
# it saves take less, and PyTorch's own operations are used.
_LARGE = 1 << 25
_MOST_AXES = 4


@functools.cache
def _kernels():
    from keras_dropout.random import _triton_kernels

    return _triton_kernels


def draws(count: int, rate: Tensor, key: Tensor) -> bool:
    """Whether `keep_mask` can draw so many places."""
    if (
        not HAS_TRITON
        or not _lies_there(key)
        or count >= 1 << 31
        or not _is_scalar(rate)
    ):
        return False
    return torch.compiler.is_compiling() or type(key) is torch.Tensor


def selects(mask: Tensor, x: Tensor, scale: Tensor) -> bool:
    """Whether `select` can do it, with a factor that has no gradient."""
    if (
        not HAS_TRITON
        or not _lies_there(x)
        or not _lies_there(mask)
        or not _is_scalar(scale)
    ):
        return False
    if x.dtype not in _FLOATS or not 0 < x.numel() < 1 << 31:
        return False
    # Programs have loops of their own, and stand-ins no memory.
    if torch.compiler.is_compiling() or is_mapped():
        return False
    small = x.numel() < _LARGE and _has_gradient(x)
    return not small and type(mask) is torch.Tensor and type(x) in _PLAIN


def drops(x: Tensor, rate: Tensor, key: Tensor, scale: Tensor) -> bool:
    """Whether `drop` can do it, with a factor that has no gradient."""
    return x.is_contiguous() and _is_scalar(rate) and selects(key, x, scale)


def _has_gradient(x):
    return x.requires_grad and torch.is_grad_enabled()


def _lies_there(tensor):
    return tensor.is_cuda


def _is_scalar(number):
    if not isinstance(number, torch.Tensor):
        return True
    return number.ndim == 0 and _lies_there(number)


def keep_mask(shape: Shape, rate: Tensor, key: Tensor, rank: int) -> Tensor:
    """True where random bits reach the threshold of the rate."""
    count = math.prod(shape)
    if not torch.compiler.is_compiling():
        keep = torch.empty(shape, dtype=torch.bool, device=key.device)
        _over_blocks("draw", count, rate, keep.view(torch.int8), key, rate, rank, count)
        return keep
    number = None if isinstance(rate, torch.Tensor) else rate
    bits = keep_bits(key, None if number is not None else rate, number, rank, count)
    # What reads the mask unpacks it, so that a bit a place goes through the memory.
    shifts = torch.arange(8, dtype=torch.uint8, device=key.device)
    ones = (bits.view(-1, 1, BLOCK) >> shifts.view(1, 8, 1)) & 1
    return ones.reshape(-1)[:count].reshape(shape) != 0


@torch.library.custom_op("keras_dropout::keep_bits", mutates_args=())
def keep_bits(
    key: torch.Tensor,
    rate: torch.Tensor | None,
    number: float | None,
    rank: int,
    count: int,
) -> torch.Tensor:
    """A mask of one bit a place, for programs that `torch.compile` makes."""
    bits = torch.empty(_blocks(count) * BLOCK, dtype=torch.uint8, device=key.device)
    rate = number if rate is None else rate
    _over_blocks("draw_bits", count, rate, bits, key, rate, rank)
    return bits


@keep_bits.register_fake
def _(key, rate, number, rank, count):
    return key.new_empty(_blocks(count) * BLOCK, dtype=torch.uint8)


def drop(x: Tensor, rate: Tensor, key: Tensor, scale: Tensor, rank: int) -> Tensor:
    """`scale * x` where `keep_mask` keeps and 0 elsewhere."""
    if isinstance(rate, torch.Tensor) or isinstance(scale, torch.Tensor):
        # The backward pass needs them as they were.
        rate, scale = (_on_device(each, x.device) for each in (rate, scale))
    drop = _Drop.apply if _has_gradient(x) else _dropped
    return drop(x, rate, key, scale, rank)


def select(keep: Tensor, x: Tensor, scale: Tensor) -> Tensor:
    """`scale * x` where kept and 0 elsewhere, or None for what has too many axes."""
    scale = 1.0 if scale is None else scale
    if _axes(x.shape, x.stride(), keep.shape, keep.stride()) is None:
        return None
    select = _Select.apply if _has_gradient(x) else _selected
    return select(x, keep, scale)


# Neither has a `setup_context`, for which PyTorch sorts the arguments in each call: it
# would take longer than all the rest. Only the transforms of `torch.func` need one.


class _Drop(torch.autograd.Function):
    """Draws, and draws again in the backward pass."""

    @staticmethod
    def forward(
        ctx, x: Tensor, rate: Tensor, key: Tensor, scale: Tensor, rank: int
    ) -> Tensor:
        ctx.drawn = rate, key, scale, rank
        return _dropped(x, *ctx.drawn)

    @staticmethod
    def backward(ctx, gradient):
        drop = _Drop.apply if torch.is_grad_enabled() else _dropped
        return drop(gradient.contiguous(), *ctx.drawn), None, None, None, None


class _Select(torch.autograd.Function):
    """Selects, in the order in which the numbers lie in the memory."""

    @staticmethod
    def forward(ctx, x: Tensor, keep: Tensor, scale: Tensor) -> Tensor:
        ctx.scale = scale
        ctx.save_for_backward(keep)
        return _selected(x, keep, scale)

    @staticmethod
    def backward(ctx, gradient):
        select = _Select.apply if torch.is_grad_enabled() else _selected
        return select(gradient, *ctx.saved_tensors, ctx.scale), None, None


def _dropped(x, rate, key, scale, rank):
    y, count = torch.empty_like(x), x.numel()
    _over_blocks("drop", count, rate, x, y, key, rate, scale, rank, count)
    return y


def _selected(x, keep, scale):
    axes = _axes(x.shape, x.stride(), keep.shape, keep.stride())
    if axes is None:
        return torch.where(keep, x * scale, 0.0)
    if not axes.dense:
        x = x.contiguous()
    y, count = torch.empty_like(x), x.numel()
    _launch(
        "select", -(-count // _SELECT_BLOCK), keep.view(torch.int8), x, y, scale,
        count, *axes.numbers, AXES=axes.count, BLOCK=_SELECT_BLOCK,
        IS_POINTER=isinstance(scale, torch.Tensor),
    )  # fmt: skip
    return y


@dataclasses.dataclass(frozen=True)
class _Axes:
    """How a mask widens to a tensor: the fewest axes that say it.

    Attributes:
        dense: Whether the tensor fills its part of the memory, in whatever order of
            its axes. If not, the axes are those of a contiguous copy.
        numbers: Sizes of the axes but the first, then steps of the mask along all.
        count: How many axes there are.
    """

    dense: bool
    numbers: tuple[int, ...]
    count: int


@functools.lru_cache(maxsize=1024)
def _axes(shape, strides, keep_shape, keep_strides):
    """The `_Axes` from the shapes and strides, or None if they are too many."""
    if torch.broadcast_shapes(shape, keep_shape) != shape:
        return None
    missing = len(shape) - len(keep_shape)
    steps = [0] * missing + [
        0 if size == 1 else step
        for size, step in zip(keep_shape, keep_strides, strict=True)
    ]
    every = [each for each in zip(shape, strides, steps, strict=True) if each[0] > 1]
    ordered = sorted(every, key=lambda axis: -axis[1])
    dense = all(
        axis[1] == math.prod(size for size, *_ in ordered[place + 1 :])
        for place, axis in enumerate(ordered)
    )
    merged: list[tuple[int, int]] = []
    for size, _, step in ordered if dense else every:
        if merged and merged[-1][1] == step * size:
            size *= merged.pop()[0]
        merged.append((size, step))
    merged = merged or [(1, 0)]
    if len(merged) > _MOST_AXES:
        return None
    sizes, steps = zip(*merged, *[(1, 0)] * (_MOST_AXES - len(merged)), strict=True)
    return _Axes(dense, (*sizes[1:], *steps), len(merged))


def _blocks(count):
    return -(-count // (8 * BLOCK))


def _over_blocks(name, count, rate, *given):
    """Runs a kernel whose blocks draw for so many places."""
    is_pointer = isinstance(rate, torch.Tensor)
    _launch(name, _blocks(count), *given, IS_POINTER=is_pointer, BLOCK=BLOCK)


def _launch(name, blocks, first, *given, **constants):
    if not blocks:
        return
    # Triton takes the current device, whatever the tensors are on.
    here = first.device.index in (None, torch.cuda.current_device())
    with contextlib.nullcontext() if here else torch.cuda.device(first.device):
        getattr(_kernels(), name)[(blocks,)](first, *given, **constants)


def _on_device(number, device):
    """A number as a tensor of its own, which nothing else writes to."""
    if isinstance(number, torch.Tensor):
        return number.detach().float().clone()
    return torch.full((), number, dtype=torch.float32, device=device)
