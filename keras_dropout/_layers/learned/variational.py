"""Gaussian dropout whose strength is learned."""

from __future__ import annotations

import math
from typing import Literal, Unpack

from keras import ops

from keras_dropout import _constants, _validation, random
from keras_dropout._layers._base.learned import LOGIT, Learned, Link
from keras_dropout._layers._base.live import Live, LiveEach
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.penalties import Limit, Penalty
from keras_dropout._layers.learned import _divergence
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor
from keras_dropout._validation import invalid


@registered
class VariationalDropout(NoiseLayer):
    r"""Multiplies by Gaussian noise of a learned strength.

    In training, with $\epsilon_i \sim \mathcal{N}(0, 1)$ for every number of the input,

    $$y_i = x_i \left(1 + \sqrt{\alpha}\, \epsilon_i\right), \qquad
    \alpha = \frac{p}{1 - p} \le \alpha_{\max},$$

    where $\log \alpha$ is a trainable weight, one for the layer or one for each unit of
    the last axis, and at inference $y = x$. The loss gains $\lambda \sum
    \mathrm{KL}(\alpha)$ over the units, the divergence of the noise from a log-uniform
    prior, which pulls $\alpha$ up. [keras_dropout.losses.kl_weights][] gives $\lambda$
    as its `"dropout_regularizer"`. It is type A of the paper: noise on the inputs of
    the next layer, which all weights of a unit share. The penalty is a regularizer of
    the weight. It counts once, even if the layer is called several times, and is
    computed in float32 under every dtype policy. The prior is improper, so the result
    is a regularizer and not a posterior (Hron et al., 2018).

    Differences from the paper: the divergence is the approximation of Molchanov et al.
    (2017), which is off by at most 0.0094, while the paper's polynomial fits only the
    derivative, and its constant varies by 0.035; a projection after each step keeps
    $\alpha$ below its limit, so it can fall again.

    Args:
        rate: Float in `(0, 1)`, the initial $p = \alpha / (1 + \alpha)$, at most 0.5
            with `max_alpha=1.0`. The attribute is the learned rate, and can be
            assigned.
        granularity: `"layer"` for one rate, `"unit"` for one for each unit.
        max_alpha: Float in `(0, 1]`, the largest $\alpha$.
        kl_weight: Float of at least 0, the strength $\lambda$, or a schedule. Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any with a known last axis, of a float dtype. The output has the same.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> layer = layers.VariationalDropout(0.25, granularity="unit", kl_weight=1e-3)
        >>> layer(keras.Input((3,))).shape
        (None, 3)
        >>> [round(float(rate), 3) for rate in layer.rate]
        [0.25, 0.25, 0.25]

    References:
        - Kingma, Salimans and Welling, 2015, [Variational Dropout and the Local
          Reparameterization Trick](https://arxiv.org/abs/1506.02557)
        - Hron, Matthews and Ghahramani, 2018, [Variational Bayesian dropout: pitfalls
          and fixes](https://arxiv.org/abs/1807.01969)
    """

    rate: LiveEach = LiveEach(
        _validation.probability_below_one,
        "The learned rate, alpha / (1 + alpha), a live float or an array.",
    )
    kl_weight: Live = Live(
        _validation.weight, "The strength of the divergence, a live float.", None
    )

    def __init__(
        self,
        rate: float = 0.5,
        *,
        granularity: Literal["layer", "unit"] = "layer",
        max_alpha: float = 1.0,
        kl_weight: Rate = 1.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        choices = ("layer", "unit")
        self.granularity: Literal["layer", "unit"] = _validation.choice(
            "granularity", granularity, choices
        )
        self.max_alpha: float = _validation.positive("max_alpha", max_alpha)
        if self.max_alpha > 1:
            expected = "a float above 0 and at most 1"
            raise ValueError(invalid("max_alpha", expected, max_alpha))
        self.rate = Learned(rate, Link(LOGIT.name, LOGIT.forward, self._log_alpha))
        self.kl_weight = kl_weight

    def _log_alpha(self, rate):
        """Log alpha of a rate; no number for one above the limit."""
        log_alpha, limit = LOGIT.inverse(rate), math.log(self.max_alpha)
        # What float32 rounds up is at the limit.
        return min(log_alpha, limit) if log_alpha <= limit + 1e-6 else math.nan

    def build(self, input_shape: Shape) -> None:
        if not input_shape or input_shape[-1] is None:
            raise ValueError(
                "VariationalDropout needs inputs with a known last axis. Received: "
                f"shape={input_shape} in layer {self.name!r}"
            )
        self.units: int = input_shape[-1]
        shape = (self.units,) if self.granularity == "unit" else ()
        limit = Limit(self._limited)
        self.source("rate").build(shape, Penalty(self.penalty), limit)

    def _limited(self, log_alpha):
        return _constants.at_most(log_alpha, math.log(self.max_alpha))

    def penalty(self, log_alpha: Tensor) -> Tensor:
        """The divergence of all units, times its strength."""
        each = _divergence.from_log_uniform(ops.cast(log_alpha, "float32"))
        total = ops.sum(each)
        if self.granularity == "layer":
            total = total * self.units
        return self.current("kl_weight") * total

    def perturb(self, x: Tensor) -> Tensor:
        stddev = ops.exp(0.5 * self.source("rate").raw())
        noise = random.normal(ops.shape(x), self.key())
        return x * ops.cast(1.0 + stddev * noise, x.dtype)

    def get_config(self) -> Config:
        own = {"granularity": self.granularity, "max_alpha": self.max_alpha}
        return {**super().get_config(), **own}
