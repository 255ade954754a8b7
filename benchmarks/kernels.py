"""Microseconds that the kernels of dropout take on a GPU, on PyTorch.

The profiler of PyTorch adds up the time of all kernels of a step, forward and backward.
So the time that the host takes, which is more for small tensors, does not count.
"""

import keras

import keras_dropout as kd
from benchmarks.steps import BACKEND

SHAPE, RATE, STEPS = (8192, 8192), 0.3, 5


def contenders(dtype):
    """Functions of a tensor: a multiplication, and three kinds of dropout."""
    import torch

    layer = kd.layers.Dropout(RATE, seed=1, dtype=dtype)
    twin = keras.layers.Dropout(RATE, dtype=dtype)
    return {
        "multiply": lambda x: x * 1.5,
        "torch": lambda x: torch.nn.functional.dropout(x, RATE),
        "keras": lambda x: twin(x, training=True),
        "ours": lambda x: layer(x, training=True),
    }


def is_possible():
    """Whether there is a GPU to profile."""
    if BACKEND != "torch":
        return False
    return keras.ops.zeros(()).device.type == "cuda"


def measure(dtype, mode):
    """Microseconds of each contender."""
    import torch

    x = torch.randn(SHAPE, device="cuda", dtype=getattr(torch, dtype))
    upstream = torch.randn_like(x)
    x.requires_grad_()
    took = {}
    for name, call in contenders(dtype).items():
        if mode == "compile":
            torch.compiler.reset()
            call = torch.compile(call)

        def step(call=call):
            return torch.autograd.grad(call(x), x, upstream)

        took[name] = _profiled(step)
    ratio = {name: round(each / took["multiply"], 3) for name, each in took.items()}
    cell = {"kernels": mode, "dtype": dtype, "elements": x.numel()}
    return cell | {"microseconds": took, "ratio": ratio}


def _profiled(step):
    import torch

    step(), step()
    torch.cuda.synchronize()
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    events = [e for e in profile.key_averages() if e.device_type == cuda]
    return round(sum(e.self_device_time_total for e in events) / STEPS, 1)
