"""A CUDA device that is thought up, on which every read by the host is an error.

Its tensors have shapes and a device, and no values (PyTorch's `FakeTensorMode`), so it
needs no GPU. It knows no gradients. What it cannot see: what the kernels cost.
"""

import contextlib
import traceback

import keras
import numpy as np
import torch
from torch._subclasses import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# What reads, and what it gives while that is allowed.
_READS = {
    "item": lambda x: 0,
    "tolist": lambda x: np.zeros(x.shape, int).tolist(),
    "cpu": lambda x: x,
    "numpy": lambda x: np.zeros(x.shape),
    "__array__": lambda x: np.zeros(x.shape),
    "__bool__": lambda x: False,
    "__int__": lambda x: 0,
    "__index__": lambda x: 0,
    "__float__": lambda x: 0.0,
}
_WRITES = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy)


class HostRead(AssertionError):
    """The host read what lies on the device."""


class Watch(TorchFunctionMode):
    """Refuses reads, and counts what the host sends to the device.

    It also takes over what PyTorch without CUDA refuses, such as indexing.

    Attributes:
        is_strict: Whether reads are refused. If not, all that is read is 0.
        sent: Where numbers were sent to the device, one place for each time.
    """

    def __init__(self):
        super().__init__()
        self.is_strict = False
        self.sent = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if args and isinstance(args[0], torch.Tensor) and args[0].is_cuda:
            if name == "__getitem__":
                return _indexed(*args)
            if name == "contiguous":
                return args[0].clone(memory_format=torch.contiguous_format)
            if name == "copy_":
                return args[0].zero_()
            if name in _READS and self.is_strict:
                raise HostRead(f"`Tensor.{name}`")
        if name in _READS and not self.is_strict:
            return _READS[name](args[0])
        kwargs.pop("generator", None)
        result = function(*args, **kwargs)
        if name in ("to", "cuda") or function in _WRITES:
            given = [x for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
            local = not given or any(x.is_cpu for x in given)
            if local and result.is_cuda:
                self.sent.append("".join(traceback.format_stack()[-6:-1]))
        return result


def _indexed(x, places):
    places = places if isinstance(places, tuple) else (places,)
    used = sum(each is not None and each is not Ellipsis for each in places)
    if Ellipsis in [each for each in places if not isinstance(each, torch.Tensor)]:
        at = next(i for i, each in enumerate(places) if each is Ellipsis)
        whole = (slice(None),) * (x.ndim - used)
        places = (*places[:at], *whole, *places[at + 1 :])
    axis, chosen = 0, []
    for place in places:
        if place is None:
            x = torch.unsqueeze(x, axis)
        elif isinstance(place, int):
            x, axis = torch.select(x, axis, place), axis - 1
        elif isinstance(place, slice):
            args = (place.start or 0, place.stop, place.step or 1)
            stop = x.shape[axis] if args[1] is None else args[1]
            x = torch.ops.aten.slice(x, axis, args[0], stop, args[2])
        else:
            chosen += [None] * (axis - len(chosen)) + [place]
        axis += 1
    return torch.ops.aten.index(x, chosen) if chosen else x


@contextlib.contextmanager
def fake_cuda(monkeypatch):
    """All that Keras makes lies on the device that is thought up. Yields the watch."""
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda device=None: generator())
    with FakeTensorMode(), torch.no_grad(), keras.device("gpu:0"), Watch() as watch:
        yield watch
