"""Scores an existing prediction, next to the prediction without noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout._validation import invalid
from keras_dropout.uncertainty import (
    columns,
    judging,
)
from keras_dropout.uncertainty.evaluation import Evaluation
from keras_dropout.uncertainty.measures import By
from keras_dropout.uncertainty.prediction import Prediction

_NO_BASELINE = (
    "no baseline: pass baseline=model.predict(x), the model without noise, or call "
    "mc_evaluate, to see what the noise is worth"
)


def evaluate(
    prediction: Prediction,
    y: ArrayLike,
    *,
    noise_variance: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    baseline: Any = None,
    by: By = "max_probability",
) -> Evaluation:
    """Scores a prediction, next to that of the model without noise if it is given.

    Args:
        prediction: A `Prediction`.
        y: The truth. Labels as integers or one-hot; binary labels and values in the
            shape of the means. Masked steps do not count.
        noise_variance: For plain values, the variance of the data noise, a number or an
            array that broadcasts to the means, in the unit of `y` squared. `None` if
            the prediction contains it, or if it is unknown.
        sample_weight: Weights `(rows,)`, or one for each label or value.
        baseline: The prediction without noise: the result of `model.predict(x)`, or a
            `Prediction`. With `None` there is no comparison, and the result says so.
        by: The measure of uncertainty that ranks rows for `aurc` and `error_auroc`, the
            name of an attribute of `Prediction`.

    Returns:
        An `Evaluation`. If a Gaussian prediction kept its samples, its `nll` is that of
        their mixture, with the mean variance of the noise around each sample. Without
        samples it is that of the normal distribution with the same mean and variance.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: Shapes or labels do not fit, or an argument is out of its range.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> samples = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])
        >>> prediction = kd.Prediction.from_samples(samples, "probabilities")
        >>> scores = kd.evaluate(prediction, [0, 1])
        >>> scores["accuracy"], round(scores["nll"], 4)
        (1.0, 0.367)
    """
    if not isinstance(prediction, Prediction):
        expected = (
            "a `Prediction`; of a model with several outputs, one of those that "
            "`mc_predict` returns"
        )
        raise TypeError(invalid("prediction", expected, prediction))
    by = judging.checked_by(prediction.kind, by)
    noise_variance = judging.checked_noise(prediction.kind, noise_variance)
    notes = judging.notes_of(prediction.kind, noise_variance)
    if baseline is None:
        notes.append(_NO_BASELINE)
    else:
        other = _baseline(prediction, baseline)
        ranked = judging.ranked_without_noise(by)
        found = columns.of(other, y, sample_weight, ranked, noise_variance)
        baseline = judging.finished(found, prediction.kind, ranked)
    found = columns.of(prediction, y, sample_weight, by, noise_variance)
    return judging.finished(found, prediction.kind, by, baseline, notes)


def _baseline(prediction, given):
    if isinstance(given, Prediction):
        return given
    kind, axis, valid = prediction.kind, prediction.class_axis, prediction.valid
    if kind != "gaussian":
        outputs = np.asarray(given)
        if kind == "logits":
            powers = np.exp(outputs - outputs.max(axis=axis, keepdims=True))
            outputs = powers / powers.sum(axis=axis, keepdims=True)
        return judging.without_noise(_shaped(outputs, prediction), kind, axis, valid)
    if isinstance(given, Mapping):
        given = given["mean"], given["log_variance"]
    if not isinstance(given, (list, tuple)):
        given = np.split(np.asarray(given), 2, axis=-1)
    mean, log_variance = (np.asarray(each, np.float64) for each in given)
    noise = np.exp(log_variance)
    return judging.without_noise(_shaped(mean, prediction), kind, axis, valid, noise)


def _shaped(outputs, prediction):
    if outputs.shape != prediction.mean.shape:
        expected = f"outputs of shape {prediction.mean.shape}"
        raise ValueError(invalid("baseline", expected, outputs.shape))
    return outputs
