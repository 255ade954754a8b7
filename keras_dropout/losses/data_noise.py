"""Losses for models that predict how noisy their data are, beside the answer."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_dropout import _bases, _validation, random
from keras_dropout._registration import registered
from keras_dropout._typing import Seed
from keras_dropout.losses.outputs import gaussian, halves, one_hot
from keras_dropout.random import content


@registered
class GaussianNLL(_bases.Loss):
    r"""Negative log-likelihood of values, for outputs that are means and log variances.

    $$L = \frac1D \sum_{d=1}^D \left\lfloor e^{\beta s_d} \right\rfloor
    \left[ \tfrac12 e^{-s_d} (y_d - \mu_d)^2 + \tfrac12 s_d \right]$$

    in nats per output, without the constant $\frac12 \log 2 \pi$. No gradient flows
    through the factor in $\lfloor \cdot \rfloor$. With $\beta = 0$ the factor is 1.
    With $\beta = 0.5$ the model also learns the mean of rows with a large predicted
    noise. With the plain likelihood this is slow. The loss is computed in float32 under
    every dtype policy.

    Args:
        beta: Float in `[0, 1]`, the power $\beta$ of the variance. With 1 the means
            learn as from the mean squared error.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`: `reduction`, `dtype`.

    Call arguments:
        y_true: The values $y$, `(..., outputs)`, or `(...)` for one output.
        y_pred: The means $\mu$ and then as many log variances $s = \log \sigma^2$ on
            the last axis, `(..., 2 * outputs)`, without an activation.

    Raises:
        TypeError: `beta` is not a number.
        ValueError: `beta` is out of its range, or targets and predictions do not fit.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import losses
        >>> y, outputs = np.array([[1.0, -0.5]]), np.array([[0.5, 0.0, 0.2, -1.0]])
        >>> round(float(losses.GaussianNLL()(y, outputs)), 5)
        0.02106

    References:
        - Kendall and Gal, 2017, [What Uncertainties Do We Need in Bayesian Deep
          Learning for Computer Vision?](https://arxiv.org/abs/1703.04977)
        - Seitzer et al., 2022, [On the Pitfalls of Heteroscedastic Uncertainty
          Estimation with Probabilistic Neural
          Networks](https://arxiv.org/abs/2203.09168), for $\beta$
    """

    def __init__(
        self, beta: float = 0.0, name: str = "gaussian_nll", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.beta: float = _validation.probability("beta", beta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The mean over the outputs, of each row."""
        y, mean, s = gaussian(y_true, y_pred)
        nll = 0.5 * ops.exp(-s) * ops.square(y - mean) + 0.5 * s
        if self.beta:
            nll = ops.stop_gradient(ops.exp(self.beta * s)) * nll
        return ops.mean(nll, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}


@registered
class HeteroscedasticCrossentropy(_bases.Loss):
    r"""Cross-entropy of logits with predicted noise, integrated by sampling.

    $$L = -\sum_c y_c \log \frac1T \sum_{t=1}^T
    \mathrm{softmax}_c(f + \sigma \odot \epsilon_t), \qquad
    \epsilon_t \sim \mathcal N(0, I), \quad \sigma = e^{s / 2}$$

    in nats. A model can predict that the label of a row is noisy, and then learns less
    from it. The mean of the probabilities is computed with logarithms, so no sample
    underflows. The loss is computed in float32 under every dtype policy.

    Each step draws new noise. It depends on `seed`, which is part of the configuration.
    The number of earlier draws is not saved with a model. Compiled training on JAX
    keeps no state of a loss. There the predictions are hashed into the seed.

    Args:
        samples: Integer of at least 1, the number $T$ of draws for each row.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed each run, or a
            `keras.random.SeedGenerator`.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`: `reduction`, `dtype`.

    Call arguments:
        y_true: Integers `(...)` or `(..., 1)`, or one-hot or soft labels
            `(..., classes)`. An integer that is not a class gives NaN.
        y_pred: The logits $f$ and then as many log variances $s = \log \sigma^2$ on the
            last axis, `(..., 2 * classes)`, without an activation.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range, or labels and predictions do not
            fit.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import losses
        >>> loss = losses.HeteroscedasticCrossentropy(samples=20, seed=0)
        >>> certain = np.array([[2.0, 0.5, -1.0, -90.0, -90.0, -90.0]])
        >>> round(float(loss(np.array([0]), certain)), 4)
        0.2413

    References:
        - Kendall and Gal, 2017, [What Uncertainties Do We Need in Bayesian Deep
          Learning for Computer Vision?](https://arxiv.org/abs/1703.04977), equation 12,
          here with its sign turned to be minimised
    """

    def __init__(
        self,
        samples: int = 10,
        seed: Seed = None,
        name: str = "heteroscedastic_crossentropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.samples: int = _validation.integer("samples", samples, minimum=1)
        self.seed: Seed = _validation.seed(seed)
        shared = isinstance(self.seed, keras.random.SeedGenerator)
        self.seed_generator: keras.random.SeedGenerator = (
            self.seed if shared else random.new_generator(self.seed)
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row."""
        logits, s = halves(y_pred)
        if logits.shape[-1] < 2:
            raise ValueError(
                "HeteroscedasticCrossentropy needs two classes or more, each with a "
                "logit and a log variance. Use two classes for a yes or no. Received: "
                f"predictions of shape {tuple(y_pred.shape)}"
            )
        key = content.mix(random.next_key(self.seed_generator), logits)
        shape = (self.samples, *ops.shape(logits))
        noise = random.normal(shape, key, per_row=False)
        return self.integrated(one_hot(y_true, logits), logits, s, noise)

    def integrated(self, targets: Any, logits: Any, s: Any, noise: Any) -> Any:
        """The loss of each row under given standard normal noise.

        Args:
            targets: Tensor `(..., classes)`, the probabilities $y$ of the labels.
            logits: Tensor of that shape.
            s: Tensor of that shape, the log variances of the logits.
            noise: Tensor `(samples, ..., classes)`.
        """
        log_p = ops.log_softmax(logits + ops.exp(0.5 * s) * noise, axis=-1)
        log_mean = ops.logsumexp(log_p, axis=0) - math.log(self.samples)
        return -ops.sum(targets * log_mean, axis=-1)

    def get_config(self) -> dict[str, Any]:
        seed = self.seed
        if isinstance(seed, keras.random.SeedGenerator):
            seed = keras.saving.serialize_keras_object(seed)
        return {**super().get_config(), "samples": self.samples, "seed": seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HeteroscedasticCrossentropy:
        config = dict(config)
        if isinstance(config.get("seed"), dict):
            config["seed"] = keras.saving.deserialize_keras_object(config["seed"])
        return cls(**config)
