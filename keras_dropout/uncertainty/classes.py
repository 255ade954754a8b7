"""Measures of how samples disagree about classes, as pure functions of arrays.

A `Measure` says where the classes are. For independent labels (`"binary"`) fractions
are averaged, and the margin is that of the least certain label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropout.uncertainty import statistics
from keras_dropout.uncertainty.statistics import Measure

KINDS = ("probabilities", "logits", "binary")


def entropy(mean: Any, measure: Measure) -> Any:
    """Entropy of mean probabilities in nats, summed over labels."""
    return statistics.entropy(np.asarray(mean, np.float64), measure, np)


def variation_ratio(votes: np.ndarray, count: Any, measure: Measure) -> np.ndarray:
    """Fraction of samples that do not vote for the class with the most votes.

    Args:
        votes: Array, how many samples voted for each class.
        count: Integer array `(rows,)`, how many samples there are.
        measure: A `Measure` with classes.
    """
    votes, count = _choices(votes, count, measure)
    return _over_labels(1 - votes.max(axis=-1) / count, measure)


def disagreement(votes: np.ndarray, count: Any, measure: Measure) -> np.ndarray:
    """Probability that two different samples vote for different classes."""
    votes, count = _choices(votes, count, measure)
    pairs = (votes * (votes - 1)).sum(axis=-1)
    return _over_labels(1 - pairs / np.maximum(count * (count - 1), 1), measure)


def max_probability(mean: Any, measure: Measure) -> np.ndarray:
    """The largest probability; with several labels, that of the least certain one."""
    if measure.kind == "binary":
        return _labels_last(np.maximum(mean, 1 - mean), measure).min(axis=-1)
    return mean.max(axis=measure.axis)


def margin(mean: Any, measure: Measure) -> np.ndarray:
    """The largest probability less the second, which for a label is its opposite's."""
    if measure.kind == "binary":
        likelier = max_probability(mean, measure)
        return likelier - (1 - likelier)
    if mean.shape[measure.axis] < 2:
        raise ValueError(
            "A margin needs two classes or more. For the probability of one class say "
            f"outputs='binary'. Received: mean of shape {mean.shape} with its classes "
            f"on axis {measure.axis}"
        )
    ordered = np.sort(_labels_last(mean, measure), axis=-1)
    return ordered[..., -1] - ordered[..., -2]


def label(mean: Any, measure: Measure) -> np.ndarray:
    """The most probable class, or for each label whether it is likely."""
    if measure.kind == "binary":
        return (mean > 0.5).astype("int64")
    return mean.argmax(axis=measure.axis)


def _choices(votes, count, measure):
    """Votes with all choices on the last axis, and how many there are of them."""
    if measure.kind == "binary":
        votes = _labels_last(votes, measure)
        count = _like(count, votes.ndim)
        return np.stack([votes, count - votes], axis=-1), count
    votes = _labels_last(votes, measure)
    return votes, _like(count, votes.ndim - 1)


def _labels_last(array, measure):
    """The classes on the last axis; one label without an axis gets one."""
    if measure.axis is None:
        return array[..., None]
    return np.moveaxis(array, measure.axis, -1)


def _like(count, rank):
    return np.reshape(count, np.shape(count) + (1,) * (rank - 1))


def _over_labels(values, measure):
    return values.mean(axis=-1) if measure.kind == "binary" else values
