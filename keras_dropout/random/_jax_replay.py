"""State that is read and advanced within `jax.checkpoint`, on JAX.

What is checkpointed is traced once, as a function of its inputs alone, and JAX refuses
a new state that escapes from it. So the state is read and advanced in the trace around
it: outside, once, and the key is one more input that both runs get. A state that is
itself an input of what is checkpointed, as with `stateless_call`, stays within: both
runs get it anyhow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras

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
    with _around(owner):
        return draw()


def _around(owner):
    own = _trace_of(owner)
    around = None
    trace = None if trace_ctx is None else trace_ctx.trace
    while trace is not None and trace is not own:
        parent = getattr(trace, "parent_trace", None)
        if _is_checkpoint(trace):
            around = parent
        elif type(trace).__name__ not in _DERIVATIVES:
            break
        trace = parent
    return contextlib.nullcontext() if around is None else set_current_trace(around)


def _trace_of(owner):
    """The trace that the state of a seed generator or of a schedule belongs to."""
    found = (getattr(owner, name, None) for name in ("step", "state"))
    variable = next((v for v in found if isinstance(v, keras.Variable)), None)
    return None if variable is None else getattr(variable.value, "_trace", None)


def _is_checkpoint(trace):
    frame = getattr(trace, "frame", None)
    info = getattr(frame, "debug_info", None)
    return getattr(info, "traced_for", None) == "checkpoint / remat"
