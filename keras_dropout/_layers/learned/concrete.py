"""Dropout whose rate is learned, by the Concrete relaxation of its masks."""

from __future__ import annotations

from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import concrete
from keras_dropout._layers._base.learned import LOGIT, Learned
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions
from keras_dropout._layers._base.penalties import Penalty
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._layers.learned import _kernels
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor
from keras_dropout.schedules import Schedule


@registered
class ConcreteDropout(NoiseWrapper):
    r"""Drops inputs of the wrapped layer at a learned rate.

    In training, with $u \sim \mathrm{U}(0, 1)$ for every input feature, or every input
    channel of a convolution, and the temperature $t$,

    $$m = 1 - \sigma\!\left(\frac{1}{t} \left(\log\frac{p}{1 - p} + \log\frac{u}{1 - u}
    \right)\right), \qquad y = f\!\left(\frac{m}{1 - p} \odot x\right),$$

    where $\log(p / (1 - p))$ is a trainable weight of the layer. Gradients of the loss
    reach it through $m$, and through the penalty for $K$ features and the kernel $W$

    $$\lambda_W \frac{\lVert W \rVert^2}{1 - p} - \lambda_p K H(p), \qquad
    H(p) = -p \log p - (1 - p) \log(1 - p),$$

    which is often negative. With little data or a large $\lambda_p$ the rate moves
    towards 1/2, with much data towards 0. [keras_dropout.losses.kl_weights][] gives
    both strengths for a loss and a number of examples. At inference the output is that
    of the wrapped layer, bit for bit. The penalty is a regularizer of the weight of the
    rate. It counts once, even if the layer is called several times, and not while that
    weight is frozen. It is computed in float32 under every dtype policy.

    Differences from the paper's code: $t = 0.1$ for convolutions too, where the code
    uses $t = 2/3$, which makes activations 5 % too small and the noise 40 % too weak at
    $p = 0.1$; $K$ counts the channels of a convolution, not its positions; biases have
    no penalty.

    Args:
        layer: A Keras layer with a kernel: `Dense`, `EinsumDense`, a convolution (also
            depthwise or transposed), or `Embedding`, where whole tokens are dropped.
            Its kernel must have no regularizer.
        rate: Float in `(0, 1)`, the initial rate $p$. The attribute is the learned
            rate, and can be assigned.
        weight_regularizer: Float of at least 0, the strength $\lambda_W$, or a
            schedule. Live.
        dropout_regularizer: Float of at least 0, the strength $\lambda_p$, or a
            schedule. Live.
        temperature: Float above 0, the temperature $t$.
        hard: Boolean. If true, Monte Carlo samples have Bernoulli masks of the learned
            rate, so their mean is exact. Training always uses relaxed masks.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not one of these, or an argument has the wrong type.
        ValueError: An argument is out of its range, or the kernel has a regularizer.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers, losses
        >>> strengths = losses.kl_weights(500, loss="mse", precision=1.0)
        >>> layer = layers.ConcreteDropout(keras.layers.Dense(8), 0.1, **strengths)
        >>> layer(keras.Input((4,))).shape
        (None, 8)
        >>> round(layer.rate, 3), len(layer.losses)
        (0.1, 1)

    References:
        - Gal, Hron and Kendall, 2017, [Concrete
          Dropout](https://arxiv.org/abs/1705.07832)
    """

    rate: Live = Live(
        _validation.probability,
        "The learned probability of dropping, a live float.",
    )
    weight_regularizer: Live = Live(
        _validation.weight, "The strength of the penalty of the kernel, live.", None
    )
    dropout_regularizer: Live = Live(
        _validation.weight, "The strength of the pull towards 1/2, live.", None
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.1,
        *,
        weight_regularizer: float | Schedule = 1e-6,
        dropout_regularizer: float | Schedule = 1e-5,
        temperature: float = 0.1,
        hard: bool = False,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        _kernels.require_known(layer)
        _kernels.require_unregularized(layer, "weight_regularizer")
        super().__init__(layer, seed=seed, **kwargs)
        self.weight_regularizer = weight_regularizer
        self.dropout_regularizer = dropout_regularizer
        self.temperature: float = _validation.positive("temperature", temperature)
        self.hard: bool = _validation.boolean("hard", hard)
        self.rate = Learned(rate, LOGIT)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.features: int = _kernels.count(self.layer, input_shape)
        self.source("rate").build(regularizer=Penalty(self.penalty))

    def penalty(self, logit: Tensor) -> Tensor:
        """The penalty of the rate and the kernel, a float32 scalar."""
        kernel = _kernels.kernel(self.layer)
        return concrete.penalty(
            logit,
            self.features,
            None if kernel is None else concrete.squares_of(kernel),
            self.current("weight_regularizer"),
            self.current("dropout_regularizer"),
        )

    def perturb_call(self, x: Tensor, training: bool | None, **kwargs: Any) -> Tensor:
        if _kernels.is_embedding(self.layer):
            keep, scale = self._mask(ops.shape(x), training)
            return concrete.masked(keep, self.layer(x, **kwargs), scale)
        self.check_floats(x)
        x = ops.cast(x, self.layer.compute_dtype)
        keep, scale = self._mask(ops.shape(x), training)
        return self.layer(concrete.masked(keep, x, scale), **kwargs)

    def _mask(self, shape, training):
        """The mask for an input of this shape, and the factor for what is kept."""
        shape = _kernels.mask_shape(self.layer, shape)
        rate = self.current("rate")
        if self.hard and not training:
            keep = random.keep_mask(shape, rate, self.key())
        else:
            keep = random.relaxed_keep_mask(shape, rate, self.key(), self.temperature)
        return keep, concrete.inverse_keep(self.source("rate").raw())

    def get_config(self) -> Config:
        own = {"temperature": self.temperature, "hard": self.hard}
        return {**super().get_config(), **own}
