"""What a compiled function was compiled for, and which of these are kept."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

# How many signatures of a function stay compiled, the latest of them.
KEPT = 32


class Latest(collections.OrderedDict):
    """A dictionary that forgets what was not used for long."""

    def __getitem__(self, key: Any):
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if len(self) > KEPT:
            self.popitem(last=False)

    def is_full_with(self, key: Any) -> bool:
        """Notes a key. Whether there were too many, so that all are forgotten."""
        if key not in self and len(self) == KEPT:
            self.clear()
            self[key] = None
            return True
        self[key] = None
        return False


def signature(arguments: Iterable[Any], rows: int | None = None, data: int = 0) -> Any:
    """Structure, shapes and dtypes of arguments, as something to look up by.

    In the first `data` of them a first axis of so many rows counts as open.
    """

    def of(x, rows):
        if isinstance(x, dict):
            return tuple((key, of(each, rows)) for key, each in x.items())
        if isinstance(x, (list, tuple)):
            return type(x), *(of(each, rows) for each in x)
        if x is None:
            return None
        shape = tuple(x.shape)
        if rows is not None and shape[:1] == (rows,):
            shape = None, *shape[1:]
        return shape, x.dtype

    return tuple(
        of(x, rows if place < data else None) for place, x in enumerate(arguments)
    )
