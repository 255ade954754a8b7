"""The sampling context: which noise is on, and how the samples are joined.

It belongs to the calling thread alone, so another thread that runs the same model
meanwhile sees nothing of it.
"""

import contextlib
import dataclasses
import threading

from keras import ops

_thread = threading.local()


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How the rows of a tensor are arranged while samples are drawn.

    A tensor has `samples * rows` rows, sample by sample.

    Attributes:
        samples: How many samples one call computes.
        rows: Rows of data in each sample.
        scheme: `"independent"` or `"shared"`.
    """

    samples: int
    rows: int
    scheme: str = "independent"


@dataclasses.dataclass(frozen=True)
class _Context:
    layers: frozenset
    arrangement: Arrangement | None


@contextlib.contextmanager
def sampling(layers, arrangement=None):
    """Switches the noise of `layers` on for the calling thread."""
    previous = getattr(_thread, "context", None)
    _thread.context = _Context(frozenset(map(id, layers)), arrangement)
    try:
        yield
    finally:
        _thread.context = previous


def is_active():
    """Whether the calling thread is drawing Monte Carlo samples."""
    return getattr(_thread, "context", None) is not None


def is_on(layer):
    """Whether the noise of `layer` is switched on for the calling thread."""
    context = getattr(_thread, "context", None)
    return context is not None and id(layer) in context.layers


def arrangement():
    """The arrangement of the samples that the calling thread draws, or None."""
    context = getattr(_thread, "context", None)
    return None if context is None else context.arrangement


def uniform(arrangement, backend, shape, key, per_row):
    """Uniforms for all samples, joined by the scheme."""
    return _draw(arrangement, backend.uniform, shape, key, per_row)


def normal(arrangement, backend, shape, key, per_row):
    """Standard normals for all samples, joined by the scheme."""
    return _draw(arrangement, backend.normal, shape, key, per_row)


def keep_mask(arrangement, backend, shape, rate, key, per_row):
    """Keep masks for all samples, joined by the scheme."""
    return uniform(arrangement, backend, shape, key, per_row) >= rate


def _draw(arrangement, draw, shape, key, per_row):
    if not per_row or (arrangement.scheme == "independent" and shape[0] != 1):
        return draw(shape, key)
    numbers = draw((arrangement.samples, *shape[1:]), key)
    return ops.repeat(numbers, arrangement.rows, axis=0)
