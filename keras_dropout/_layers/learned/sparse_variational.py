"""Gaussian noise for each weight, so strong where a weight is of no use."""

from __future__ import annotations

import math
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from keras_dropout import _validation, random
from keras_dropout._layers._base.live import Live
from keras_dropout._layers._base.options import LayerOptions, Rate
from keras_dropout._layers._base.penalties import Penalty
from keras_dropout._layers._base.wrapper import NoiseWrapper
from keras_dropout._layers.learned import _divergence, _kernels
from keras_dropout._layers.weights import _affine
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Seed, Shape, Tensor

# What is added to squares of weights and to variances, against a zero.
_TINY = 1e-8


@registered
class SparseVariationalDropout(NoiseWrapper):
    r"""Learns Gaussian noise for each weight of a layer, and which weights to prune.

    With a weight $\theta_{ij}$ of the layer and a trainable $\log \sigma_{ij}^2$, the
    output in training is drawn as if each weight were drawn from
    $\mathcal{N}(\theta_{ij}, \sigma_{ij}^2)$ for each row,

    $$y_j = a\!\left(\sum_i x_i \theta_{ij} + b_j +
    \epsilon_j \sqrt{\sum_i x_i^2 \sigma_{ij}^2 + 10^{-8}}\right), \qquad
    \epsilon_j \sim \mathcal{N}(0, 1),$$

    and the loss gains $\lambda \sum \mathrm{KL}(\alpha_{ij})$ with $\alpha = \sigma^2 /
    \theta^2$, the divergence from a log-uniform prior, which makes $\alpha$ of useless
    weights large. At inference weights with $\log \alpha$ of `threshold` or more are
    zero, and nothing is drawn.

    Start with a small $\lambda$, for example with a schedule from 0 to
    `losses.kl_weights(...)["dropout_regularizer"]`. Otherwise the layer prunes weights
    before it has learned them. The penalty is a regularizer of the weight $\log
    \sigma^2$. It counts once, even if the layer is called several times, and is
    computed in float32 under every dtype policy.

    This strength is that of the variational bound. It keeps many useless weights: in a
    linear model it keeps each weight with a least squares estimate more than 1.05
    standard errors from 0. By chance this is the case for 3 in 10 useless weights. At
    $c$ times the strength the limit is $1.05 \sqrt{c}$ standard errors. At four times
    the strength 4 in 100 useless weights stay, and weights of 10 standard errors are
    not affected.

    Differences from the authors' code: $\log \alpha$ is clipped to [-8, 8] for the
    divergence only; pruned weights keep their noise in training; the formula of
    convolutions has the same $10^{-8}$ as that of dense layers.

    Args:
        layer: A `keras.layers.Dense`, `Conv1D`, `Conv2D` or `Conv3D` without
            `activity_regularizer`.
        kl_weight: Float of at least 0, the strength $\lambda$, or a schedule. Live.
        threshold: Float. Weights with a $\log \alpha$ of this or more are pruned. At 3,
            dropout of the same variance would drop the weight in 95 % of the rows.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        That of the layer. The output has the shape of the layer's output.

    Raises:
        TypeError: `layer` is not one of these, or an argument has the wrong type.
        ValueError: An argument is out of its range, or the layer has an
            `activity_regularizer`.

    Examples:
        >>> import keras
        >>> from keras_dropout import layers
        >>> layer = layers.SparseVariationalDropout(keras.layers.Dense(4))
        >>> layer(keras.Input((3,))).shape
        (None, 4)
        >>> layer.log_alpha.shape, layer.sparsity()
        ((3, 4), 0.0)

    References:
        - Molchanov, Ashukha and Vetrov, 2017, [Variational Dropout Sparsifies Deep
          Neural Networks](https://arxiv.org/abs/1701.05369)
    """

    kl_weight: Live = Live(
        _validation.weight, "The strength of the divergence, a live float.", None
    )

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        kl_weight: Rate = 1.0,
        threshold: float = 3.0,
        seed: Seed = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        _kernels.require_affine(layer)
        super().__init__(layer, seed=seed, **kwargs)
        _kernels.keep_in_floats(self)
        self.kl_weight = kl_weight
        self.threshold: float = _validation.finite("threshold", threshold)
        self.log_sigma2 = None

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.log_sigma2: keras.Variable = self.add_weight(
            shape=self._kernel().shape,
            initializer=keras.initializers.Constant(-10.0),
            dtype="float32",
            autocast=False,
            regularizer=Penalty(self.penalty),
            name="log_sigma2",
        )

    def _kernel(self):
        return _kernels.variable(self.layer)

    def _log_alpha(self, log_sigma2=None):
        log_sigma2 = self.log_sigma2.value if log_sigma2 is None else log_sigma2
        square = ops.square(ops.cast(raw(self._kernel()), "float32"))
        return ops.cast(log_sigma2, "float32") - ops.log(square + _TINY)

    def penalty(self, log_sigma2: Tensor) -> Tensor:
        """The divergence of all weights, times its strength."""
        each = _divergence.of_weights(self._log_alpha(log_sigma2))
        return self.current("kl_weight") * ops.sum(each)

    def perturb(self, x: Tensor, **kwargs: Any) -> Tensor:
        self.check_floats(x)
        layer = self.layer
        kernel = _affine.adapted(layer, raw(self._kernel()))
        dtype = layer.compute_dtype
        mean = _affine.linear(layer, ops.cast(x, dtype), ops.cast(kernel, dtype))
        # Squares in half precision would overflow or vanish.
        square = ops.square(ops.cast(x, "float32"))
        variance = _affine.linear(layer, square, ops.exp(self.log_sigma2.value))
        noise = random.normal(ops.shape(mean), self.key())
        y = mean + ops.cast(noise * ops.sqrt(variance + _TINY), mean.dtype)
        return _kernels.finished(layer, y)

    def infer(self, x: Tensor, **kwargs: Any) -> Tensor:
        pruned = self._log_alpha() >= self.threshold
        return _kernels.called_without(self, pruned, x, **kwargs)

    def without_noise(self) -> keras.layers.Layer | None:
        return self

    @property
    def log_alpha(self) -> np.ndarray:
        """The learned log alpha of each weight, in the shape of the kernel."""
        return ops.convert_to_numpy(ops.stop_gradient(self._log_alpha()))

    def sparsity(self) -> float:
        """The share of weights that are zero at inference."""
        return float(np.mean(self._pruned()))

    def prune(self) -> float:
        """Sets the pruned weights to zero, in place.

        Their noise becomes as small as possible so that they stay pruned. Further
        training may bring weights back.

        Returns:
            The share of weights that are zero now.
        """
        pruned, kernel = self._pruned(), self._kernel()
        kernel.assign(np.where(pruned, 0.0, ops.convert_to_numpy(kernel)))
        # Half a unit more than the threshold for a weight of zero.
        least = math.log(_TINY) + self.threshold + 0.5
        log_sigma2 = ops.convert_to_numpy(self.log_sigma2)
        smaller = np.minimum(log_sigma2, least)
        self.log_sigma2.assign(np.where(pruned, smaller, log_sigma2))
        return self.sparsity()

    def _pruned(self):
        return self.log_alpha >= self.threshold

    def load_own_variables(self, store: Any) -> None:
        """Takes over variances from a file, which must be finite.

        Else weights would be pruned, or left, by what is no number.
        """
        before = ops.convert_to_numpy(self.log_sigma2.value)
        super().load_own_variables(store)
        loaded = ops.convert_to_numpy(self.log_sigma2.value)
        if not np.isfinite(loaded).all():
            self.log_sigma2.assign(before)
            reason = _validation.invalid("log_sigma2", "finite numbers", loaded)
            raise self.noise_state.refusal(store, reason)

    def get_config(self) -> Config:
        return {**super().get_config(), "threshold": self.threshold}
