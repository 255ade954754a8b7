"""Layers and operations of several inputs.

Sums and products of moments are exact if no two inputs depend on the same noise.
Otherwise the inputs are assumed to be independent.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_dropout._typing import Tensor
from keras_dropout.moments import gaussian, rules
from keras_dropout.moments.rules import operation, rule
from keras_dropout.moments.shaping import scaled
from keras_dropout.moments.state import (
    Moments,
    all_axes,
    independent_of_each_other,
    joined_sources,
)

L = keras.layers


def joined(
    parts: Sequence[Moments],
    mean: Tensor,
    variance: Tensor,
    exact: bool = True,
    is_gaussian: bool = False,
) -> Moments:
    """The moments of what is made of several, number by number."""
    apart = independent_of_each_other(parts)
    noisy = [part for part in parts if not part.is_certain]
    rank = len(mean.shape)
    kept = frozenset(range(1, rank))
    for part in noisy:
        # What is broadcast has one number in several places.
        kept &= part.independent if part.shape == tuple(mean.shape) else frozenset()
    return Moments(
        mean,
        ops.broadcast_to(variance, mean.shape),
        exact and apart and all(part.exact for part in parts),
        kept if apart else frozenset(),
        gaussian=is_gaussian and apart and all(part.gaussian for part in noisy),
        sources=joined_sources(parts),
        mask=next((part.mask for part in parts if part.mask is not None), None),
    )


def added(parts: Sequence[Moments], weights: Any = None) -> Moments:
    """A weighted sum of `Moments`, of independent ones as far as known."""
    parts = [part.floats() for part in parts]
    weights = weights or [1.0] * len(parts)
    pairs = list(zip(parts, weights, strict=True))
    mean = sum(part.mean * weight for part, weight in pairs)
    variance = sum(
        part.variance * weight**2 for part, weight in pairs if not part.is_certain
    )
    return joined(parts, mean, variance, is_gaussian=True)


def multiplied(parts: Sequence[Moments]) -> Moments:
    """The product of `Moments`, of independent ones as far as known."""

    def both(a, b):
        mean = a.mean * b.mean
        v, w = a.spread, b.spread
        variance = ops.square(a.mean) * w + ops.square(b.mean) * v + v * w
        one_is_certain = a.is_certain or b.is_certain
        return joined([a, b], mean, variance, is_gaussian=one_is_certain)

    return functools.reduce(both, [part.floats() for part in parts])


def extreme(parts: Sequence[Moments], sign: int) -> Moments:
    """The largest of several, or with `sign` -1 the smallest."""
    parts = [part.floats() for part in parts]
    mean, variance = sign * parts[0].mean, parts[0].spread
    for part in parts[1:]:
        mean, variance = gaussian.larger(mean, variance, sign * part.mean, part.spread)
    return joined(parts, sign * mean, variance, exact=False)


def concatenated(parts: Sequence[Moments], axis: int) -> Moments:
    """Moments side by side along an axis."""
    parts = [part.floats() for part in parts]
    mean = ops.concatenate([part.mean for part in parts], axis=axis)
    variance = ops.concatenate([part.spread for part in parts], axis=axis)
    apart = independent_of_each_other(parts)
    kept = frozenset(range(1, len(mean.shape)))
    for part in parts:
        kept &= all_axes(part) if part.is_certain else part.independent
    noisy = [part for part in parts if not part.is_certain]
    return Moments(
        mean,
        variance,
        all(part.exact for part in parts),
        kept if apart else frozenset(),
        gaussian=all(part.gaussian for part in noisy),
        sources=joined_sources(parts),
        mask=next((part.mask for part in parts if part.mask is not None), None),
    )


rule(L.Add)(lambda layer, parts: added(parts))
rule(L.Subtract)(lambda layer, parts: added(parts, [1.0, -1.0]))
rule(L.Average)(lambda layer, parts: added(parts, [1.0 / len(parts)] * len(parts)))
rule(L.Multiply)(lambda layer, parts: multiplied(parts))
rule(L.Maximum)(lambda layer, parts: extreme(parts, 1.0))
rule(L.Minimum)(lambda layer, parts: extreme(parts, -1.0))
rule(L.Concatenate)(lambda layer, parts: concatenated(parts, layer.axis))


def _both(*values):
    """The `Moments` of two arguments. One may be a number or an array."""
    return [
        x if isinstance(x, Moments) else Moments(ops.cast(x, "float32")) for x in values
    ]


operation("Add")(lambda given, a, b: added(_both(a, b)))
operation("Subtract")(lambda given, a, b: added(_both(a, b), [1.0, -1.0]))
operation("Multiply")(lambda given, a, b: multiplied(_both(a, b)))
operation("Maximum")(lambda given, a, b: extreme(_both(a, b), 1.0))
operation("Minimum")(lambda given, a, b: extreme(_both(a, b), -1.0))
operation("Negative")(lambda given, x: scaled(x, -1.0))
operation("Concatenate")(lambda given, parts: concatenated(parts, given.axis))


@operation("Divide", "TrueDivide")
def _divided(given, a, b):
    if isinstance(b, Moments) and not b.is_certain:
        raise rules.unknown(given, "what it divides by has noise")
    (by,) = _both(b)
    return multiplied([a, Moments(1.0 / by.floats().mean)])
