"""Schedules that keep a rate, or change it to another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras import ops

from keras_dropout import _constants, _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Tensor
from keras_dropout._validation import invalid
from keras_dropout.schedules.base import Schedule, as_float, between, fraction


@registered
class Constant(Schedule):
    r"""One rate at all steps.

    $$r(t) = r$$

    Args:
        rate: Float in `[0, 1]`.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`.

    Examples:
        >>> from keras_dropout import schedules
        >>> schedules.Constant(0.5).value(1000)
        0.5
    """

    def __init__(self, rate: float) -> None:
        self.rate: float = _validation.probability("rate", rate)

    def __call__(self, step: Tensor) -> Tensor:
        return _constants.like(as_float(step), self.rate)

    def extremes(self) -> tuple[float, ...]:
        return (self.rate,)

    def get_config(self) -> Config:
        return {"rate": self.rate}


class _Ramp(Schedule):
    """Base of the schedules that lead from one rate to another."""

    def __init__(self, start: float, end: float, steps: int, begin: int = 0) -> None:
        self.start: float = _validation.probability("start", start)
        self.end: float = _validation.probability("end", end)
        self.steps: int = _validation.integer("steps", steps, minimum=1)
        self.begin: int = _validation.integer("begin", begin, minimum=0)

    def shape(self, progress: Tensor) -> Tensor:
        """From 0 to 1 as `progress` goes from 0 to 1."""
        raise NotImplementedError

    def __call__(self, step: Tensor) -> Tensor:
        progress = fraction(step, self.steps, self.begin)
        return between(self.start, self.end, self.shape(progress))

    def extremes(self) -> tuple[float, ...]:
        return (self.start, self.end)

    def get_config(self) -> Config:
        names = ("start", "end", "steps", "begin")
        return {name: getattr(self, name) for name in names}


@registered
class Linear(_Ramp):
    r"""From one rate to another in a straight line.

    With $f = \min(\max((t - t_0) / N, 0), 1)$,

    $$r(t) = (1 - f)\, r_0 + f\, r_1.$$

    Down to 0 it is annealed dropout. Up from 0, with the rates of
    [keras_dropout.schedules.linear_decay_rates][] as the ends, it is ScheduledDropPath.

    Args:
        start: Float in `[0, 1]`, the rate $r_0$ until step $t_0$.
        end: Float in `[0, 1]`, the rate $r_1$ from step $t_0 + N$ on.
        steps: Integer of at least 1, the number $N$ of steps from one to the other.
        begin: Integer of at least 0, the step $t_0$.

    Raises:
        TypeError: A rate is not a number, or a number of steps no integer.
        ValueError: A rate lies outside `[0, 1]`, or a number of steps is too small.

    Examples:
        >>> from keras_dropout import schedules
        >>> ramp = schedules.Linear(0.0, 0.5, steps=4)
        >>> [ramp.value(step) for step in range(6)]
        [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]

    References:
        - Rennie et al., 2014, [Annealed Dropout Training of Deep
          Networks](https://doi.org/10.1109/SLT.2014.7078567)
        - Zoph et al., 2018, [Learning Transferable Architectures for Scalable Image
          Recognition](https://arxiv.org/abs/1707.07012)
    """

    def shape(self, progress: Tensor) -> Tensor:
        return progress


@registered
class Cosine(_Ramp):
    r"""From one rate to another along half a wave of the cosine.

    With $f = \min(\max((t - t_0) / N, 0), 1)$ and $w = (1 - \cos \pi f) / 2$,

    $$r(t) = (1 - w)\, r_0 + w\, r_1.$$

    Args:
        start: Float in `[0, 1]`, the rate $r_0$ until step $t_0$.
        end: Float in `[0, 1]`, the rate $r_1$ from step $t_0 + N$ on.
        steps: Integer of at least 1, the number $N$ of steps from one to the other.
        begin: Integer of at least 0, the step $t_0$.

    Raises:
        TypeError: A rate is not a number, or a number of steps no integer.
        ValueError: A rate lies outside `[0, 1]`, or a number of steps is too small.

    Examples:
        >>> from keras_dropout import schedules
        >>> wave = schedules.Cosine(0.5, 0.0, steps=4)
        >>> [round(wave.value(step), 4) for step in range(6)]
        [0.5, 0.4268, 0.25, 0.0732, 0.0, 0.0]
    """

    def shape(self, progress: Tensor) -> Tensor:
        return (1.0 - ops.cos(math.pi * progress)) / 2.0


@registered
class Piecewise(Schedule):
    r"""One rate after another.

    $$r(t) = r_i \quad\text{for}\quad b_i \le t < b_{i + 1}, \qquad b_0 = 0$$

    Args:
        boundaries: The steps $b_1 < b_2 < \dots$, integers of at least 1, at which
            the next rate begins.
        rates: The rates $r_0, r_1, \dots$, floats in `[0, 1]`, one more than there
            are boundaries.

    Raises:
        TypeError: A rate is not a number, or a boundary no integer.
        ValueError: A rate lies outside `[0, 1]`, the boundaries do not increase, or
            the number of rates does not fit.

    Examples:
        >>> from keras_dropout import schedules
        >>> stairs = schedules.Piecewise([2, 3], [0.5, 0.25, 0.0])
        >>> [stairs.value(step) for step in range(5)]
        [0.5, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, boundaries: Sequence[int], rates: Sequence[float]) -> None:
        for name, given in (("boundaries", boundaries), ("rates", rates)):
            if not isinstance(given, (list, tuple)):
                raise TypeError(invalid(name, "a list or tuple", given))
        self.boundaries: list[int] = [
            _validation.integer("boundaries", each, minimum=1) for each in boundaries
        ]
        self.rates: list[float] = [
            _validation.probability("rates", each) for each in rates
        ]
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(invalid("boundaries", "increasing steps", boundaries))
        if len(self.rates) != len(self.boundaries) + 1:
            expected = f"{len(self.boundaries) + 1} rates, one more than boundaries"
            raise ValueError(invalid("rates", expected, rates))

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.convert_to_tensor(step)
        rate = _constants.like(as_float(step), self.rates[0])
        for boundary, following in zip(self.boundaries, self.rates[1:], strict=True):
            following = _constants.like(rate, following)
            rate = ops.where(step >= boundary, following, rate)
        return rate

    def extremes(self) -> tuple[float, ...]:
        return (min(self.rates), max(self.rates))

    def get_config(self) -> Config:
        return {"boundaries": self.boundaries, "rates": self.rates}
