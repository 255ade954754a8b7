"""What the host knows of numbers that lie on a device.

To read a number of a GPU the host waits until the GPU has done all that it was given.
But PyTorch's generators take their seeds from the host, and a rate that the host knows
needs no kernels of its own. So the numbers of seeds and rates are noted when they are
written, each with the state in which the tensor was: PyTorch counts what is written to
a tensor, through whatever view, and `.data = ...` gives it another storage. A note of
another state does not hold. What is written into `tensor.data` in place is not counted.

A CUDA graph writes to tensors without being counted, and repeats what the host told it.
So nothing is known while a graph is captured, and tensors that it changed are always
read from the device afterwards.
"""

import weakref

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from keras_dropout._typing import Tensor

# By the identity of the tensor. PyTorch may clear a weak reference early; then the note
# is lost, and the device is read again. What a graph writes to must not be lost.
_notes: dict[int, tuple] = {}
_captured = WeakTensorKeyDictionary()


def is_unknown(tensor):
    """Whether the host must not know: while something is compiled or captured."""
    return torch.compiler.is_compiling() or is_captured(tensor)


def is_captured(tensor):
    """Whether a CUDA graph is being captured of what happens to a tensor."""
    if torch.compiler.is_compiling() or not tensor.is_cuda:
        return False
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


def note(tensor, numbers):
    """Notes what a tensor on a device holds, and returns it."""
    # A tensor that is made in `torch.inference_mode` does not count.
    if tensor.is_cpu or tensor.is_inference() or (_captured and tensor in _captured):
        return numbers
    place = id(tensor)
    reference = weakref.ref(tensor, lambda _: _notes.pop(place, None))
    # The storage is kept, so that no other gets its address.
    _notes[place] = reference, numbers, tensor._version, tensor.untyped_storage()
    return numbers


def captured(tensor):
    """Notes that a CUDA graph writes to a tensor."""
    _captured[tensor] = True
    _notes.pop(id(tensor), None)


def known(tensor):
    """What a tensor holds, if that is noted and holds still, else None."""
    noted = _notes.get(id(tensor))
    if noted is None:
        return None
    reference, numbers, version, storage = noted
    if reference() is not tensor or tensor._version != version:
        return None
    same = tensor.untyped_storage()._cdata == storage._cdata
    return numbers if same else None


def words(key):
    """The two words of a key or of a state, unsigned. Read where they are not known."""
    numbers = None if key.is_cpu else known(key)
    if numbers is None:
        numbers = note(key, tuple(word & 0xFFFFFFFF for word in read(key)))
    return numbers


def read(tensor):
    """The numbers of a tensor. The host waits for them."""
    return tensor.tolist()


def plain(rate: Tensor) -> Tensor:
    """A rate as a Python float where that costs nothing, to reckon with it faster."""
    if torch.compiler.is_compiling() or not isinstance(rate, torch.Tensor):
        return rate
    if rate.ndim or rate.requires_grad:
        return rate
    if rate.is_cpu:
        return rate.item()
    number = None if is_unknown(rate) else known(rate)
    return rate if number is None else number


def at_hand(number: Tensor) -> float | None:
    """A scalar that `plain` knows."""
    found = plain(number.detach()) if number.ndim == 0 else number
    return None if isinstance(found, torch.Tensor) else float(found)


def loops_wait() -> bool:
    """Never: a loop of Python asks the device nothing."""
    return False
