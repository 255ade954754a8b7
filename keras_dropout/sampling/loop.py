"""Draws all samples of one batch within a graph, in a loop that the backend compiles.

It takes what `Sampler.batch` takes, and computes the same in the same order; sums are
in single precision here, in double precision there.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Tensors
from keras_dropout.random import counter
from keras_dropout.sampling.member import Member
from keras_dropout.uncertainty import pooling, statistics


def sampled(member: Member, inputs: Tensors, key: Any) -> tuple[Any, ...]:
    """The summaries of all samples of a member, and what its first call gave.

    Args:
        member: A `Member`.
        inputs: The inputs of its model, a structure of tensors.
        key: A key of `random.next_key`.

    Returns:
        A list with a summary for each output, a `Drawn`, and how many calls there are.
    """
    samples = member.settings.samples
    size = member.samples_per_call(inputs, samples)
    calls = -(-samples // size)
    engine, seen = member.engine, []
    # An inner scope does not see what an outer one says of variables.
    values = [
        (variable, ops.convert_to_tensor(variable))
        for variable in member.model.variables
    ]
    features, masks = engine.plan.prefix(inputs)

    def one_call(call):
        calls = ops.where(engine.apart, call, member.key_of_call(call))
        seeds = _seeds(key, calls)
        seeded = [(g.state, seeds[place]) for place, g in enumerate(engine.seeded)]
        first = call * size
        kept = ops.arange(size) + first < samples
        arrangement = engine.arrangement(features, size, first)
        with keras.StatelessScope(values + seeded):
            drawn = engine.draw(features, masks, arrangement)
            seen.append(drawn)
            heads = engine.summaries(drawn, arrangement, kept)
        return [{n: x for n, x in head.items() if n != "valid"} for head in heads]

    def merged(a, b):
        measures = [head.measure for head in seen[0].heads]
        heads = zip(a, b, measures, strict=True)
        return [statistics.merge(pair, kind, ops) for *pair, kind in heads]

    def one_step(step):
        if not member.pairs_calls:
            return one_call(step)
        pair = merged(one_call(2 * step), one_call(2 * step + 1))
        return [pooling.join_blocks(summary, ops) for summary in pair]

    steps = calls // 2 if member.pairs_calls else calls
    first = one_step(0)
    if steps == 1:
        return first, seen[0], calls
    rest = ops.fori_loop(1, steps, lambda step, sum: merged(sum, one_step(step)), first)
    return rest, seen[0], calls


def _seeds(key, calls):
    """As `keys.seeds`, in the backend's operations, a call for each generator."""
    calls = ops.cast(calls, "int32")
    places = np.arange(calls.shape[0])
    return ops.stack(counter.hashed(key, calls, places), axis=1)
