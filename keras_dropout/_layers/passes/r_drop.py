"""Training that makes two passes agree."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import keras

from keras_dropout import _validation
from keras_dropout._layers._base.options import ModelOptions
from keras_dropout._layers._base.trainer import Trainer, copied
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Model, Shape, Tensor, Tensors
from keras_dropout.losses.agreement import SymmetricKL


@registered
class RDrop(Trainer):
    r"""Trains a model on two noisy passes, and penalises the distance of their outputs.

    With $P_1$, $P_2$ the predictions of two passes in training and $\ell$ the loss that
    the model is compiled with,

    $$L = \ell(y, P_1) + \ell(y, P_2) + \alpha D(P_1, P_2), \qquad
    D = \tfrac{1}{2} \mathrm{KL}(P_1 \,\|\, P_2) + \tfrac{1}{2} \mathrm{KL}(P_2 \,\|\,
    P_1),$$

    averaged over rows. With `distance="mse"`, $D$ is the mean squared difference; with
    logits this is fraternal dropout. Evaluation and prediction are those of the model.
    The passes are two calls, not one call on a doubled batch. So they differ even if
    the rows of a batch share their noise. Losses of layers and regularisers count once
    in each pass, in the same proportion to $\ell$ as without `RDrop`.

    Args:
        model: A Keras model of one output, with noise in training. It keeps its
            weights, so you can use it directly after training.
        alpha: Float of at least 0, the weight $\alpha$. About 5 for translation and 1
            for classification of text in the paper.
        distance: `"kl"` for class probabilities, or `"mse"` for any output.
        from_logits: Boolean. Whether the model outputs logits instead of probabilities.
            It has an effect only for `"kl"`.
        **kwargs: Arguments of `keras.Model`: `name`, `trainable`.

    Raises:
        TypeError: `model` is not a model, or `alpha` is not a number.
        ValueError: `alpha` is negative, or `distance` unknown.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         kd.layers.Dropout(0.3),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> trainer = kd.layers.RDrop(model, alpha=1.0)
        >>> trainer.compile("adam", "sparse_categorical_crossentropy")
        >>> trainer.model is model
        True

    References:
        - Liang, Wu et al., 2021, [R-Drop: Regularized Dropout for Neural
          Networks](https://arxiv.org/abs/2106.14448)
        - Zolna et al., 2018, [Fraternal Dropout](https://arxiv.org/abs/1711.00066)
    """

    def __init__(
        self,
        model: Model,
        alpha: float = 1.0,
        distance: Literal["kl", "mse"] = "kl",
        from_logits: bool = False,
        **kwargs: Unpack[ModelOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        self._alpha = _validation.non_negative("alpha", alpha)
        self.distance: Literal["kl", "mse"] = _validation.choice(
            "distance", distance, ("kl", "mse")
        )
        self.from_logits: bool = _validation.boolean("from_logits", from_logits)
        kl = SymmetricKL(from_logits=from_logits)
        self._between = keras.losses.MeanSquaredError() if distance == "mse" else kl

    @property
    def alpha(self) -> float:
        """The weight of the distance, fixed once the model is built."""
        return self._alpha

    def build(self, input_shape: Shape) -> None:
        if not self.model.built:
            self.model.build(input_shape)

    def call(
        self, inputs: Tensors, training: bool | None = False, mask: Tensor | None = None
    ) -> Tensor:
        return self.model(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool | None = True,
    ) -> Any:
        """The loss of one pass, or in training of two and of their distance."""
        given = {"x": x, "y": y, "training": training}
        first = self.loss_of_pass(y_pred, sample_weight, **given)
        if not training:
            return first
        again = self(x, training=True)
        if keras.tree.is_nested(again):
            raise ValueError(
                f"RDrop needs a model of one output. Received: "
                f"{len(keras.tree.flatten(again))} outputs of {self.model.name!r}"
            )
        second = self.loss_of_pass(again, sample_weight, **given)
        distance = self._between(y_pred, again, sample_weight=copied(sample_weight))
        return first + second + self.alpha * distance

    def get_config(self) -> Config:
        own = {
            "alpha": self.alpha,
            "distance": self.distance,
            "from_logits": self.from_logits,
        }
        return {**super().get_config(), **own}
