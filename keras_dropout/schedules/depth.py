"""Rates that grow with the depth of a layer."""

from __future__ import annotations

from typing import Literal

from keras_dropout import _validation


def linear_decay_rates(
    rate: float,
    depth: int,
    rule: Literal["paper", "linspace", "efficientnet"] = "paper",
) -> list[float]:
    r"""Rates for the blocks of a deep model, growing with depth.

    For block $l = 1, \dots, L$, by rule,

    $$\text{paper: } r \frac{l}{L}, \qquad \text{linspace: } r \frac{l - 1}{L - 1},
    \qquad \text{efficientnet: } r \frac{l - 1}{L}.$$

    The second is used in timm, the third in `keras.applications`. The third never
    reaches the full rate.

    Args:
        rate: Float in `[0, 1]`, the rate $r$ at the full depth.
        depth: Integer of at least 1, the number $L$ of blocks.
        rule: `"paper"`, `"linspace"` or `"efficientnet"`.

    Returns:
        A list of `depth` floats.

    Raises:
        TypeError: `rate` is not a number, or `depth` is not an integer.
        ValueError: `rate` lies outside `[0, 1]`, `depth` is below 1, `rule` unknown.

    Examples:
        >>> from keras_dropout import schedules
        >>> schedules.linear_decay_rates(0.5, 4)
        [0.125, 0.25, 0.375, 0.5]
        >>> rates = schedules.linear_decay_rates(0.5, 4)
        >>> ramps = [schedules.Linear(0.0, rate, steps=1000) for rate in rates]

    References:
        - Huang et al., 2016, [Deep Networks with Stochastic
          Depth](https://arxiv.org/abs/1603.09382)
        - Zoph et al., 2018, [Learning Transferable Architectures for Scalable Image
          Recognition](https://arxiv.org/abs/1707.07012), for the ramps
    """
    rate = _validation.probability("rate", rate)
    depth = _validation.integer("depth", depth, minimum=1)
    rules = {
        "paper": (1, depth),
        "linspace": (0, max(depth - 1, 1)),
        "efficientnet": (0, depth),
    }
    first, whole = rules[_validation.choice("rule", rule, tuple(rules))]
    return [rate * ((block + first) / whole) for block in range(depth)]
