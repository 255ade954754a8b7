"""State that is read and advanced within `jax.checkpoint`, on JAX.

What is checkpointed is traced once, as a function of its inputs alone, and JAX refuses
a new state that escapes from it. So the state is read and advanced in the trace around
it: outside, once, and the key is one more input that both runs get.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

try:
    from jax._src.core import trace_ctx
    from jax.extend.core import set_current_trace
except ImportError:
    # Private in JAX. Without it JAX raises an error about an escaping tracer.
    trace_ctx = None

# Traces that a derivative puts between two others.
_DERIVATIVES = ("JVPTrace", "LinearizeTrace")


def once(owner: object, draw: Callable[[], Any]) -> Any:
    """What `draw()` gives, traced around all that is checkpointed at this place."""
    with _around():
        return draw()


def _around():
    around = None
    trace = None if trace_ctx is None else trace_ctx.trace
    while trace is not None:
        parent = getattr(trace, "parent_trace", None)
        if _is_checkpoint(trace):
            around = parent
        elif type(trace).__name__ not in _DERIVATIVES:
            break
        trace = parent
    return contextlib.nullcontext() if around is None else set_current_trace(around)


def _is_checkpoint(trace):
    frame = getattr(trace, "frame", None)
    info = getattr(frame, "debug_info", None)
    return getattr(info, "traced_for", None) == "checkpoint / remat"
