"""One number that corrects probabilities that are too certain or too uncertain."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout.metrics import _labels
from keras_dropout.metrics.classes import TINY
from keras_dropout.uncertainty import Prediction, columns, statistics
from keras_dropout.uncertainty.fitted import CLASSES, Calibration, measure_of
from keras_dropout.uncertainty.statistics import Measure

# All right asks for infinite certainty, and worse than chance for none.
_LOWEST, _HIGHEST = 1e-2, 1e2
_STEPS = 50


@registered
class TemperatureScaling(Calibration):
    r"""Scales the logarithms of mean probabilities by one number.

    $$p_c \propto \bar p_c^{\,1 / T}$$

    where $T$ has the largest likelihood of held-out labels. Above 1, probabilities
    become less certain. The negative log-likelihood is convex in $1/T$, so Newton's
    method finds $T$ exactly. It stays in `[0.01, 100]`. The most probable class, and so
    the accuracy, does not change. Measures of the disagreement of samples (`std`,
    `mutual_information`, votes) do not change either. Binary labels share one
    temperature.

    Attributes:
        temperature: The number $T$.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> logits = [[2, 0, 0], [0, 1.5, 0], [0, 0, 3], [1, 0, 0], [0, 2, 0]]
        >>> held_out = kd.Prediction.from_samples(np.array([logits]), "logits")
        >>> scaling = kd.calibration.TemperatureScaling().fit(held_out, [0, 1, 2, 1, 2])
        >>> round(scaling.temperature, 4)
        1.4147
        >>> [round(float(p), 3) for p in scaling.transform(held_out).mean[0]]
        [0.673, 0.164, 0.164]

    References:
        - Guo et al., 2017, [On Calibration of Modern Neural
          Networks](https://arxiv.org/abs/1706.04599)
        - Rahaman and Thiery, 2021, [Uncertainty Quantification and Deep
          Ensembles](https://arxiv.org/abs/2007.08792), for pooling first
    """

    kinds: tuple[str, ...] = CLASSES

    @property
    def temperature(self) -> float:
        """The number T."""
        return self._require_fitted()["temperature"]

    def fit(self, prediction: Prediction, y: ArrayLike) -> Self:
        """Finds the temperature.

        Args:
            prediction: A `Prediction` of data that the model was not trained on.
            y: Its labels, integers or one-hot. Those of masked steps do not count.

        Returns:
            Itself.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It is not a prediction of classes, or the labels do not fit.
        """
        self._check_kind(prediction)
        p, y = labelled(prediction, y)
        targets, p, _ = _labels.read(y, p)
        logits = np.log(np.maximum(p, TINY))
        return self._note(prediction, temperature=1 / _newton(logits, targets))

    def transform(self, prediction: Prediction) -> Prediction:
        """The calibrated prediction; it keeps no samples.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was made in another way, or the object is not fitted.
        """
        self._check_alike(prediction)
        measure = measure_of(prediction)
        p, error = (
            np.asarray(each, np.float64)
            for each in (prediction.mean, prediction.standard_error)
        )
        mean = tempered(p, 1 / self.temperature, measure, np)
        return dataclasses.replace(
            prediction,
            mean=mean.astype(prediction.mean.dtype),
            standard_error=_error(p, error, mean, 1 / self.temperature, measure).astype(
                prediction.mean.dtype
            ),
            samples=None,
            calibration=(*prediction.calibration, self.mark),
        )

    @property
    def mark(self) -> str:
        """What a transformed prediction keeps of it."""
        return f"TemperatureScaling({self.temperature!r})"

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Calibrates what `MonteCarlo` answers."""
        mean = tempered(answer["mean"], 1 / self.temperature, measure, xp)
        answer["mean"] = mean
        answer["entropy"] = statistics.entropy(mean, measure, xp)
        answer["expected_entropy"] = xp.maximum(
            answer["entropy"] - answer["mutual_information"], 0.0
        )

    def _check_found(self, found):
        _validation.positive("temperature", found["temperature"])

    def _told(self):
        return [f"temperature={self.temperature:.4g}"]


def labelled(prediction: Prediction, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of what counts, flat: `(n, classes)` or `(n,)`."""
    p, y = columns.elements(prediction, y)
    is_binary = prediction.kind == "binary"
    shape = p.shape if is_binary else p.shape[:-1]
    counts = columns.weights(shape, None, prediction.valid) > 0
    if not counts.any():
        raise ValueError(
            "At least one label must count. Received: a prediction with all steps "
            "masked"
        )
    return p[counts], y[counts]


def tempered(p: Any, beta: float, measure: Measure, xp: Any) -> Any:
    """Probabilities with their logarithms scaled by `beta`."""
    logits = beta * xp.log(xp.maximum(p, TINY))
    if measure.kind == "binary":
        other = beta * xp.log(xp.maximum(1.0 - p, TINY))
        most = xp.maximum(logits, other)
        powers, others = xp.exp(logits - most), xp.exp(other - most)
        return powers / (powers + others)
    powers = xp.exp(logits - xp.max(logits, axis=measure.axis, keepdims=True))
    return powers / xp.sum(powers, axis=measure.axis, keepdims=True)


def _newton(logits, targets):
    """The factor of the logits that has the largest likelihood."""

    def told(beta):
        scaled = beta * logits
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        p = np.exp(scaled - total)
        loss = -(targets * (scaled - total)).sum(axis=1).mean()
        mean = (p * logits).sum(axis=1)
        slope = (mean - (targets * logits).sum(axis=1)).mean()
        bend = ((p * (logits - mean[:, None]) ** 2).sum(axis=1)).mean()
        return loss, slope, bend

    beta = 1.0
    loss, slope, bend = told(beta)
    for _ in range(_STEPS):
        step = -slope / bend if bend > 0 else -np.sign(slope)
        for _ in range(_STEPS):
            moved = float(np.clip(beta + step, _LOWEST, _HIGHEST))
            after = told(moved)
            if after[0] <= loss:
                break
            step = step / 2
        else:
            break
        close = abs(moved - beta) <= 1e-12 * beta
        beta, (loss, slope, bend) = moved, after
        if close:
            break
    return beta


def _error(p, error, mean, beta, measure):
    """The standard error of the calibrated mean, to first order.

    The errors of classes are taken for independent of each other.
    """
    relative = error / np.maximum(p, TINY)
    if measure.kind == "binary":
        relative = relative / np.maximum(1 - p, TINY)
        return beta * mean * (1 - mean) * relative
    shared = ((mean * relative) ** 2).sum(axis=measure.axis, keepdims=True)
    own = (1 - mean) ** 2 * relative**2 + shared - (mean * relative) ** 2
    return beta * mean * np.sqrt(own)
