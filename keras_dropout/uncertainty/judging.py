"""What all ways to an `Evaluation` share: checks, baselines, notes, means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dropout._validation import invalid
from keras_dropout.uncertainty import classes, columns, measures, scoring
from keras_dropout.uncertainty.evaluation import NO_NOISE, Evaluation
from keras_dropout.uncertainty.prediction import Prediction


def together(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The mean of the evaluations of several models on the same rows."""
    first = evaluations[0]
    if len(evaluations) == 1:
        return first
    scores = {
        name: scoring.mean_of([each._scores[name] for each in evaluations])
        for name in first
    }
    found = columns.joined([(each.columns, 0) for each in evaluations])
    return Evaluation(found, first.kind, first.by, notes=first.notes, scores=scores)


def notes_of(kind: str, noise_variance: Any) -> list[str]:
    """What cannot be told of outputs of this kind."""
    if kind == "values" and noise_variance is None:
        return [NO_NOISE]
    return []


def ranked_without_noise(by: str) -> str:
    """The measures that rank rows if there is a single sample."""
    return "max_probability" if by in measures.OF_SAMPLES else by


def without_noise(
    outputs: np.ndarray,
    kind: str,
    class_axis: int | None,
    valid: np.ndarray | None = None,
    noise_variance: np.ndarray | None = None,
) -> Prediction:
    """The prediction of a single deterministic pass."""
    return Prediction.from_samples(
        np.asarray(outputs)[None],
        "probabilities" if kind == "logits" else kind,
        axis=-1 if class_axis is None else class_axis,
        valid=valid,
        noise_variance=None if noise_variance is None else noise_variance[None],
    )


def checked_by(kind: str, by: str) -> str:
    """The measure that ranks; values are ranked by their standard deviation."""
    if kind not in classes.KINDS:
        return "std"
    if by == "auto":
        return "max_probability"
    if by not in measures.MEASURES or by in ("aleatoric", "total"):
        known = [each for each in measures.MEASURES if each != "aleatoric"]
        expected = "one of " + ", ".join(map(repr, known))
        raise ValueError(invalid("by", expected, by))
    return by


def checked_noise(kind: str, noise_variance: Any) -> np.ndarray | None:
    """A variance of the data's noise, where the outputs can take one."""
    if noise_variance is None:
        return None
    if kind != "values":
        expected = f"None for outputs of kind {kind!r}, which tell the noise themselves"
        raise ValueError(invalid("noise_variance", expected, noise_variance))
    array = np.asarray(noise_variance)
    if array.dtype.kind not in "iuf":
        expected = "a number or an array of numbers"
        raise TypeError(invalid("noise_variance", expected, noise_variance))
    if not (np.isfinite(array).all() and (array > 0).all()):
        expected = "finite numbers above 0"
        raise ValueError(invalid("noise_variance", expected, noise_variance))
    return array.astype(np.float64)


def finished(
    found: Mapping[str, np.ndarray],
    kind: str,
    by: str,
    baseline: Evaluation | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """The evaluation of these columns, if there are any rows in them."""
    if not len(found["row"]):
        raise ValueError(
            "At least one label or value must count, but all have weight 0 or are "
            "masked"
        )
    return Evaluation(found, kind, by, baseline, notes)
