"""Standard dropout, and the same layer in its Monte Carlo dress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

import keras
from keras import ops

from keras_dropout import _validation
from keras_dropout._layers._base import shapes
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout._layers._base.options import LayerOptions, Rate, ScaledOptions
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


@registered
class Dropout(BernoulliLayer):
    r"""Drops single units.

    In training, with $m_i \sim \mathrm{Bernoulli}(1 - p)$,

    $$y_i = \frac{m_i}{1 - p}\, x_i, \qquad
    \mathrm{E}[y_i] = x_i, \qquad \mathrm{Var}[y_i] = x_i^2 \frac{p}{1 - p},$$

    and at inference $y = x$. With `scaling="inference"`, the original form,
    $y_i = m_i x_i$ in training and $y = (1 - p)\, x$ at inference.

    Args:
        rate: Float in `[0, 1]`, the probability $p$ of dropping, or a schedule. Live:
            assigning `layer.rate` acts from the next step on.
        noise_shape: Tuple with an entry for each axis of the input. `None` or the size
            of the axis gives each position its own mask. With 1 all positions along the
            axis share one mask.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        scaling: `"train"` scales by `1 / (1 - rate)` in training, `"inference"` by `1 -
            rate` at inference.
        monte_carlo: Boolean. If true, units are dropped at inference too.
        **kwargs: `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, or is so close to 1 that `1 / (1 -
            rate)` overflows the layer's dtype; or `noise_shape` does not fit.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.Dropout(0.5, seed=0)(ops.ones((64, 8)), training=True)
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [0.0, 2.0]

    References:
        - Srivastava et al., 2014, [Dropout: A Simple Way to Prevent Neural Networks
          from Overfitting](https://jmlr.org/papers/v15/srivastava14a.html)
        - Hinton et al., 2012, [Improving neural networks by preventing co-adaptation
          of feature detectors](https://arxiv.org/abs/1207.0580)
    """

    def __init__(
        self,
        rate: Rate,
        noise_shape: Sequence[int | None] | None = None,
        seed: Seed = None,
        scaling: Literal["train", "inference"] = "train",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.noise_shape: Shape | None = _validation.noise_shape(noise_shape)
        self.scaling: Literal["train", "inference"] = _validation.choice(
            "scaling", scaling, ("train", "inference")
        )

    def mask_shape(self, shape: Shape) -> Shape:
        return shapes.resolve(self.noise_shape, shape)

    def factor(self, rate: Tensor) -> Tensor | None:
        return super().factor(rate) if self.scaling == "train" else None

    def infer(self, x: Tensor) -> Tensor:
        if self.scaling == "train":
            return x
        return x * ops.cast(1.0 - self.current("rate"), x.dtype)

    def without_noise(self) -> keras.layers.Layer | None:
        return None if self.scaling == "train" else self

    def get_config(self) -> Config:
        own = {"noise_shape": self.noise_shape, "scaling": self.scaling}
        return {**super().get_config(), **own}


@registered
class MCDropout(Dropout):
    r"""Drops single units, in training and at inference: Monte Carlo dropout.

    It is `Dropout(..., monte_carlo=True)`. Each call of the model is one sample of its
    predictive distribution. [keras_dropout.mc_predict][] samples any model, with or
    without such layers, and is faster than calling a model in a loop.

    Args:
        rate: Float in `[0, 1]`, the probability of dropping, or a schedule.
        noise_shape: As in `Dropout`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `scaling`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1]`, `noise_shape` does not fit.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import layers
        >>> layer = layers.MCDropout(0.5, seed=0)
        >>> x = np.ones((64, 8), "float32")
        >>> bool(np.array_equal(layer(x, training=False), layer(x, training=False)))
        False

    References:
        - Gal and Ghahramani, 2016, [Dropout as a Bayesian
          Approximation](https://arxiv.org/abs/1506.02142)
    """

    def __init__(
        self,
        rate: Rate,
        noise_shape: Sequence[int | None] | None = None,
        seed: Seed = None,
        **kwargs: Unpack[ScaledOptions],
    ) -> None:
        kwargs.setdefault("monte_carlo", True)
        super().__init__(rate, noise_shape=noise_shape, seed=seed, **kwargs)
