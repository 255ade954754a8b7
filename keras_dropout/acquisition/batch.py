"""A batch of rows by what their labels tell together."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_dropout import _validation
from keras_dropout.acquisition.ranking import rows_wanted
from keras_dropout.uncertainty import Prediction
from keras_dropout.uncertainty.classes import KINDS

# Gains that differ by less are ties: it is what rounding does to sums of logarithms.
_TIE = 1e-12
# Numbers of one block of a matrix product, 64 MB.
_BLOCK = 1 << 23
_MOST_OUTCOMES = 256


def batch_bald(
    prediction: Prediction,
    k: int,
    *,
    configurations: int = 10_000,
    draws: int = 2_000,
    seed: int = 0,
) -> np.ndarray:
    r"""The positions of the `k` rows that are most informative together.

    It chooses one row after the other. Each row is the one that adds most to the
    information of all labels about the noise $\omega$ of the model,

    $$I(y_1, \dots, y_b; \omega) = H(y_1, \dots, y_b) -
    \frac1T \sum_{t=1}^T \sum_{i=1}^b H(y_i \mid \omega_t),$$

    so it takes only one of two similar rows. The information of the batch is at least
    $1 - 1/e$ times that of the best batch. The joint entropy needs the *same* noise for
    all rows in each sample.

    As long as the labels of the chosen rows have at most `configurations` joint
    outcomes, the entropies are exact for the given samples. After that, `draws`
    outcomes are drawn in proportion to their probabilities, and their mean estimates
    the conditional entropy of the next label. `T` samples contain at most $\log T$
    nats, so a large batch needs many samples. If no row adds anything, the first rows
    are taken.

    Args:
        prediction: A `Prediction` of classes with its samples, drawn with shared masks:
            `mc_predict(..., masks="shared", return_samples=True)`.
        k: Integer from 1 to the number of rows, how many to choose.
        configurations: Integer of at least 1, up to how many joint outcomes to compute
            exactly.
        draws: Integer of at least 1, how many outcomes to draw if there are more. The
            time grows with both numbers.
        seed: Integer in `[0, 2**31)` for the outcomes that are drawn.

    Returns:
        Integer array `(k,)`, positions of rows, each once, in the order in which they
        were chosen. Of equal rows the first comes first.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `k` exceeds the number of rows, samples are missing or do not share
            their masks, outputs are not classes, or a row has several labels or more
            than 8 binary labels.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> pool = np.array([[1, 2, 0, 0], [1, 2, 0, 0], [0, 0, 1, 1]], "float32")
        >>> prediction = kd.mc_predict(
        ...     model, pool, samples=50, seed=0, masks="shared", return_samples=True
        ... )
        >>> chosen = kd.acquisition.batch_bald(prediction, 2)
        >>> len(chosen), len(set(chosen.tolist()))
        (2, 2)

    References:
        - Kirsch, van Amersfoort and Gal, 2019, [BatchBALD: Efficient and Diverse Batch
          Acquisition for Deep Bayesian Active
          Learning](https://arxiv.org/abs/1906.08158)
        - Minoux, 1978, Accelerated greedy algorithms for maximizing submodular set
          functions, for the rows that need not be looked at again
    """
    k = rows_wanted(prediction, k)
    most = _validation.integer("configurations", configurations, minimum=1)
    draws = _validation.integer("draws", draws, minimum=1)
    generator = np.random.default_rng(_validation.integer("seed", seed, minimum=0))
    outcomes = _outcomes(prediction)
    expected = _entropy(outcomes).mean(axis=0)
    labels = _Labels.none(len(outcomes))
    # What a row adds never grows as others are chosen, so an old gain is a bound.
    bounds = np.full(len(expected), np.inf)
    chosen = []
    for _ in range(k):
        bounds[chosen] = -np.inf
        best = _best(bounds, labels, outcomes, expected)
        chosen.append(best)
        labels = labels.and_of(outcomes[:, best])
        if len(labels.share) > most:
            labels = labels.drawn(draws, generator)
    return np.array(chosen)


@dataclasses.dataclass(frozen=True)
class _Labels:
    """Joint outcomes of the labels chosen so far.

    Attributes:
        share: Array `(outcomes,)`, the probability of each.
        samples: Array `(outcomes, samples)`, the probability of each sample of the
            model, given the outcome.
    """

    share: np.ndarray
    samples: np.ndarray

    @classmethod
    def none(cls, samples):
        """Before any label: one outcome, which says nothing about the samples."""
        return cls(np.ones(1), np.full((1, samples), 1 / samples))

    def gains(self, p, expected):
        """What each row adds: its entropy given the labels, less that given the noise.

        Args:
            p: Array `(samples, rows, classes)`.
            expected: Array `(rows,)`, mean entropy of the samples.
        """
        rows, classes = p.shape[1:]
        step = max(1, _BLOCK // (rows * classes))
        total = np.zeros(rows)
        for start in range(0, len(self.share), step):
            part = slice(start, start + step)
            q = self.samples[part] @ p.reshape(len(p), -1)
            total += self.share[part] @ _entropy(q.reshape(-1, rows, classes))
        return total - expected

    def and_of(self, p):
        """With one more label, of probabilities `(samples, classes)`."""
        joint = self.samples[:, None, :] * p.T[None]
        given = joint.sum(axis=-1)
        share = (self.share[:, None] * given).ravel()
        samples = joint.reshape(-1, joint.shape[-1])
        possible = share > 0
        share, samples = share[possible], samples[possible]
        return _Labels(
            share / share.sum(), samples / samples.sum(axis=1, keepdims=True)
        )

    def drawn(self, count, generator):
        """So many of the outcomes, each as often on average as its share says."""
        # Systematic: equally spaced marks on the line of shares, shifted at random.
        marks = (np.arange(count) + generator.uniform()) / count
        places = np.searchsorted(np.cumsum(self.share), marks, side="right")
        places = places.clip(0, len(self.share) - 1)
        kept, times = np.unique(places, return_counts=True)
        return _Labels(times / count, self.samples[kept])


def _best(bounds, labels, outcomes, expected):
    """The first row of the largest gain, looking only where the bound allows it."""
    order = np.argsort(-bounds, kind="stable")
    order = order[bounds[order] > -np.inf]
    best, size, start = -np.inf, 64, 0
    if np.isinf(bounds[order[0]]):
        size = len(order)
    while start < len(order) and bounds[order[start]] >= best - _TIE:
        rows = order[start : start + size]
        bounds[rows] = labels.gains(outcomes[:, rows], expected[rows])
        best = max(best, bounds[rows].max())
        start, size = start + size, 2 * size
    seen = np.sort(order[:start])
    return int(seen[np.argmax(bounds[seen] >= best - _TIE)])


def _outcomes(prediction):
    """Probabilities `(samples, rows, outcomes)` of the label of each row."""
    samples = prediction.samples
    if prediction.kind not in KINDS:
        raise ValueError(
            "batch_bald needs class probabilities: pass outputs='probabilities', "
            "'logits' or 'binary' to `mc_predict`; for values take `select(prediction, "
            f"k, 'std')`. Received: a prediction of kind {prediction.kind!r}"
        )
    if samples is None or prediction.masks != "shared":
        raise ValueError(
            "batch_bald needs the samples themselves, with the same noise for all rows "
            "in each: call `mc_predict(..., masks='shared', return_samples=True)`. "
            f"Received: {'no' if samples is None else len(samples)} samples with masks="
            f"{prediction.masks!r}"
        )
    if prediction.class_axis is None:
        samples = samples[..., None]
    if samples.ndim != 3:
        raise ValueError(
            "batch_bald needs one label a row. For dense outputs take "
            "`select(prediction, k, power=1)`, whose batches are diverse as well. "
            f"Received: samples of shape {samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise ValueError(
            "batch_bald needs finite probabilities. Received: samples with "
            f"{np.count_nonzero(~np.isfinite(samples))} NaN or infinities"
        )
    samples = samples.astype(np.float64)
    if prediction.kind == "binary":
        return _of_binary(samples)
    return samples / samples.sum(axis=-1, keepdims=True)


def _of_binary(samples):
    """All joint outcomes of the binary labels of a row, independent in a sample."""
    labels = samples.shape[-1]
    if 2**labels > _MOST_OUTCOMES:
        raise ValueError(
            "batch_bald takes up to 8 binary labels a row, which have 256 outcomes. "
            "Take `select(prediction, k, power=1)`. Received: "
            f"{labels} labels a row"
        )
    outcomes = np.ones((*samples.shape[:-1], 1))
    for label in range(labels):
        p = samples[..., label, None]
        outcomes = np.concatenate([outcomes * (1 - p), outcomes * p], axis=-1)
    return outcomes


def _entropy(p):
    """Entropy in nats over the last axis."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)
