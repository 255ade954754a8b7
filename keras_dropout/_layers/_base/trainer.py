"""A model that trains another model in a way of its own."""

from __future__ import annotations

from typing import Any, Self, Unpack

import keras
from keras import ops

from keras_dropout import _bases
from keras_dropout._layers._base.options import ModelOptions
from keras_dropout._typing import Config, Model
from keras_dropout._validation import invalid


class Trainer(_bases.Model):
    """Trains `model` on several passes, and is saved with it.

    Args:
        model: A Keras model, which keeps its weights.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        TypeError: `model` is not a model.
    """

    # Reads as the model within, which it only trains.
    is_trainer = True

    def __init__(self, model: Model, **kwargs: Unpack[ModelOptions]) -> None:
        if not isinstance(model, keras.Model):
            raise TypeError(invalid("model", "a Keras model", model))
        super().__init__(**kwargs)
        self.model: keras.Model = model

    def loss_of_pass(self, y_pred: Any, sample_weight: Any, **given: Any) -> Any:
        """The loss that it is compiled with, of one pass."""
        return super().compute_loss(
            y_pred=y_pred, sample_weight=copied(sample_weight), **given
        )

    def get_config(self) -> Config:
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model}

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: dict[str, Any] | None = None
    ) -> Self:
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(**{**config, "model": model})


def copied(sample_weight: Any) -> Any:
    """Weights for one loss: Keras multiplies a mask into them in place on torch."""
    if sample_weight is None:
        return None
    return keras.tree.map_structure(ops.copy, sample_weight)
