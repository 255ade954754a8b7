"""A rate of LoRA dropout that is learned, and the penalty that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from keras_dropout import random
from keras_dropout._layers._base import concrete, formulas
from keras_dropout._layers._base.learned import LOGIT, Learned
from keras_dropout._layers._base.penalties import Penalty
from keras_dropout._layers.weights import _low_rank
from keras_dropout._layers.weights._weight_noise import raw
from keras_dropout._typing import Shape, Tensor

# That of `ConcreteDropout`.
TEMPERATURE = 0.1


class LearnedBranchRate(Learned):
    """The rate of one layer's branch, by the Concrete relaxation of its masks.

    The weight is held beside the layer, as its noise is, so that the layer without the
    dropout is Keras's own.

    Args:
        initial: Float in `(0, 1)`, where it starts.
        weight_regularizer: Float, the strength of the penalty of A.
        dropout_regularizer: Float, the strength of the pull towards 1/2.
    """

    def __init__(
        self, initial: float, weight_regularizer: float, dropout_regularizer: float
    ) -> None:
        super().__init__(initial, LOGIT)
        self.strengths: tuple[float, float] = (weight_regularizer, dropout_regularizer)

    def bind(self, live: Any, layer: Any) -> Self:
        super().bind(live, layer)
        self.build(regularizer=Penalty(self.penalty), owner=self.state)
        # What holds it is not trainable.
        self.weight.trainable = layer.trainable
        return self

    def penalty(self, logit: Tensor) -> Tensor:
        """The penalty of the rate and the matrices that its masks meet."""
        weights, masks = _low_rank.masked_weights(self.layer)
        squares = sum(concrete.squares_of(raw(each)) for each in weights)
        return concrete.penalty(logit, masks, squares, *self.strengths)

    def config(self) -> Any:
        return [self.initial, *self.strengths]


def masks_of(layer: Any) -> Callable[[Shape], tuple[Tensor, Tensor]]:
    """The function from a shape to a mask of the inputs, and the factor of the rest."""
    source, rate = layer.source("rate"), layer.current("rate")

    def hard(shape: Shape) -> tuple[Tensor, Tensor]:
        keep = random.keep_mask(shape, rate, layer.key())
        return keep, formulas.keep_scale(rate)

    def relaxed(shape: Shape) -> tuple[Tensor, Tensor]:
        shape = _low_rank.channel_shape(layer, shape)
        keep = random.relaxed_keep_mask(shape, rate, layer.key(), TEMPERATURE)
        return keep, concrete.inverse_keep(source.raw())

    return relaxed if source.kind == "learned" else hard
