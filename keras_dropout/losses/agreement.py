"""Losses for models that are called several times, or give several outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_dropout import _bases, _validation
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Tensor


def symmetric_kl(logits1: Tensor, logits2: Tensor) -> Tensor:
    r"""The symmetrised Kullback-Leibler divergence of two predictions, in nats.

    $$\tfrac{1}{2} \mathrm{KL}(P \,\|\, Q) + \tfrac{1}{2} \mathrm{KL}(Q \,\|\, P)
    = \tfrac{1}{2} \sum_k (P_k - Q_k)(\log P_k - \log Q_k)$$

    Args:
        logits1: Tensor of shape `(..., classes)`; $P$ is its softmax.
        logits2: Tensor of the same shape; $Q$ is its softmax.

    Returns:
        Tensor of shape `(...)`.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import losses
        >>> p, q = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
        >>> round(float(losses.symmetric_kl(p, q)[0]), 5)
        0.43944
    """
    log_p = ops.log_softmax(logits1, axis=-1)
    log_q = ops.log_softmax(logits2, axis=-1)
    difference = (ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q)
    return 0.5 * ops.sum(difference, axis=-1)


@registered
class SymmetricKL(_bases.Loss):
    """`symmetric_kl` as a Keras loss: the mean over the rows, in float32.

    Args:
        from_logits: Boolean. Whether predictions are logits or probabilities.
        **kwargs: Arguments of `keras.losses.Loss`: `name`, `reduction`, `dtype`.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import losses
        >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
        >>> round(float(losses.SymmetricKL()(p, q)), 5)
        0.43944
    """

    def __init__(
        self, from_logits: bool = False, name: str = "symmetric_kl", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.from_logits: bool = _validation.boolean("from_logits", from_logits)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The divergence of each row."""
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "SymmetricKL compares distributions over two or more classes, on the "
                "last axis. Use two units and a softmax for a yes or no. Received: "
                f"predictions of shape {tuple(y_pred.shape)}"
            )
        if not self.from_logits:
            tiny = keras.config.epsilon()
            y_true, y_pred = (ops.log(ops.maximum(p, tiny)) for p in (y_true, y_pred))
        return symmetric_kl(y_true, y_pred)

    def get_config(self) -> Config:
        return {**super().get_config(), "from_logits": self.from_logits}


@registered
class MultiSampleLoss(_bases.Loss):
    r"""The mean of a loss over the samples of `MultiSampleDropout`.

    $$L(y, \hat y) = \frac{1}{M} \sum_{m=1}^M \ell(y, \hat y_m)$$

    For a convex loss, such as the cross-entropy of logits, it is at least the loss of
    the mean prediction.

    Args:
        loss: A Keras loss, its name, or a function of `y_true` and `y_pred`.
        **kwargs: Arguments of `keras.losses.Loss`: `name`, `reduction`, `dtype`.

    Examples:
        >>> import numpy as np
        >>> from keras_dropout import losses
        >>> predictions = np.array([[[1.0], [3.0]]])  # one row, two samples
        >>> float(losses.MultiSampleLoss("mse")(np.array([[0.0]]), predictions))
        5.0

    References:
        - Inoue, 2019, [Multi-Sample Dropout for Accelerated Training and Better
          Generalization](https://arxiv.org/abs/1905.09788)
    """

    def __init__(
        self,
        loss: str | keras.losses.Loss | Callable[..., Any],
        name: str = "multi_sample_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.loss: Any = keras.losses.get(loss)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The mean loss of each row."""
        one = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        samples = ops.unstack(y_pred, axis=1)
        return sum(one(y_true, sample) for sample in samples) / len(samples)

    def get_config(self) -> Config:
        return {**super().get_config(), "loss": keras.losses.serialize(self.loss)}
