"""The selection by a mask on PyTorch, forward and backward."""

from __future__ import annotations

import inspect

import torch

from keras_dropout._typing import Tensor, Tensors
from keras_dropout.random import _torch_cuda as cuda

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
# Below this many elements the call costs more than the loop.
_FEW = 4096


def select(keep: Tensor, x: Tensor, scale: Tensor = None) -> Tensor:
    """`scale * x` where kept and 0 elsewhere."""
    if isinstance(scale, torch.Tensor) and scale.requires_grad:
        x, scale = x * scale, None
    if cuda.selects(keep, x, scale):
        found = cuda.select(keep, x, scale)
        if found is not None:
            return found
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
    def forward(x: Tensor, ones, scale: Tensor):
        return _selected(x, ones, scale)

    @staticmethod
    def setup_context(ctx, inputs: Tensors, output) -> None:
        _, ones, ctx.scale = inputs
        ctx.save_for_backward(ones)

    @staticmethod
    def backward(ctx, gradient):
        (ones,) = ctx.saved_tensors
        # `apply` costs more than it does, and is for gradients of gradients.
        select = _Select.apply if torch.is_grad_enabled() else _selected
        return select(gradient, ones, ctx.scale), None, None

    @staticmethod
    def vmap(info, in_dims, x: Tensor, ones, scale: Tensor):
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
