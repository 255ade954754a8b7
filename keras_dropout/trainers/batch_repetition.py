"""Training on each row several times over, under other noise."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from keras_dropout import _validation
from keras_dropout._layers._base.options import ModelOptions
from keras_dropout._layers._base.trainer import Trainer
from keras_dropout._registration import registered
from keras_dropout._typing import Config, Model, Shape, Tensor, Tensors
from keras_dropout.trainers.several import passes

# The key of what a call in training gives, which no evaluation does.
_PASSES = "passes"


@registered
class BatchRepetition(Trainer):
    r"""Trains a model on the mean loss of several passes with different noise.

    With $P_1, \ldots, P_M$ the predictions of $M$ passes in training and $\ell$ the
    loss that it is compiled with,

    $$L = \frac1M \sum_{k=1}^M \ell(y, P_k),$$

    as if the batch contained each row $M$ times. The gradient is less noisy, so that
    dropout after every layer can be trained: see [keras_dropout.matching_dropout][].
    Evaluation and prediction are those of the model, and metrics are those of the first
    pass.

    If the model is a graph of layers, the layers before the noise are computed once in
    each step. Each pass is a separate call, so passes differ even if the rows of a
    batch share their noise. Losses that layers add are averaged over the passes.
    Regularisers count once. Called with `training=True`, it returns a dictionary with
    one entry, `"passes"`, which is a list of the predictions of all passes.

    Args:
        model: A Keras model with noise in training, with one output or several. It
            keeps its weights, so you can use it directly after training.
        times: Integer of at least 1, the number $M$ of passes.
        **kwargs: Arguments of `keras.Model`: `name`, `trainable`.

    Raises:
        TypeError: `model` is not a model, or `times` is not an integer.
        ValueError: `times` is below 1.

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
        >>> trainer = kd.BatchRepetition(model, times=4)
        >>> trainer.compile("adam", "sparse_categorical_crossentropy")
        >>> trainer.model is model
        True

    References:
        - Hoffer et al., 2020, [Augment your batch: better training with larger
          batches](https://arxiv.org/abs/1901.09335)
        - Nado et al., 2021, [Uncertainty Baselines](https://arxiv.org/abs/2106.04015)
    """

    def __init__(
        self, model: Model, times: int = 4, **kwargs: Unpack[ModelOptions]
    ) -> None:
        super().__init__(model, **kwargs)
        self._times: int = _validation.integer("times", times, minimum=1)

    @property
    def times(self) -> int:
        """The number of passes in training."""
        return self._times

    def build(self, input_shape: Shape) -> None:
        # A model that cannot build itself is built when it is called.
        if not self.model.built and type(self.model).build is not keras.Model.build:
            self.model.build(input_shape)

    def call(
        self, inputs: Tensors, training: bool | None = False, mask: Tensor = None
    ) -> Tensor:
        if not training:
            return self.model(inputs, training=False)
        shared = []
        outputs = passes(
            self.model, inputs, self.times, lambda: shared.extend(self.model.losses)
        )
        added = self.model.losses
        if len(added) > len(shared):
            # What layers added in each pass is to be the mean over the passes.
            extra = sum(added) - sum(shared)
            self.add_loss(extra * (1.0 / self.times - 1.0))
        return {_PASSES: outputs}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool | None = True,
    ) -> Any:
        """The loss of one pass, or in training the mean over all."""
        given = {"x": x, "y": y, "training": training}
        several = _passes_in(y_pred)
        if several is None:
            return self.loss_of_pass(y_pred, sample_weight, **given)
        losses = [self.loss_of_pass(each, sample_weight, **given) for each in several]
        return sum(losses) / len(losses)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """The metrics of the first pass."""
        several = _passes_in(y_pred)
        first = y_pred if several is None else several[0]
        return super().compute_metrics(x, y, first, sample_weight)

    def get_config(self) -> Config:
        return {**super().get_config(), "times": self.times}


def _passes_in(y_pred):
    """The predictions of all passes of a call in training; `None` of another call."""
    if isinstance(y_pred, dict) and set(y_pred) == {_PASSES}:
        return y_pred[_PASSES]
    return None
