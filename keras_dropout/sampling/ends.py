"""Draws at the ends of their ranges, to see whether a noise changes anything.

A layer of a user's own says nowhere how strong its noise is. So it runs with draws at
the lower and at the upper ends of their ranges. If it gives the same as with usual
draws, also on other inputs, its noise has strength 0. Usual draws alone would not tell,
as a rare noise seldom changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Tensor


def change_nothing(run: Callable[..., Any], usual: Any, args: Any, kwargs: Any) -> bool:
    """Whether a layer gives the same for all draws, as far as that can be seen.

    Args:
        run: Function of an end (`None`, "low" or "high"), `args` and `kwargs`, which
            runs the layer with draws at this end and gives a `Run`.
        usual: What it gave on these inputs for usual draws, a `Run`.
        args: The inputs that it got, a structure of tensors.
        kwargs: Its further inputs.
    """
    if _differ(run, usual, args, kwargs):
        return False
    # Zeros times a noise are zeros.
    others = keras.tree.map_structure(_others, (args, kwargs))
    return not _differ(run, run(None, *others), *others)


def drawn(name: str, own: Callable[..., Any], given: Any, end: str) -> Tensor:
    """What a function of `keras.random` gives at the lower or upper end of its range.

    Args:
        name: The name of the function.
        own: The function.
        given: Its bound arguments.
        end: "low" or "high".
    """
    result = own(*given.args, **given.kwargs)
    told, is_high = given.arguments, end == "high"
    if name == "dropout":
        rate = ops.cast(told["rate"], result.dtype)
        return result if is_high else ops.where(rate > 0, 0 * result, result)
    if name == "shuffle":
        return result if is_high else ops.flip(told["x"], told.get("axis", 0))
    return ops.zeros_like(result) + ops.cast(_end(name, told, is_high), result.dtype)


def _end(name, told, is_high):
    if name in ("normal", "truncated_normal"):
        away = 2 * told.get("stddev", 1.0)
        return told.get("mean", 0.0) + (away if is_high else -away)
    if name == "uniform":
        low, high = told.get("minval", 0.0), told.get("maxval", 1.0)
        return low + (high - low) * (1 - 2.0**-20) if is_high else low
    if name == "randint":
        return told["maxval"] - 1 if is_high else told["minval"]
    if name == "categorical":
        return told["logits"].shape[-1] - 1 if is_high else 0
    if name == "binomial":
        return told["counts"] if is_high else 0
    if name == "gamma":
        return 4 * told["alpha"] if is_high else told["alpha"] / 4
    # Beta, which is between 0 and 1.
    return 0.75 if is_high else 0.25


def _differ(run, usual, args, kwargs):
    for end in ("low", "high"):
        at_end = run(end, args, kwargs)
        # Draws that are not Keras's cannot be put to an end.
        if at_end.takes_seeds or not _same(usual.outputs, at_end.outputs):
            return True
    return False


def _same(one, two):
    """Whether two answers are equal to the bit; no where one failed or is traced."""
    if one is None or two is None:
        return False
    try:
        pairs = [
            tuple(map(ops.convert_to_numpy, pair))
            for pair in zip(*map(keras.tree.flatten, (one, two)), strict=True)
        ]
    except Exception:
        return False
    # The bytes of NaN are equal, too.
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def _others(x):
    """Other numbers in the place of floats."""
    if not ops.is_tensor(x) or not keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(x.dtype)
    ):
        return x
    numbers = np.random.default_rng(0).normal(size=tuple(x.shape))
    return ops.cast(ops.convert_to_tensor(numbers, "float32"), x.dtype)
