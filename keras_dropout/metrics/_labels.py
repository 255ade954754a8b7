"""Labels and probabilities of classes, brought into one form.

The last axis of predictions holds the classes. Where it has size 1, or where there is
no other axis, each number is the probability that a binary label is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics._arrays import reals

# Half precision rounds probabilities to 2^-9 of themselves, and their sum with them.
_ROUNDING = 5e-3


def read(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray, bool]:
    """Targets and probabilities, both `(..., classes)`, and whether labels are binary.

    Raises:
        ValueError: Shapes do not fit, labels are none, or predictions are no
            probabilities.
    """
    labels, predictions = reals("y_true", y_true), reals("y_pred", y_pred)
    if not predictions.ndim:
        raise ValueError(
            "`y_pred` must hold one row or more. Received: a single number"
        )
    if predictions.ndim == 1:
        predictions = predictions[:, None]
    binary = predictions.shape[-1] == 1
    if binary:
        predictions = np.concatenate([1 - predictions, predictions], axis=-1)
    _check_probabilities(predictions)
    return _targets(labels, predictions.shape, binary), predictions.clip(0, 1), binary


def _check_probabilities(p: np.ndarray) -> None:
    low, high = p.min(), p.max()
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            "`y_pred` must hold probabilities, numbers in [0, 1]. Apply a softmax or "
            f"sigmoid to logits first. Received: numbers from {low:.4g} to {high:.4g}"
        )
    sums = p.sum(axis=-1)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > _ROUNDING:
        raise ValueError(
            "The probabilities of `y_pred` must sum to 1 over the classes, on the last "
            "axis. Give independent labels one by one, or all in one row: "
            "`y_true.ravel(), y_pred.ravel()`. Received: y_pred of shape "
            f"{p.shape} with a sum of {worst:.4g}"
        )


def _targets(labels: np.ndarray, shape: tuple[int, ...], binary: bool) -> np.ndarray:
    """One-hot targets from integers or from what is one-hot already."""
    rows, classes = shape[:-1], shape[-1]
    if labels.shape == shape:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=-1) == 1).all()):
            raise ValueError(
                "One-hot labels must hold one 1 a row and 0 elsewhere. Received: "
                f"y_true of shape {labels.shape} with other rows. Is it y_pred?"
            )
        return labels
    if labels.shape not in (rows, (*rows, 1)):
        given = f"{(*rows, 1)} or {rows}" if binary else f"{shape}"
        raise ValueError(
            "`y_true` must hold a label a row, as integers of shape "
            f"{rows}, or one-hot like y_pred. Received: y_true of shape "
            f"{labels.shape} for y_pred of shape {given}"
        )
    labels = labels.reshape(rows)
    if not np.isin(labels, np.arange(classes)).all():
        raise ValueError(
            f"Labels must be integers from 0 to {classes - 1}, one for each class of "
            f"`y_pred`. Received: labels from {labels.min():g} to {labels.max():g}"
        )
    return np.eye(classes)[labels.astype(np.int64)]
