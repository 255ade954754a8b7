"""Noise on the outputs of a layer that a second layer sizes, row by row."""

from __future__ import annotations

from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._layers.learned import _kernels
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor


@registered
class InformationDropout(NoiseWrapper):
    r"""Multiplies the output of a layer by noise that depends on the input.

    A second layer $h$ says how much noise each unit gets for each row. It is of the
    same kind as the wrapped layer $f$, but has a bias and no activation. In training,
    with $\epsilon \sim \mathcal{N}(0, 1)$,

    $$y = f(x)\, e^{\alpha \epsilon - \alpha^2 / 2}, \qquad
    \alpha = \alpha_{\max}\, \sigma(h(x)), \qquad \mathrm{E}[y] = f(x),$$

    and at inference $y = f(x)$. The loss gains $\beta$ times the mean over rows of

    $$\sum_j -\log(\alpha_j / \alpha_{\max}) = \sum_j \log(1 + e^{-h_j(x)}),$$

    the information about the input that the units keep, under a log-uniform prior. So
    information that is useless for the task is replaced by noise. The penalty depends
    on the data, so it is added at each call, and only in training.

    Differences from the authors' code: the term $-\alpha^2 / 2$ keeps the mean, which
    is up to 28 % too large without it; $\alpha$ has no lower limit of 0.001, because
    $\log(1 + e^{-h})$ is finite; $\beta$ is the strength for each row, while the
    authors divide it by the number of rows, so their 3 is 3 / 50,000 here.

    Args:
        layer: A Keras layer with a kernel: `Dense`, `EinsumDense`, `Embedding` or a
            convolution. Its activation is ReLU in the paper. The second layer can be
            trained even if this layer is frozen.
        beta: Float of at least 0, the strength $\beta$, or a schedule. Live.
        max_alpha: Float above 0, the largest standard deviation $\alpha_{\max}$ of the
            logarithm of the noise.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not one of these, or an argument is not a number.
        ValueError: `beta` is negative, or `max_alpha` not above 0.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.InformationDropout(keras.layers.Dense(4, "relu"), beta=1e-3)
        >>> layer(keras.Input((3,))).shape
        (None, 4)
        >>> y = layer(ops.ones((2, 3)), training=True)
        >>> len(layer.losses)
        1

    References:
        - Achille and Soatto, 2018, [Information Dropout: Learning Optimal
          Representations Through Noisy Computation](https://arxiv.org/abs/1611.01353)
    """

    beta: Live = Live(
        _validation.weight, "The strength of the penalty, a live float.", None
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        beta: Rate = 1.0,
        max_alpha: float = 0.7,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        _kernels.require_known(layer)
        super().__init__(layer, seed=seed, **kwargs)
        self.beta = beta
        self.max_alpha: float = _validation.positive("max_alpha", max_alpha)
        config = layer.get_config()
        asked = {"activation": "linear", "use_bias": True}
        config |= {name: asked[name] for name in asked if name in config}
        config |= {"name": f"{layer.name}_noise", "trainable": True}
        self.noise_layer: keras.layers.Layer = type(layer).from_config(config)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if not self.noise_layer.built:
            self.noise_layer.build(input_shape)

    @property
    def adds_losses(self) -> bool:
        return True

    def perturb_call(self, x: Tensor, training: bool | None, **kwargs: Any) -> Tensor:
        logits = ops.cast(self.noise_layer(x), "float32")
        alpha = self.max_alpha * ops.sigmoid(logits)
        noise = random.normal(ops.shape(logits), self.key())
        factor = ops.exp(alpha * noise - 0.5 * ops.square(alpha))
        if training:
            self.add_loss(self._penalty(logits))
        y = self.layer(x, **kwargs)
        return y * ops.cast(factor, y.dtype)

    def _penalty(self, logits):
        divergence = ops.softplus(-logits)
        rows = ops.sum(divergence, axis=tuple(range(1, len(logits.shape))))
        return self.current("beta") * ops.mean(rows)

    def get_config(self) -> Config:
        return {**super().get_config(), "max_alpha": self.max_alpha}
