"""Measures of how samples disagree about classes, as pure functions of arrays.

The last axis holds the classes. With `kind="binary"` it holds independent labels, over
which fractions are averaged and of which the least certain one gives the margin.
"""

import numpy as np

from keras_dropout.uncertainty import statistics

KINDS = ("probabilities", "logits", "binary")


def entropy(mean, kind):
    """Entropy of mean probabilities in nats, summed over labels."""
    return statistics.entropy(np.asarray(mean, np.float64), kind, np)


def variation_ratio(votes, count, kind):
    """Fraction of samples that do not vote for the class with the most votes.

    Args:
        votes: Array, how many samples voted for each class.
        count: Array that broadcasts with `votes`, how many samples there are.
        kind: `"binary"` or another.
    """
    votes, count = _choices(votes, count, kind)
    return _over_labels(1 - votes.max(axis=-1) / count, kind)


def disagreement(votes, count, kind):
    """Probability that two different samples vote for different classes."""
    votes, count = _choices(votes, count, kind)
    pairs = (votes * (votes - 1)).sum(axis=-1)
    return _over_labels(1 - pairs / np.maximum(count * (count - 1), 1), kind)


def max_probability(mean, kind):
    """The largest probability."""
    return _sorted(mean, kind)[..., -1]


def margin(mean, kind):
    """The largest probability less the second, which for a label is its opposite's."""
    ordered = _sorted(mean, kind)
    return ordered[..., -1] - ordered[..., -2]


def label(mean, kind):
    """The most probable class, or for each label whether it is likely."""
    return (mean > 0.5).astype("int64") if kind == "binary" else mean.argmax(axis=-1)


def _choices(votes, count, kind):
    """Votes with all choices on the last axis, and how many there are of them."""
    if kind == "binary":
        return np.stack([votes, count - votes], axis=-1), count
    return votes, count[..., 0]


def _sorted(mean, kind):
    if kind == "binary":
        likelier = np.maximum(mean, 1 - mean).min(axis=-1)
        return np.stack([1 - likelier, likelier], axis=-1)
    if mean.shape[-1] < 2:
        raise ValueError(
            "A margin needs two classes or more on the last axis. For the probability "
            "of one class say outputs='binary'. "
            f"Received: mean of shape {mean.shape}"
        )
    return np.sort(mean, axis=-1)


def _over_labels(values, kind):
    return values.mean(axis=-1) if kind == "binary" else values
