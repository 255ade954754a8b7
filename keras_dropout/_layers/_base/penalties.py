"""Penalties and limits of one weight that a layer computes itself."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_dropout._typing import Tensor


class Penalty(keras.regularizers.Regularizer):
    """A penalty that belongs to a weight, so it counts once however often it is used.

    Keras adds it to the losses for each trainable weight, not for each call. It is not
    serialised: the layer gives it to the weight again when it is built.

    Args:
        function: Function of the weight to a scalar, such as a method of its layer.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)


class Limit(keras.constraints.Constraint):
    """A projection of a weight after each step.

    Args:
        function: Function of the weight to an allowed one.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, w: Tensor) -> Tensor:
        return self.function(w)
