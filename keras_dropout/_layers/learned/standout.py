"""Dropout whose rate for each unit is a function of the unit's own input."""

from __future__ import annotations

from typing import Any, Unpack

import keras
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base import formulas
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._layers.learned import _kernels
from keras_dropout._layers.weights import _affine
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout._registration import registered
from keras_dropout._typing import Seed, Tensor


@registered
class Standout(NoiseWrapper):
    r"""Drops the less active units of the wrapped layer more often.

    With the linear part $u = x W + b$ of the layer and its activation $g$, in training

    $$y_j = m_j\, g(u_j), \qquad m_j \sim \mathrm{Bernoulli}(q_j), \qquad
    q_j = \sigma(\alpha u_j + \beta),$$

    and at inference $y_j = q_j\, g(u_j)$, the mean. Kept units are not scaled. The
    masks use the weights of the layer itself, so there are no further weights to learn.
    No gradient flows through the masks. At $\alpha = 0$ it is dropout at the rate $1 -
    \sigma(\beta)$ with the scaling at inference.

    Differences from the paper: the masks use the weights of the layer, as in the
    paper's experiments with shared weights. So there is no separate rule to learn them.
    Unlike in the common PyTorch port, $\beta$ is added once, not to every weight, and
    the bias is included.

    Args:
        layer: A `keras.layers.Dense`, `Conv1D`, `Conv2D` or `Conv3D` without
            `activity_regularizer`. Its activation is applied before the mask.
        alpha: Float, the slope $\alpha$ of the mask's logit, or a schedule. Live.
        beta: Float, the offset $\beta$ of the mask's logit, or a schedule. Live.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not one of these, or `alpha` or `beta` is not a number.
        ValueError: `alpha` or `beta` is not finite, or the layer has an
            `activity_regularizer`.

    Examples:
        >>> import keras
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> dense = keras.layers.Dense(2, kernel_initializer="ones")
        >>> layer = layers.Standout(dense, alpha=0.0, beta=0.0, seed=0)
        >>> y = layer(ops.ones((1000, 3)), training=True)
        >>> sorted(set(ops.convert_to_numpy(y).ravel().tolist()))
        [0.0, 3.0]
        >>> ops.convert_to_numpy(layer(ops.ones((1, 3)))).tolist()
        [[1.5, 1.5]]

    References:
        - Ba and Frey, 2013, [Adaptive dropout for training deep neural
          networks](https://papers.nips.cc/paper/5032-adaptive-dropout-for-training-deep-neural-networks)
    """

    alpha: Live = Live(
        _validation.finite, "The slope of the mask's logit, a float.", None
    )
    beta: Live = Live(
        _validation.finite, "The offset of the mask's logit, a float.", None
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        alpha: Rate = 1.0,
        beta: Rate = 0.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        _kernels.require_affine(layer)
        super().__init__(layer, seed=seed, **kwargs)
        _kernels.keep_in_floats(self)
        self.alpha = alpha
        self.beta = beta

    def perturb(self, x: Tensor, **kwargs: Any) -> Tensor:
        y, logits = self._parts(x)
        rate = ops.sigmoid(-ops.stop_gradient(logits))
        keep = random.keep_mask(ops.shape(y), rate, self.key())
        return formulas.where_kept(keep, y)

    def infer(self, x: Tensor, **kwargs: Any) -> Tensor:
        y, logits = self._parts(x)
        return y * ops.cast(ops.sigmoid(logits), y.dtype)

    def _parts(self, x):
        """What the layer gives, and the logits of keeping it."""
        self.check_floats(x)
        layer, dtype = self.layer, self.layer.compute_dtype
        kernel = _affine.adapted(layer, raw(_kernels.variable(layer)))
        linear = _affine.linear(layer, ops.cast(x, dtype), ops.cast(kernel, dtype))
        linear = _kernels.biased(layer, linear)
        alpha, beta = self.current("alpha"), self.current("beta")
        logits = alpha * ops.cast(linear, "float32") + beta
        y = linear if layer.activation is None else layer.activation(linear)
        return y, logits

    def without_noise(self) -> keras.layers.Layer | None:
        return self
