"""Stratified masks: which samples drop a unit, as many of them as the rate says.

Stratified uniforms fall below a rate in `floor(rate * samples)` of the samples, or in
one more, and all choices of so many samples are equally likely. So a mask needs no
order of the samples, only such a choice. It is made one sample after the other. Each
drops a unit with the probability wanted / left: how many samples are still to drop it,
of how many that are left.

Source: Fan, Muller and Rezucha, 1962, [Development of Sampling Plans by Using
Sequential (Item by Item) Selection
Techniques](https://doi.org/10.1080/01621459.1962.10480667).
"""

from __future__ import annotations

from keras import ops

from keras_dropout._typing import Tensor

# Numbers are uniform on a grid of 2^-24. Products with halves of their bits are exact.
_HALF = 2**12


def keep_mask(drawn: Tensor, levels: Tensor, samples: int) -> Tensor:
    """Keep masks, sample first.

    Args:
        drawn: Uniforms `(1 + samples, ...)` on a grid of 2^-24.
        levels: A whole number, the rate in units of 2^-24.
        samples: Integer, how many samples there are.
    """
    whole, rest = _shares(ops.cast(levels, "int32"), samples)
    wanted = whole + ops.cast(drawn[0] * 2.0**24 < rest, "float32")

    def choose(wanted, each):
        number, left = each
        # A number below 1 times what is left is below it, rounded too. So none is
        # dropped where nothing is wanted, and all where all are.
        above = number * left - wanted
        return wanted - ops.cast(above < 0, "float32"), above

    left = ops.arange(samples, 0, -1, dtype="float32")
    _, above = ops.scan(choose, wanted, (drawn[1:], left))
    return above >= 0


def _shares(levels, samples):
    """The rate times samples: its whole part, and the rest in units of 2^-24."""
    low = levels % _HALF * samples
    high = levels // _HALF * samples + low // _HALF
    rest = high % _HALF * _HALF + low % _HALF
    return ops.cast(high // _HALF, "float32"), ops.cast(rest, "float32")
