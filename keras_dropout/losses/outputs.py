"""Targets and predictions brought into one form, by their shapes alone."""

from __future__ import annotations

from keras import ops

from keras_dropout._typing import Tensor


def halves(y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions in float32, cut in two on the last axis."""
    y_pred = ops.convert_to_tensor(y_pred)
    if not len(y_pred.shape) or y_pred.shape[-1] % 2:
        raise ValueError(
            "The last axis of the predictions must hold means or logits and then as "
            "many log variances: twice as many units as outputs. Received: "
            f"predictions of shape {tuple(y_pred.shape)}"
        )
    return ops.split(ops.cast(y_pred, "float32"), 2, axis=-1)


def gaussian(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, means and log variances of one shape, in float32."""
    mean, s = halves(y_pred)
    y = ops.cast(y_true, "float32")
    if len(y.shape) == len(mean.shape) - 1 and mean.shape[-1] == 1:
        y = ops.expand_dims(y, axis=-1)
    if len(y.shape) != len(mean.shape) or y.shape[-1] != mean.shape[-1]:
        raise ValueError(
            "The predictions must hold two numbers for each target, all means and then "
            f"all log variances. Received: targets of shape {tuple(y.shape)} for "
            f"predictions of shape {tuple(y_pred.shape)}"
        )
    return y, mean, s


def one_hot(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Labels as float32 `(..., classes)`, from integers or from what is so already.

    Integers of no class give NaN: a loss or score of them would be a wrong number.
    """
    y_true = ops.convert_to_tensor(y_true)
    classes = y_pred.shape[-1]
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == classes:
        return ops.cast(y_true, "float32")
    labels = ops.cast(label_shape(y_true, y_pred), "int32")[..., None]
    known = ops.logical_and(labels >= 0, labels < classes)
    hot = ops.cast(ops.equal(labels, ops.arange(classes, dtype="int32")), "float32")
    return ops.where(known, hot, float("nan"))


def label_shape(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """One label a row: `y_pred` without its last axis, which labels may have as 1."""
    given, rank = tuple(y_true.shape), len(y_pred.shape)
    if len(given) == rank and given[-1] == 1:
        return ops.squeeze(y_true, axis=-1)
    if len(given) != rank - 1:
        raise ValueError(
            "There must be one label for each row of the predictions, as an integer or "
            f"one-hot. Received: labels of shape {given} for predictions of shape "
            f"{tuple(y_pred.shape)}"
        )
    return y_true
