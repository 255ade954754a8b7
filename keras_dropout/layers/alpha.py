"""Dropout for self-normalising networks."""

from keras import ops

from keras_dropout import random, validation
from keras_dropout.layers import functional, shapes
from keras_dropout.layers.base import Live, registered
from keras_dropout.layers.masked import BernoulliLayer


class _AlphaLayer(BernoulliLayer):
    """Base of the two alpha dropouts, which differ by what the mask shares."""

    rate = Live(
        validation.probability_below_one, "The probability of dropping, a live float."
    )

    def perturb(self, x):
        rate = random.plain(self.current("rate"))
        keep = random.keep_mask(self.mask_shape(ops.shape(x)), rate, self.key())
        return functional.alpha_drop(keep, x, random.keep_probability(rate))


@registered
class AlphaDropout(_AlphaLayer):
    r"""Sets single units to SELU's negative saturation, keeping mean 0, variance 1.

    In training, with $m_i \sim \mathrm{Bernoulli}(q)$, $q = 1 - p$, and
    $A = -\lambda \alpha = -1.7580993$ of SELU,

    $$y_i = a\,(m_i x_i + (1 - m_i) A) + b, \qquad
    a = \left(q (1 + p A^2)\right)^{-1/2}, \qquad b = -a p A,$$

    and at inference $y = x$. Inputs of mean 0 and variance 1 keep both exactly; of
    mean $\mu$ and variance $v$ they become $a q \mu$ and $a^2 q (v + p (A - \mu)^2)$.
    Use it after SELU with LeCun-normal initialisation only.

    Args:
        rate: Float in `[0, 1)`, the probability $p$ of dropping, or a schedule.
            Live. Keras accepts 1 here and fails when called.
        noise_shape: As in `Dropout`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        Any, of a float dtype. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, `noise_shape` does not fit.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> y = layers.AlphaDropout(0.2, seed=0)(ops.ones((64, 8)), training=True)
        >>> sorted(round(v, 4) for v in set(ops.convert_to_numpy(y).ravel().tolist()))
        [-1.2362, 1.1879]

    References:
        - Klambauer et al., 2017, [Self-Normalizing Neural
          Networks](https://arxiv.org/abs/1706.02515)
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.noise_shape = validation.noise_shape(noise_shape)

    def mask_shape(self, shape):
        return shapes.resolve(self.noise_shape, shape)

    def get_config(self):
        return {**super().get_config(), "noise_shape": self.noise_shape}


@registered
class FeatureAlphaDropout(_AlphaLayer):
    r"""Sets whole channels to SELU's negative saturation.

    `AlphaDropout` with one mask entry a channel, $m_{bc}$, as
    `torch.nn.FeatureAlphaDropout`.

    Args:
        rate: Float in `[0, 1)`, the probability $p$ that a channel is dropped, or a
            schedule. Live.
        data_format: `"channels_last"` or `"channels_first"`; by default Keras's
            `image_data_format`.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run.
        **kwargs: `monte_carlo`, `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., channels)`, or `(batch, channels, ...)` if
        `data_format="channels_first"`, of rank 2 or more. The output has the same.

    Raises:
        TypeError: `rate` is not a number.
        ValueError: `rate` lies outside `[0, 1)`, or `data_format` is unknown.

    Examples:
        >>> from keras import ops
        >>> from keras_dropout import layers
        >>> layer = layers.FeatureAlphaDropout(0.5, seed=0)
        >>> y = layer(ops.ones((8, 3, 3, 4)), training=True)
        >>> bool(ops.all(y[:, :1, :1] == y))
        True

    References:
        - Klambauer et al., 2017, [Self-Normalizing Neural
          Networks](https://arxiv.org/abs/1706.02515)
    """

    def __init__(self, rate, data_format=None, seed=None, **kwargs):
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = validation.data_format(data_format)

    def mask_shape(self, shape):
        axes = shapes.positions(len(shape), self.data_format)
        return shapes.shared_over(shape, axes)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}
