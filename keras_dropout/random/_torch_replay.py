"""Which parts of a forward pass on PyTorch are being checkpointed or run again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.utils.checkpoint

from keras_dropout.random import replay
from keras_dropout.random._torch_mapped import outside

_FILE = torch.utils.checkpoint.__file__
_LOG = "_keras_dropout_log"


def _some_hooks(_):
    """Where PyTorch has no way to ask for hooks, there may be some."""
    return True


# Private in PyTorch. Without them each draw looks at all callers, which takes longer.
_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", _some_hooks)
_task = getattr(torch._C, "_current_graph_task_id", lambda: 0)


def once(owner: object, draw: Callable[[], Any]) -> Any:
    """What `draw()` gives, or what it gave where a forward pass is run again."""
    return replay.once(_parts(), owner, lambda: outside(draw))


def _parts():
    """The checkpointed parts that the call is within, as `replay.once` takes them."""
    if torch.compiler.is_compiling():
        return ()
    if torch.is_grad_enabled() and _task() == -1 and _hooks(True) is None:
        return ()
    found = []
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == _FILE:
            owner, again = _place(frame)
            if owner is not None:
                found.append((_log(owner), _task() if again else None))
                if again:
                    break
        frame = frame.f_back
    return found


def _place(frame):
    """What stands for a part in both runs, and whether this is a later run."""
    name, local = frame.f_code.co_name, frame.f_locals
    if name == "unpack_hook":
        return local.get("frame"), True
    if name == "checkpoint" and local.get("gen") is not None:
        outer = local["gen"].gi_frame
        return None if outer is None else outer.f_locals.get("new_frame"), False
    if name in ("forward", "backward"):
        return local.get("ctx"), name == "backward"
    return None, False


def _log(owner):
    log = getattr(owner, _LOG, None)
    if log is None:
        log = replay.Log()
        setattr(owner, _LOG, log)
    return log
