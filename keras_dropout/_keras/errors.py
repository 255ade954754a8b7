"""What is raised where a private name of Keras is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class PrivateNameError(AttributeError):
    """Keras lacks a private name that this package cannot do without."""


@contextlib.contextmanager
def private_names() -> Iterator[None]:
    """Says of a missing attribute that it is a private name of Keras."""
    try:
        yield
    except AttributeError as error:
        raise PrivateNameError(str(error)) from error
