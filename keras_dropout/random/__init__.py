"""The one place that draws random numbers.

Layers ask for a *key* (the next state of their seed generator) and then for a
keep mask, uniforms or normals from it. Which generator makes the bits is the
business of one file a backend, and how a rate is met exactly that of
[thresholds][keras_dropout.random.thresholds]. While Monte Carlo samples are drawn, the
[sampling context][keras_dropout.random.context] of the calling thread may join
the samples by a scheme; the layers do not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _constants
from keras_dropout._typing import Shape, Tensor
from keras_dropout.random import context, exports, masking, schemes
from keras_dropout.random.backends import backend as _backend
from keras_dropout.random.context import sample_index
from keras_dropout.random.masking import attend, select

# A logit whose sigmoid is 1, and whose gradient is 0, at any temperature.
_CERTAIN = 1e30
# Only on PyTorch the host follows the states of generators.
_new_generator = getattr(_backend, "new_generator", keras.random.SeedGenerator)


def new_generator(seed: int | None = None) -> keras.random.SeedGenerator:
    """A seed generator whose first state need not be read from a device.

    Args:
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
    """
    return _new_generator(seed)


def next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """Returns the next key of `generator` and advances it.

    A key is the pair (seed, counter) of the generator's state, with the replica
    of a TensorFlow distribution strategy or the rank of `torch.distributed`
    mixed into it, so that replicas draw different noise from one state. A part of a
    forward pass that is run again gets the keys of its first run.

    Raises:
        ValueError: A model is exported to a format that has no random state.
    """
    if _backend.may_export():
        exports.require_state()
    return _backend.once(generator, lambda: _backend.next_key(generator))


def next_state(
    generator: keras.random.SeedGenerator, draw: Callable[[], Tensor]
) -> Tensor:
    """What `draw()` takes from a generator, another state in each step of a loop.

    Args:
        generator: The seed generator that `draw` advances.
        draw: Function that returns its next state.
    """
    return _backend.next_state(generator, draw)


def is_exported_without_state() -> bool:
    """Whether this call is part of an export to a format without random state."""
    return _backend.may_export() and exports.format_now() is not None


def keys(seeds: np.ndarray) -> Tensor:
    """Rows of an integer array as the states that seed generators start from.

    Args:
        seeds: Array `(generators, 2)` of 31-bit integers.
    """
    return _backend.keys(seeds)


def once(owner: object, draw: Callable[[], Any]) -> Any:
    """What `draw()` gives, or what it gave where a forward pass is run again.

    Args:
        owner: Whose state it reads, an object that can be hashed.
        draw: Function that reads the state, and may advance it.
    """
    return _backend.once(owner, draw)


def plain(number: Tensor) -> Tensor:
    """A scalar as a Python float where that is faster and known, else as it is."""
    return _backend.plain(number)


def at_hand(number: Tensor) -> float | None:
    """A scalar as a Python float if the host need not wait for it, else `None`."""
    return _backend.at_hand(number)


def note(variable: keras.Variable, number: float) -> None:
    """Notes the number that a scalar variable was given, so that `plain` knows it.

    Args:
        variable: A Keras variable.
        number: Float, what it holds once it is rounded to float32.
    """
    _backend.note(variable, number)


def keep_probability(rate: Tensor) -> Tensor:
    """The probability with which masks of this `rate` keep a unit: `1 - rate`.

    Args:
        rate: Float or tensor in `[0, 1]`.
    """
    rate = plain(rate)
    if isinstance(rate, (int, float)):
        return 1.0 - rate
    return 1.0 - ops.cast(rate, "float32")


def keep_mask(
    shape: Shape, rate: Tensor, key: Tensor, *, per_row: bool = True
) -> Tensor:
    """Draws a Boolean mask that is true, that is *kept*, with probability 1 - rate.

    Args:
        shape: Shape of the mask. Its first axis counts rows unless `per_row` is
            false; a first axis of 1 means one mask for all rows.
        rate: Float or tensor in `[0, 1]`, the probability of dropping. A tensor that
            is no scalar holds a rate a place, and broadcasts to the shape of the mask.
            No gradient goes through it.
        key: A key of `next_key`.
        per_row: False for masks of weights, which have no row axis.
    """
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.keep_mask(shape, rate, key)
    return schemes.keep_mask(arrangement, _backend, shape, rate, key, per_row)


def loops_wait() -> bool:
    """Whether a device that is no CPU waits for the host in each pass of a loop."""
    return _backend.loops_wait()


def relaxed_keep_mask(
    shape: Shape, rate: Tensor, key: Tensor, temperature: float, *, per_row: bool = True
) -> Tensor:
    r"""Draws a float32 mask between 0 and 1 that is differentiable in the rate.

    It is the Concrete relaxation of a keep mask: with $u$ uniform on (0, 1)

    $$m = 1 - \sigma\left(\frac{\operatorname{logit} p + \operatorname{logit} u}{t}
    \right)$$

    which tends to the keep mask of the rate $p$ as the temperature $t$ tends to 0. Its
    mean is $1 - p$ in this limit and at $p = 1/2$ only.

    Args:
        shape: Shape of the mask, as in `keep_mask`.
        rate: Float or tensor in `[0, 1]` that broadcasts to the shape of the mask. At
            0 all is kept, at 1 all is dropped, and neither has a gradient.
        key: A key of `next_key`.
        temperature: Positive float or tensor.
        per_row: False for masks of weights, which have no row axis.

    Source: Gal, Hron, Kendall, 2017, [Concrete
    dropout](https://arxiv.org/abs/1705.07832).
    """
    u = schemes.inside(uniform(shape, key, per_row=per_row))
    rate = ops.cast(rate, "float32")
    # Where a rate is certain its logit is infinite, and the gradient no number.
    p = _constants.within(rate, 1e-30, 1.0 - 2.0**-24)
    logit = ops.log(p) - ops.log1p(-p)
    sure = _constants.like(logit, _CERTAIN)
    logit = ops.where(rate <= 0, -sure, ops.where(rate >= 1, sure, logit))
    # One logarithm for each place, since 1 - u is exact.
    return ops.sigmoid((ops.log((1.0 - u) / u) - logit) / temperature)


def uniform(shape: Shape, key: Tensor, *, per_row: bool = True) -> Tensor:
    """Draws float32 numbers uniform on [0, 1)."""
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.uniform(shape, key)
    return schemes.uniform(arrangement, _backend, shape, key, per_row)


def normal(
    shape: Shape,
    key: Tensor,
    *,
    mean: Tensor = None,
    stddev: Tensor = 1.0,
    per_row: bool = True,
) -> Tensor:
    """Draws float32 normal numbers; the mean is 0 unless it is given."""
    arrangement = context.arrangement()
    if arrangement is None:
        return _backend.normal(shape, key, mean, stddev)
    numbers = stddev * schemes.normal(arrangement, _backend, shape, key, per_row)
    return numbers if mean is None else mean + numbers


def drop(
    x: Tensor, shape: Shape, rate: Tensor, key: Tensor, scale: Tensor = None
) -> Tensor:
    """`select` by a `keep_mask` of that shape, at once where the backend can.

    Args:
        x: A float tensor.
        shape: Shape of the mask, which broadcasts to that of `x`.
        rate: Float or scalar tensor in `[0, 1]`, the probability of dropping.
        key: A key of `next_key`.
        scale: Float or scalar tensor, the factor of what is kept, or `None` for 1.
    """
    dropped = masking.drop(x, shape, rate, key, scale)
    if dropped is not None:
        return dropped
    return select(keep_mask(shape, rate, key), x, scale)


__all__ = [
    "attend",
    "drop",
    "keep_mask",
    "keep_probability",
    "new_generator",
    "next_key",
    "normal",
    "once",
    "plain",
    "relaxed_keep_mask",
    "sample_index",
    "select",
    "uniform",
]


def __dir__() -> list[str]:
    return __all__
