"""Gaussian noise, multiplied or added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas, shapes
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


@registered
class GaussianDropout(NoiseLayer):
    r"""Multiplies by Gaussian noise with the mean and variance of dropout.

    In training, with $\epsilon_i \sim \mathcal{N}(0, 1)$,

    $$y_i = x_i \left(1 + \sqrt{\tfrac{p}{1 - p}}\, \epsilon_i\right), \qquad
    \mathrm{E}[y_i] = x_i, \qquad \mathrm{Var}[y_i] = x_i^2 \frac{p}{1 - p},$$

    and at inference $y = x$.

    Args:
        rate: Float in `[0, 1)`, the rate $p$ of the dropout with the same variance, or
            a schedule. Live. Keras accepts 1 here and fails when called.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        noise_shape: As in `Dropout`: 1 on the axes that share the noise.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)` in float32, `noise_shape` does not
            fit.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.GaussianDropout(0.2, seed=0)(ops.ones((500, 8)), training=True)
        >>> round(float(ops.std(y)), 1)  # the square root of 0.2 / 0.8
        0.5

    References:
        - Srivastava et al., 2014, section 10, [Dropout: A Simple Way to Prevent Neural
          Networks from Overfitting](https://jmlr.org/papers/v15/srivastava14a.html)
        - Wang and Manning, 2013, [Fast dropout
          training](https://proceedings.mlr.press/v28/wang13a.html)
    """

    rate: Live = Live(
        _validation.probability_below_one,
        "The rate of the dropout whose variance is matched.",
        # Less than one number in 10^14 is further off than eight deviations.
        lambda rate, dtype: formulas.is_lost(8.0 * gaussian_stddev(rate), dtype),
    )

    def __init__(
        self,
        rate: Rate,
        seed: Seed = None,
        noise_shape: Sequence[int | None] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = rate
        self.noise_shape: Shape | None = _validation.noise_shape(noise_shape)

    def perturb(self, x: Tensor) -> Tensor:
        rate = random.plain(self.current("rate"))
        noise_shape = shapes.resolve(self.noise_shape, ops.shape(x))
        stddev = gaussian_stddev(rate)
        factor = random.normal(noise_shape, self.key(), mean=1.0, stddev=stddev)
        return x * ops.cast(factor, x.dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "noise_shape": self.noise_shape}


def gaussian_stddev(rate: Tensor) -> Tensor:
    """The standard deviation of the factor that dropout of this rate has."""
    return (rate / (1.0 - rate)) ** 0.5


@registered
class GaussianNoise(NoiseLayer):
    r"""Adds Gaussian noise.

    In training, with $\epsilon_i \sim \mathcal{N}(0, 1)$, $y_i = x_i + \sigma
    \epsilon_i$; at inference $y = x$.

    Args:
        stddev: Float of at least 0, the standard deviation $\sigma$ of the noise, or a
            schedule. Live. Keras refuses values above 1.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `stddev` is not a number.
        ValueError: `stddev` is negative, or more than a tenth of the largest number
            of the layer's dtype.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.GaussianNoise(2.0, seed=0)(ops.zeros((500, 80)), training=True)
        >>> round(float(ops.std(y)), 1)
        2.0

    References:
        - Bishop, 1995, [Training with Noise is Equivalent to Tikhonov
          Regularization](https://doi.org/10.1162/neco.1995.7.1.108)
    """

    stddev: Live = Live(_validation.strength, "The standard deviation of the noise.")

    def __init__(
        self, stddev: Rate, seed: Seed = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.stddev = stddev

    def perturb(self, x: Tensor) -> Tensor:
        stddev = self.current("stddev")
        noise = random.normal(ops.shape(x), self.key(), stddev=stddev)
        return x + ops.cast(noise, x.dtype)
