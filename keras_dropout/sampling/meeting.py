"""Tests what the sampler assumes about a model, before its first use.

Samples are drawn by copying the rows, one sample after the other. This is right if each
noisy tensor and each output has a row for each row of the data, and if the output of a
row depends only on that row. Both are tested on a few rows:

- The shapes of all draws and outputs are compared for these rows and for twice as many.
  What counts rows has twice as many of them.
- Without noise, a pass on these rows is compared with one on other rows, these rows
  twice, and other rows again.
- With noise, two samples of one call are compared with the same two of two calls.

A graph of layers that are known to treat rows separately needs no test: all its draws
and outputs have the rows of its inputs, or are noise on weights. If the test fails,
each call computes one sample of the batch.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_dropout import _model
from keras_dropout._typing import Tensors
from keras_dropout.random import context
from keras_dropout.random.schemes import Arrangement, Places
from keras_dropout.sampling import (
    backends,
    fixed,
    loops,
    nested,
    noise,
    other_rows,
    together,
    widths,
)
from keras_dropout.sampling.activation import replayed
from keras_dropout.sampling.fixed import exactly, fixed_rows
from keras_dropout.uncertainty.statistics import Measure

if TYPE_CHECKING:
    from keras_dropout.sampling.engine import Engine

# Rows that are tried out.
_FEW = 2
# By how much of the largest output rounding may differ with the number of rows.
_ROUNDING = {"float16": 2.0**-5, "bfloat16": 2.0**-3}
_ROUNDING_OF_OTHERS = 2.0**-11
_NO_ROWS = "a noisy tensor does not have a row for each row of the data"


@dataclasses.dataclass(frozen=True)
class Learned:
    """What is known of a model and its noise.

    Attributes:
        kinds: What each output is.
        measures: Which statistics hold for each output.
        class_axes: The axis of the classes in each output, or `None`.
        structure: How the outputs are nested.
        active: The names of the layers that were noisy.
        numbers: How many numbers the outputs have for each row.
        why_single: Why each call computes one sample, or `None` where it may compute
            many.
        fills: Whether a batch may be filled up with further rows.
        axes: The axis that counts rows in each draw, or `None` if all have it first.
        row_axes: The axis that counts rows in each output; `None` for no axis.
        wider: How many times as wide as the widest input the widest tensor is, in a
            model that runs whole and was watched; or `None`.
        is_folded: Whether a draw has more places than rows on the axis of the rows, in
            an order that nobody knows.
    """

    kinds: tuple[str, ...]
    measures: tuple[Measure, ...]
    class_axes: tuple[int | None, ...]
    structure: object
    active: tuple[str, ...]
    numbers: float
    why_single: str | None
    fills: bool
    axes: tuple[int | None, ...] | None
    row_axes: tuple[int | None, ...]
    wider: float | None = None
    is_folded: bool = False


def meet(engine: Engine, model: keras.Model, inputs: Tensors) -> Learned:
    """What can be learned of a model from some rows of inputs, as NumPy arrays."""
    few = _take(inputs, slice(0, _FEW))
    made_for = fixed_rows(model)
    try:
        if made_for is not None:
            few = exactly(inputs, made_for)
        one, drawn, sizes = _probe(engine, few, 1)
    except Exception:
        # A model may take a batch only as a whole, as one of all nodes of a graph does.
        if _count(few) == _count(inputs):
            raise
        few = inputs
        one, drawn, sizes = _probe(engine, few, 1)
    learn = functools.partial(
        Learned,
        kinds=tuple(head.kind for head in drawn.heads),
        measures=tuple(head.measure for head in drawn.heads),
        class_axes=tuple(head.class_axis for head in drawn.heads),
        structure=drawn.structure,
        active=drawn.active,
        numbers=sum(map(math.prod, sizes)) / _count(few),
    )
    no_axes = (0,) * len(sizes)
    if made_for is not None:
        why = f"it is made for batches of {made_for} rows"
        fills = engine.plan.is_rowwise or _may_be_filled(engine, few)
        return learn(why_single=why, fills=fills, axes=None, row_axes=no_axes)
    one_a_call = _why_one_a_call(engine)
    rows = _count(few)
    if engine.plan.is_rowwise and all(size[:1] == (rows,) for size in sizes):
        return learn(why_single=one_a_call, fills=True, axes=None, row_axes=no_axes)
    mixes, wider = None, None
    if not engine.plan.is_rowwise:
        mixes, wider = _why_rows_mix(engine, model, few, inputs)
    learn = functools.partial(learn, wider=wider)
    try:
        more, _, more_sizes = _probe(engine, _joined(few, few), 1)
    except Exception as error:
        why = mixes or f"it cannot take more rows ({error!r})"
        return learn(why_single=why, fills=False, axes=None, row_axes=no_axes)
    axes = tuple(_growing(*pair) for pair in zip(one, more, strict=False))
    row_axes = tuple(_growing(*pair) for pair in zip(sizes, more_sizes, strict=True))
    rows_are_first = all(size[:1] == (rows,) for size in sizes) and not any(row_axes)
    why = mixes or _why_not_tiled(axes, rows_are_first)
    is_folded = _is_folded(one, axes, rows)
    why = why or one_a_call or _why_not_together(engine, few, is_folded)
    return learn(
        why_single=why,
        is_folded=is_folded and why is not None,
        # What layers of the user's own draw for all rows may put rows together.
        fills=rows_are_first
        and why in (None, one_a_call)
        and not any(each.is_foreign and each.is_single for each in engine.noises),
        axes=axes if any(axis != 0 for axis in axes) else None,
        row_axes=row_axes,
    )


def _may_be_filled(engine, batch):
    """Whether further rows in a batch leave alone what its first rows give."""
    try:
        (_, whole), *others = fixed.results(engine, batch)
    except Exception:
        return False
    rounding = _rounding(engine.layers)
    return all(
        _alike(a[:kept], b[:kept], rounding)
        for kept, outputs in others
        for a, b in zip(whole, outputs, strict=True)
    )


def _why_one_a_call(engine):
    """Why the noise itself allows one sample in each call, or None if it does not."""
    single = noise.one_sample_per_call(engine.noises)
    return f"all rows share the noise of {single[0].name!r}" if single else None


def _why_not_tiled(axes, rows_are_first):
    """Why samples cannot be put one after the other along the rows, or None."""
    if any(axis != 0 for axis in axes):
        return _NO_ROWS
    if not rows_are_first:
        return "an output does not have a row for each row of the data"
    return None


def _is_folded(shapes, axes, rows):
    """Whether layers have folded other axes into the rows, where noise is drawn."""
    return any(
        axis is not None and shape[axis] not in (1, rows)
        for shape, axis in zip(shapes, axes, strict=False)
    )


def _why_not_together(engine, few, is_folded):
    """Why one call cannot compute two samples, or None if it can."""
    scheme = engine.masks if engine.masks == "shared" else "antithetic"
    try:
        apart, both, has_rows = together.two_samples(engine, few, scheme)
    except Exception as error:
        return f"two samples cannot be put one after the other ({error!r})"
    if not has_rows:
        return _NO_ROWS
    if all(map(_alike, apart, both, [_rounding(engine.layers)] * len(both))):
        return None
    # Independent noise does not depend on the order in which axes are folded.
    if engine.masks == "independent" and is_folded:
        return None
    return "samples of one call are not those of several calls"


def _probe(engine, inputs, samples):
    """The shapes of all draws, what a call gave, and the shapes of its outputs."""
    seen = []

    def call(inputs):
        features, masks = engine.plan.prefix(inputs)
        places = Places()
        arrangement = Arrangement(samples, engine.plan.rows(features), places=places)
        drawn = engine.draw(features, masks, arrangement)
        seen.append((places.shapes, drawn, loops.states(engine.seeded)))
        return [head.values for head in drawn.heads]

    seeds = np.zeros((engine.generators, 2), np.int64)
    given = engine.variables, seeds, engine.seeded, inputs
    results, escaped = backends.probed(call, *given)
    places, drawn, states = seen[-1]
    loops.require_none(engine, states, escaped)
    return places, drawn, [tuple(each.shape) for each in results]


def _growing(one, more):
    """The first axis that is twice as long for twice the rows, or None."""
    for axis, (size, doubled) in enumerate(zip(one, more, strict=False)):
        if doubled == 2 * size:
            return axis
    # A first axis of 1 is that of one noise for all rows of a sample.
    return 0 if one[:1] == more[:1] == (1,) else None


def _why_rows_mix(engine, model, few, inputs):
    """Why other rows of a batch change what a row gives, or None if they do not.

    And, as these passes show it, how wide the model is, as `Learned.wider` says.
    """
    rows = _count(few)
    before, after = other_rows.others(few, inputs)
    more = functools.reduce(_joined, (before, few, few, after))
    # A graph tells the shapes of its tensors by itself. Noise is left out, which to be
    # watched would be switched on.
    noisy = {id(each.layer) for each in engine.noises}
    layers = _model.flatten_layers(model)[1:] if engine.plan.is_whole else []
    layers = [layer for layer in layers if id(layer) not in noisy]
    watch = widths.Watch(layers, [n.layer for n in engine.noises if n.is_foreign])

    def passes(few, more):
        with context.silence(), replayed(engine.noises):
            with watch.on():
                alone = engine.plan.whole(few)
            return alone, engine.plan.whole(more)

    try:
        alone, among = backends.run_once(passes, engine.variables, few, more)
    except Exception as error:
        return f"its rows depend on each other ({error!r})", None
    wider = watch.wider(few)
    rounding = _rounding(_model.flatten_layers(model))
    places = [_count(before) + copy * rows for copy in (0, 1)]
    for a, b in zip(*map(keras.tree.flatten, (alone, among)), strict=True):
        if len(a) != rows or b.shape != (_count(more), *a.shape[1:]):
            return "an output does not have a row for each row of the data", wider
        if not all(_alike(a, b[n : n + rows], rounding) for n in places):
            return "its rows depend on each other", wider
    return None, wider


def _rounding(layers):
    """By how much of its largest number an output may differ with the rows around."""
    return max(
        _ROUNDING.get(layer.compute_dtype, _ROUNDING_OF_OTHERS) for layer in layers
    )


def _alike(a, b, rounding):
    """Whether two arrays differ by no more than rounding."""
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fV":
        return np.array_equal(a, b)
    a, b = a.astype("float64"), b.astype("float64")
    finite = np.abs(a[np.isfinite(a)])
    scale = finite.max() if finite.size else 0.0
    return np.allclose(a, b, rtol=0, atol=rounding * scale, equal_nan=True)


def _joined(few, others):
    return nested.mapped(lambda *parts: np.concatenate(parts, axis=0), few, others)


def _count(inputs):
    return nested.rows(inputs)


def _take(inputs, rows):
    return nested.mapped(lambda x: x[rows], inputs)
