"""The schedules of the papers that propose to change the rate in training."""

from __future__ import annotations

from typing import Literal

from keras import ops

from keras_dropout import _constants, _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Tensor
from keras_dropout.schedules.base import Schedule, as_float, fraction


@registered
class Early(Schedule):
    r"""Dropout in the first steps only, against underfitting.

    $$r(t) = r \left(1 - \frac{t}{N - 1}\right) \text{ or } r(t) = r
    \quad\text{for } t < N, \qquad r(t) = 0 \quad\text{from then on}$$

    The first is `decay="linear"`, which the paper prefers. It reaches 0 at the last of
    the $N$ steps, as in the authors' code.

    Args:
        rate: Float in `[0, 1]`, the rate $r$ at the start.
        steps: Integer of at least 1, the number $N$ of steps with dropout. The paper
            takes the first 50 of 300 epochs.
        decay: `"linear"` or `"constant"`.

    Raises:
        TypeError: `rate` is not a number, or `steps` is not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `steps` is below 1, `decay` unknown.

    Examples:
        >>> from keras_dropout import schedules
        >>> early = schedules.Early(0.5, steps=5)
        >>> [early.value(step) for step in range(7)]
        [0.5, 0.375, 0.25, 0.125, 0.0, 0.0, 0.0]

    References:
        - Liu et al., 2023, [Dropout Reduces
          Underfitting](https://arxiv.org/abs/2303.01500)
    """

    def __init__(
        self, rate: float, steps: int, decay: Literal["linear", "constant"] = "linear"
    ) -> None:
        self.rate: float = _validation.probability("rate", rate)
        self.steps: int = _validation.integer("steps", steps, minimum=1)
        self.decay: Literal["linear", "constant"] = _validation.choice(
            "decay", decay, ("linear", "constant")
        )

    def __call__(self, step: Tensor) -> Tensor:
        rate = _constants.like(as_float(step), self.rate)
        if self.decay == "linear":
            rate = self.rate * (1.0 - fraction(step, max(self.steps - 1, 1)))
        return ops.where(
            ops.convert_to_tensor(step) < self.steps, rate, ops.zeros_like(rate)
        )

    def extremes(self) -> tuple[float, ...]:
        return (0.0, self.rate)

    def get_config(self) -> Config:
        return {"rate": self.rate, "steps": self.steps, "decay": self.decay}


@registered
class Late(Schedule):
    r"""Dropout only after the first steps, against overfitting.

    $$r(t) = 0 \quad\text{for } t < N, \qquad r(t) = r \quad\text{from then on}$$

    Args:
        rate: Float in `[0, 1]`, the rate $r$.
        steps: Integer of at least 1, the number $N$ of steps without dropout. The
            paper takes the first 50 of 300 epochs.

    Raises:
        TypeError: `rate` is not a number, or `steps` is not an integer.
        ValueError: `rate` lies outside `[0, 1]`, or `steps` is below 1.

    Examples:
        >>> from keras_dropout import schedules
        >>> late = schedules.Late(0.5, steps=2)
        >>> [late.value(step) for step in range(4)]
        [0.0, 0.0, 0.5, 0.5]

    References:
        - Liu et al., 2023, [Dropout Reduces
          Underfitting](https://arxiv.org/abs/2303.01500)
    """

    def __init__(self, rate: float, steps: int) -> None:
        self.rate: float = _validation.probability("rate", rate)
        self.steps: int = _validation.integer("steps", steps, minimum=1)

    def __call__(self, step: Tensor) -> Tensor:
        rate = _constants.like(as_float(step), self.rate)
        return ops.where(
            ops.convert_to_tensor(step) < self.steps, ops.zeros_like(rate), rate
        )

    def extremes(self) -> tuple[float, ...]:
        return (0.0, self.rate)

    def get_config(self) -> Config:
        return {"rate": self.rate, "steps": self.steps}


@registered
class Curriculum(Schedule):
    r"""Curriculum dropout: rises from 0 to a rate, fast at first and then slowly.

    $$r(t) = r \left(1 - e^{-\gamma t / N}\right)$$

    The paper writes the probability of keeping, $(1 - k)\, e^{-\gamma' t} + k$ with
    $k = 1 - r$, and suggests $\gamma' = 10 / N$.

    Args:
        rate: Float in `[0, 1]`, the rate $r$ at the end of a long training.
        steps: Integer of at least 1, the number $N$ of steps in the whole training.
        gamma: Float above 0. At the end the distance from `rate` is
            $r\, e^{-\gamma}$.

    Raises:
        TypeError: `rate` or `gamma` is not a number, or `steps` is not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `steps` is below 1, or `gamma` not
            above 0.

    Examples:
        >>> from keras_dropout import schedules
        >>> curriculum = schedules.Curriculum(0.5, steps=100)
        >>> [round(curriculum.value(step), 4) for step in (0, 10, 50, 100)]
        [0.0, 0.3161, 0.4966, 0.5]

    References:
        - Morerio et al., 2017, [Curriculum
          Dropout](https://arxiv.org/abs/1703.06229)
    """

    def __init__(self, rate: float, steps: int, gamma: float = 10.0) -> None:
        self.rate: float = _validation.probability("rate", rate)
        self.steps: int = _validation.integer("steps", steps, minimum=1)
        self.gamma: float = _validation.positive("gamma", gamma)

    def __call__(self, step: Tensor) -> Tensor:
        return -self.rate * ops.expm1(as_float(step) * (-self.gamma / self.steps))

    def extremes(self) -> tuple[float, ...]:
        return (0.0, self.rate)

    def get_config(self) -> Config:
        return {"rate": self.rate, "steps": self.steps, "gamma": self.gamma}
