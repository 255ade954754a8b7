"""State that Keras does not hold: of global generators, and of PyTorch's own modules.

Running a layer to see what it does must not leave anything there. And a layer that
moves a global generator draws from it, even if what it drew made no difference.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

IS_TORCH = keras.backend.backend() == "torch"


def generators() -> tuple[Any, ...]:
    """The states of the global generators of Python, of NumPy and of PyTorch."""
    name, words, *rest = np.random.get_state()  # noqa: NPY002
    states = random.getstate(), name, np.asarray(words).tobytes(), *rest
    if not IS_TORCH:
        return states
    import torch

    return *states, torch.get_rng_state().numpy().tobytes()


@contextlib.contextmanager
def buffers_kept(layer: keras.layers.Layer) -> Iterator[Callable[[], bool]]:
    """Puts back what PyTorch's modules within a layer keep beside their weights.

    Yields:
        A function that tells whether any of it has changed so far.
    """
    if not IS_TORCH:
        yield lambda: False
        return
    import torch

    buffers = list(layer.buffers())
    before = [each.clone() for each in buffers]

    def have_changed() -> bool:
        pairs = zip(buffers, before, strict=True)
        return not all(torch.equal(*pair) for pair in pairs)

    try:
        yield have_changed
    finally:
        with torch.no_grad():
            for each, value in zip(buffers, before, strict=True):
                each.copy_(value)
