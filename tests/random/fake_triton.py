"""Triton without Triton and without a GPU: its language as NumPy.

A kernel runs on the memory of CPU tensors, one program after the other. Every scalar
is an array of one number. With Triton installed, its own interpreter does the same, in
a process that sets `TRITON_INTERPRET=1`.
"""

import importlib
import sys
import types

import ml_dtypes
import numpy as np
import torch

_MULTIPLIERS, _WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)


class Block(np.ndarray):
    """An array with Triton's cast."""

    def to(self, dtype):
        return self.astype(dtype).view(Block)


def block(numbers, dtype=None):
    """An array of at least one axis."""
    return np.atleast_1d(np.asarray(numbers, dtype)).view(Block)


class Pointer:
    """Places in the memory of a tensor."""

    def __init__(self, memory, places=0):
        self.memory, self.places = memory, places
        self.dtype = types.SimpleNamespace(element_ty=memory.dtype)

    def __add__(self, places):
        return Pointer(self.memory, self.places + places)

    @classmethod
    def of(cls, tensor):
        flat = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
        if tensor.dtype == torch.bfloat16:
            memory = flat.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        else:
            memory = flat.numpy()
        return cls(memory, tensor.storage_offset())


class Kernel:
    """A function of the language, which `kernel[grid](...)` runs in a grid."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __getitem__(self, grid):
        def run(*args, **kwargs):
            given = [Pointer.of(a) if isinstance(a, torch.Tensor) else a for a in args]
            for _program[0] in range(grid[0]):
                self.function(*given, **kwargs)

        return run


_program = [0]


def jit(function=None, **options):
    return Kernel if function is None else Kernel(function)


def load(pointer, mask=True):
    places, mask = np.broadcast_arrays(block(pointer.places), mask)
    found = np.zeros(places.shape, pointer.memory.dtype)
    found[mask] = pointer.memory[places[mask]]
    return block(found)


def store(pointer, numbers, mask=True):
    places, mask, numbers = np.broadcast_arrays(block(pointer.places), mask, numbers)
    pointer.memory[places[mask]] = numbers[mask]


def philox(seed, *counter, n_rounds):
    """Four words of Philox-4x32, as block of uint32 each."""
    word = np.uint64(0xFFFFFFFF)
    seed = np.asarray(seed, np.uint64)
    keys = [seed & word, seed >> np.uint64(32)]
    words = list(np.broadcast_arrays(*(np.asarray(c, np.uint64) for c in counter)))
    for _ in range(n_rounds):
        first, second = (
            words[place] * np.uint64(by)
            for place, by in zip((0, 2), _MULTIPLIERS, strict=True)
        )
        half = np.uint64(32)
        words = [
            (second >> half) ^ words[1] ^ keys[0],
            second & word,
            (first >> half) ^ words[3] ^ keys[1],
            first & word,
        ]
        keys = [
            (k + np.uint64(step)) & word for k, step in zip(keys, _WEYL, strict=True)
        ]
    return tuple(block(each).to(np.uint32) for each in words)


def modules():
    """`triton` and `triton.language`, as names and modules."""
    language = types.ModuleType("triton.language")
    numbers = ("int8", "uint8", "int32", "uint32", "int64", "uint64", "float32")
    for name in numbers:
        setattr(language, name, np.dtype(name))
    language.constexpr = int
    language.program_id = lambda axis: block(_program[0], "int32")
    language.arange = lambda start, stop: block(np.arange(start, stop), "int32")
    language.full = lambda shape, number, dtype: block(number, dtype)
    language.floor = np.floor
    language.where = lambda *given: block(np.where(*given))
    language.static_range = range
    language.load, language.store, language.philox = load, store, philox
    triton = types.ModuleType("triton")
    triton.jit, triton.language = jit, language
    return {"triton": triton, "triton.language": language}


def kernels(monkeypatch):
    """The kernels, and CPU tensors that pass for tensors on CUDA."""
    from keras_dropout.random import _torch_cuda

    name = "keras_dropout.random._triton_kernels"
    with monkeypatch.context() as patch:
        for each, module in modules().items():
            patch.setitem(sys.modules, each, module)
        patch.delitem(sys.modules, name, raising=False)
        found = importlib.import_module(name)
        del sys.modules[name]
    monkeypatch.setattr(_torch_cuda, "_kernels", lambda: found)
    monkeypatch.setattr(_torch_cuda, "HAS_TRITON", True)
    monkeypatch.setattr(_torch_cuda, "_lies_there", lambda tensor: True)
    monkeypatch.setattr(_torch_cuda, "_LARGE", 0)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    return found
