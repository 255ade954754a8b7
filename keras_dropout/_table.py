"""Rows of dataclasses that print as a table."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

_Row = TypeVar("_Row")


class Table(tuple[_Row, ...], Generic[_Row]):
    """A tuple of records of one dataclass. Printed, it is a table.

    A field with `metadata={"shown": False}` is no column.
    """

    __slots__ = ()
    # The dataclass of the rows.
    row: Any = None

    def __str__(self) -> str:
        fields = dataclasses.fields(self.row)
        names = [each.name for each in fields if each.metadata.get("shown", True)]
        cells = [[_cell(getattr(row, name)) for name in names] for row in self]
        titles = [name.replace("_", " ") for name in names]
        columns = list(zip(titles, *cells, strict=True))
        widths = [max(map(len, column)) for column in columns]
        lines = [titles, ["-" * width for width in widths], *cells]
        padded = ([c.ljust(w) for c, w in zip(x, widths, strict=True)] for x in lines)
        return "\n".join("  ".join(line).rstrip() for line in padded)

    def __repr__(self) -> str:
        return str(self)


def _cell(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
