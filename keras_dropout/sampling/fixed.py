"""Models whose inputs are made for one number of rows, as stateful ones are.

A smaller batch, such as the last one, can be filled up to this number with further
rows, if these do not change what the rows before them give.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Tensors
from keras_dropout.random import context
from keras_dropout.sampling import backends, draws, keys, nested, other_rows

if TYPE_CHECKING:
    from keras_dropout.sampling.engine import Engine


def fixed_rows(model: keras.Model) -> int | None:
    """The number of rows that a model's inputs are made for, if they are."""
    for tensor in getattr(model, "inputs", None) or ():
        if tensor.shape and tensor.shape[0] is not None:
            return tensor.shape[0]
    return None


def exactly(inputs: Tensors, rows: int) -> Any:
    """So many rows, the last one again where there are too few."""
    return nested.mapped(lambda x: x[np.minimum(np.arange(rows), len(x) - 1)], inputs)


def results(engine: Engine, batch: Tensors) -> list[tuple[int, list[Any]]]:
    """What a model gives for a batch, and with other rows in the last places.

    Noise is left out. What cannot be left out is the same each time.

    Args:
        engine: The engine of a model.
        batch: As many rows as the model is made for, a structure of NumPy arrays.

    Returns:
        For each time, how many rows are those of `batch`, and the outputs.
    """
    rows = nested.rows(batch)
    kept = (rows, 1, max(1, rows // 2))
    batches = [nested.mapped(lambda x, n=n: _first(x, n), batch) for n in kept]
    seeds = keys.seeds((0, 0), [0], engine.generators)[0]

    def once(inputs):
        # Each time begins with the states and seeds of the first.
        given = [(each, ops.convert_to_tensor(each)) for each in engine.variables]
        states = zip(engine.seeded, seeds, strict=True)
        given += [(g.state, ops.convert_to_tensor(s, g.state.dtype)) for g, s in states]
        with keras.StatelessScope(given), context.silence(), draws.supplied():
            return keras.tree.flatten(engine.plan.whole(inputs))

    found = backends.run_once(lambda *x: [*map(once, x)], engine.variables, *batches)
    return list(zip(kept, found, strict=True))


def _first(x, kept):
    """The first rows of `x`, and rows near them and far away in the other places."""
    if kept == len(x):
        return x
    last = x[kept - 1 : kept]
    near, far = other_rows.others(last, last)
    others = [*near, *far]
    others = [each for each, _ in zip(itertools.cycle(others), x[kept:], strict=False)]
    return np.concatenate([x[:kept], np.stack(others)]).astype(x.dtype)
