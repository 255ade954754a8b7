"""The files that layers are loaded from."""

from __future__ import annotations

import os
from typing import Any


def file_of(store: Any) -> str | None:
    """The path of the file that a layer is loaded from, or None if it is not known."""
    archive = getattr(store, "archive", None)
    place = getattr(archive, "filename", None) or getattr(store, "path_or_io", None)
    return str(place) if isinstance(place, (str, os.PathLike)) else None
