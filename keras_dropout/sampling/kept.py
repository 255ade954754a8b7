"""Computes the layers before the noise once for several runs over the same arrays."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

_thread = threading.local()


@contextlib.contextmanager
def features() -> Iterator[None]:
    """Keeps what comes before the noise, for the calling thread.

    For runs over the same arrays, in the same batches, while no weight changes: nothing
    compares them. The features of all batches stay in memory meanwhile.
    """
    previous = getattr(_thread, "kept", None)
    _thread.kept = {}
    try:
        yield
    finally:
        _thread.kept = previous


def once(key: Any, compute: Callable[[], Any]) -> Any:
    """What `compute()` gives, or what it gave under this key while features are kept.

    Args:
        key: What tells the model and the batch.
        compute: Function without arguments.
    """
    kept = getattr(_thread, "kept", None)
    if kept is None:
        return compute()
    if key not in kept:
        kept[key] = compute()
    return kept[key]
