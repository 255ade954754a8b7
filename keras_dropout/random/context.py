"""The sampling context: which noise is on, and how the rows are arranged.

It belongs to the calling thread alone, so another thread that runs the same model
meanwhile sees nothing of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from keras import ops

from keras_dropout._typing import Tensor
from keras_dropout.random.schemes import Arrangement

_thread = threading.local()


@dataclasses.dataclass(frozen=True)
class _Context:
    layers: frozenset
    arrangement: Arrangement | None
    numbers: dict
    scratch: dict = dataclasses.field(default_factory=dict)
    noted: dict = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def sampling(
    layers: Iterable[Any], arrangement: Any = None, numbers: Any = None
) -> Iterator[None]:
    """Switches the noise of `layers` on for the calling thread.

    Args:
        layers: The layers whose noise is on.
        arrangement: How the rows are arranged, or `None` for rows of one call.
        numbers: Dictionary of (id of an instance, name) to the pair of what `number`
            and `keep_scale` give for them, or `None`.
    """
    previous = getattr(_thread, "context", None)
    on = frozenset(map(id, layers))
    _thread.context = _Context(on, arrangement, numbers or {})
    try:
        yield
    finally:
        _thread.context = previous


def is_active() -> bool:
    """Whether the calling thread is drawing Monte Carlo samples."""
    return getattr(_thread, "context", None) is not None


def is_on(layer: object) -> bool:
    """Whether the noise of `layer` is switched on for the calling thread."""
    context = getattr(_thread, "context", None)
    return context is not None and id(layer) in context.layers


def arrangement() -> Any:
    """The arrangement of the samples that the calling thread draws, or None."""
    context = getattr(_thread, "context", None)
    return None if context is None else context.arrangement


def sample_index(rows: Any) -> Tensor:
    """The sample that each row of a tensor belongs to, or None outside of sampling.

    Args:
        rows: How many rows the tensor at hand has, those of all samples, an integer or
            a scalar tensor. Layers may have folded other axes into them.

    Returns:
        An int32 tensor of shape `(rows,)`, which counts from the first sample of the
        whole prediction, not of one call.
    """
    now = arrangement()
    if now is None:
        return None
    first = ops.cast(now.first, "int32")
    return first + ops.cast(ops.arange(rows) // (rows // now.samples), "int32")


def number(instance: object, name: str) -> Any:
    """What the samples are to take for a number of an instance, or `None` if untold."""
    context = getattr(_thread, "context", None)
    found = context and context.numbers.get((id(instance), name))
    return found[0] if found else None


def keep_scale(rate: Any) -> Any:
    """The factor `1 / (1 - rate)` for a rate of `number`; `None` for any other."""
    context = getattr(_thread, "context", None)
    pairs = context.numbers.values() if context else ()
    return next((scale for number, scale in pairs if number is rate), None)


def scratch() -> dict[Any, Any]:
    """A dictionary that lives as long as the calling thread's context."""
    return _thread.context.scratch


def note(layer: object) -> None:
    """Notes that `layer` was noisy in this context. A layer may note itself often."""
    context = getattr(_thread, "context", None)
    if context is not None:
        context.noted[id(layer)] = layer


def noted() -> list[Any]:
    """The layers that were noisy so far in the calling thread's context, in order."""
    context = getattr(_thread, "context", None)
    return [] if context is None else list(context.noted.values())


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Switches all noise of our layers off for the calling thread."""
    previous = getattr(_thread, "is_silenced", False)
    _thread.is_silenced = True
    try:
        yield
    finally:
        _thread.is_silenced = previous


def is_silenced() -> bool:
    """Whether the calling thread has switched all noise of our layers off."""
    return getattr(_thread, "is_silenced", False)
