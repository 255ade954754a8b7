"""Labels and probabilities of a batch, brought into one form."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_dropout.losses.outputs import label_shape, one_hot


def classes_of(y_pred: Any) -> Any:
    """Predictions as float32 `(..., classes)`; a single axis holds binary ones."""
    y_pred = ops.cast(y_pred, "float32")
    return ops.expand_dims(y_pred, axis=-1) if len(y_pred.shape) == 1 else y_pred


def targets_of(y_true: Any, y_pred: Any) -> Any:
    """Targets as `y_pred` of `classes_of`: one-hot, or for a single class the label."""
    if y_pred.shape[-1] > 1:
        return one_hot(y_true, y_pred)
    y_true = label_shape(ops.cast(y_true, "float32"), y_pred)
    return ops.expand_dims(y_true, axis=-1)
