"""UOut: uniform noise in proportion to each unit."""

from __future__ import annotations

from typing import Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Seed, Tensor


@registered
class UOut(NoiseLayer):
    r"""Multiplies by uniform noise around 1.

    In training, with $r_i \sim \mathrm{U}(-\beta, \beta)$,

    $$y_i = x_i (1 + r_i), \qquad \mathrm{E}[y_i] = x_i, \qquad
    \mathrm{Var}[y_i] = x_i^2 \frac{\beta^2}{3},$$

    and at inference $y = x$. The paper puts it before batch normalisation. There
    dropout changes the variance between training and inference, and this noise hardly
    does.

    Args:
        beta: Float of at least 0, the half width $\beta$ of the noise, or a schedule.
            Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `beta` is not a number.
        ValueError: `beta` is negative, or more than a tenth of the largest number of
            the layer's dtype.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.UOut(0.25, seed=0)(ops.ones((500, 8)), training=True)
        >>> bool(ops.all((y >= 0.75) & (y <= 1.25)))
        True

    References:
        - Li et al., 2019, [Understanding the Disharmony between Dropout and Batch
          Normalization by Variance Shift](https://arxiv.org/abs/1801.05134)
    """

    beta: Live = Live(
        _validation.strength,
        "The half width of the noise, a live float.",
        formulas.is_lost,
    )

    def __init__(
        self, beta: Rate = 0.1, seed: Seed = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.beta = beta

    def perturb(self, x: Tensor) -> Tensor:
        noise = 2.0 * random.uniform(ops.shape(x), self.key()) - 1.0
        return x * ops.cast(1.0 + self.current("beta") * noise, x.dtype)
