"""Attention with dropout of its weights in one operation of PyTorch, on CUDA.

It never stores the weights, of which there are as many as pairs of tokens: it draws the
mask as it goes, and draws it again in the backward pass.

PyTorch has two kernels for it. The *memory-efficient* one compares uniforms of 32 bits
with the rate, and is taken. That of *flash attention* compares bytes: with the
probability `q` to keep, it keeps `(floor(255 q) + 1) / 256` of the weights and divides
by `q`. At a rate of 0.1 the mean of a weight is 0.17 % too small, and for a rate of
0.001 it drops 0.0039.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from keras_dropout._typing import Tensor
from keras_dropout.random import _torch_host as host
from keras_dropout.random._torch_mapped import is_mapped

# The second stores the weights. It is for sizes that the first has no kernel for.
_EXACT = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
# What Keras adds to the score of a hidden key, by dtype. Unlike infinity, it weights
# all keys alike for a query that sees none.
_HIDDEN = {torch.float16: -0.7 * 65500}
_HIDDEN_ELSE = -0.7 * 3e38
# Held while PyTorch's generator, of which a device has one, has a seed of ours.
_seeding = threading.Lock()


def is_possible(query: Tensor, rate: Any) -> bool:
    """Whether the operation can draw by a seed of ours.

    A program or a CUDA graph cannot seed PyTorch's generator, and the host must know
    the rate.
    """
    if not isinstance(rate, float) or not 0 < rate < 1:
        return False
    return _lies_there(query) and not (host.is_unknown(query) or is_mapped())


def _lies_there(tensor):
    return tensor.is_cuda


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    is_causal: bool,
    scale: float,
    rate: float,
    seed: int,
) -> Tensor:
    """Attention with a fraction `rate` of its weights dropped.

    Args:
        query: Tensor `(batch, time, heads, dim)`.
        key: Likewise.
        value: Likewise.
        mask: Boolean tensor that broadcasts to `(batch, heads, queries, keys)`, true
            where a query sees a key, or None.
        is_causal: Whether no query sees a later key.
        scale: The factor of the products of queries and keys.
        rate: The probability with which a weight is dropped.
        seed: What PyTorch's generator is seeded with.
    """
    if mask is not None and is_causal:
        # PyTorch takes either.
        sizes = query.shape[1], key.shape[1]
        mask = mask & torch.ones(sizes, dtype=torch.bool, device=mask.device).tril()
        is_causal = False
    if mask is not None:
        hidden = _HIDDEN.get(query.dtype, _HIDDEN_ELSE)
        scores = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
        mask = scores.masked_fill_(mask.logical_not(), hidden)
    heads = [each.transpose(1, 2) for each in (query, key, value)]
    with _seeded(query.device, seed), sdpa_kernel(_EXACT):
        outputs = torch.nn.functional.scaled_dot_product_attention(
            *heads, attn_mask=mask, dropout_p=rate, is_causal=is_causal, scale=scale
        )
    return outputs.transpose(1, 2)


@contextlib.contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seeds the generator that PyTorch's own noise is from, and puts it back.

    The operation takes no other generator. On CUDA its state is a seed and a counter,
    which the host keeps.
    """
    generator = _generator(device)
    with _seeding:
        state = generator.get_state()
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(state)


def _generator(device):
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    return torch.default_generator
