"""What Monte Carlo prediction gives back."""

import dataclasses

import numpy as np

from keras_dropout import _validation
from keras_dropout.uncertainty import classes, report


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Mean prediction and its uncertainty, row by row.

    Attributes:
        mean: Array `(rows, ...)`, the mean of the samples; for `outputs="logits"` of
            the probabilities.
        variance: Array as `mean`, in its unit squared: the variance between samples,
            free of bias; the *epistemic* part for `outputs="gaussian"`.
        standard_error: Array as `mean`, in its unit: the Monte Carlo standard error
            of `mean`.
        count: Integer array `(rows,)`, how many samples each row has.
        kind: What the outputs are: `"values"`, `"probabilities"`, `"logits"`,
            `"binary"` or `"gaussian"`.
        active: Tuple of strings, the layers whose noise was on.
        masks: How the samples were joined, as in `mc_predict`.
        seed: The seed that repeats this prediction.
        samples: Array `(samples, rows, ...)` where asked for, or `None`.
        mask: Boolean array of the steps that are real, where the model masks its
            outputs, or `None`. `most_uncertain` leaves the others out.
    """

    mean: np.ndarray
    variance: np.ndarray
    standard_error: np.ndarray
    count: np.ndarray
    kind: str = "values"
    active: tuple = ()
    masks: str = "independent"
    seed: int | None = None
    samples: np.ndarray | None = None
    mask: np.ndarray | None = None
    _information: np.ndarray | None = None
    _information_error: np.ndarray | None = None
    _votes: np.ndarray | None = None
    _aleatoric: np.ndarray | None = None

    @property
    def std(self):
        """Standard deviation, in the unit of `mean`: the root of `total`."""
        return np.sqrt(self.total)

    # Parts of a variance.

    @property
    def epistemic(self):
        """Variance between samples: what more data would remove."""
        return self.variance

    @property
    def aleatoric(self):
        """Variance of the data's own noise, as the model predicts it."""
        if self._aleatoric is None:
            raise ValueError(
                "Only a model that predicts a mean and a log variance knows the noise "
                "of its data. Say so with outputs='gaussian'. "
                f"Received: outputs={self.kind!r}"
            )
        return self._aleatoric

    @property
    def total(self):
        """Predictive variance: `epistemic + aleatoric` where the latter is known."""
        if self._aleatoric is None:
            return self.variance
        return self.variance + self._aleatoric

    # Information, in nats.

    @property
    def entropy(self):
        """Entropy of the mean probabilities, in nats: total uncertainty."""
        return classes.entropy(self._classes("entropy").mean, self.kind)

    @property
    def expected_entropy(self):
        """Mean entropy of the samples, in nats: what is left when masks agree."""
        self._classes("expected_entropy")
        return np.maximum(self.entropy - self.mutual_information, 0)

    @property
    def mutual_information(self):
        """Information of the noise about the class, in nats, never negative.

        It is `entropy` less `expected_entropy`; about 1/T of it too low for T samples.
        """
        return self._classes("mutual_information")._information

    @property
    def mutual_information_corrected(self):
        """`mutual_information` times T / (T - 1), nearly free of bias, in nats."""
        information = self._classes("mutual_information_corrected")._information
        count = self._count_like(information)
        return information * (count / np.maximum(count - 1, 1))

    @property
    def mutual_information_error(self):
        """Monte Carlo standard error of `mutual_information`, in nats."""
        return self._classes("mutual_information_error")._information_error

    # Votes and margins, numbers in [0, 1].

    @property
    def variation_ratio(self):
        """Fraction of samples that do not vote for the most voted class."""
        votes = self._classes("variation_ratio")._votes
        return classes.variation_ratio(votes, self._count_like(votes), self.kind)

    @property
    def disagreement(self):
        """Probability that two different samples vote for different classes."""
        votes = self._classes("disagreement")._votes
        return classes.disagreement(votes, self._count_like(votes), self.kind)

    @property
    def max_probability(self):
        """The largest mean probability; of the least certain label if binary."""
        return classes.max_probability(self._classes("max_probability").mean, self.kind)

    @property
    def margin(self):
        """The largest mean probability less the second; a label's is its opposite."""
        return classes.margin(self._classes("margin").mean, self.kind)

    @property
    def label(self):
        """The most probable class, or for each binary label whether it is likely."""
        return classes.label(self._classes("label").mean, self.kind)

    # The samples themselves.

    def quantile(self, q):
        """Quantiles of the samples.

        Args:
            q: Float in `[0, 1]`, or several.

        Returns:
            Array as `mean`, with an axis in front if there are several.

        Raises:
            ValueError: The samples were not kept, or `q` is out of its range.
        """
        for each in np.ravel(q).tolist():
            _validation.probability("q", each)
        if self.samples is None:
            raise ValueError(
                "Quantiles need the samples themselves: call "
                "`mc_predict(..., return_samples=True)`. Received: no samples"
            )
        return np.quantile(self.samples, q, axis=0).astype(self.mean.dtype)

    def interval(self, level=0.9):
        """Central interval of the samples: an interval for the *mean prediction*.

        It is the spread of the model, not of new data: no noise of the data is in it.

        Args:
            level: Float in `(0, 1)`, the fraction of samples inside.

        Returns:
            The pair (lower, upper), arrays as `mean`.

        Raises:
            ValueError: The samples were not kept, or `level` is out of its range.
        """
        expected = "a float value above 0 and below 1"
        level = _validation.real("level", level, expected)
        if not 0 < level < 1:
            raise ValueError(_validation.invalid("level", expected, level))
        lower, upper = self.quantile([(1 - level) / 2, (1 + level) / 2])
        return lower, upper

    # Rows.

    @property
    def uncertainty(self):
        """One number a row that ranks: mutual information, or variance for values.

        Mean over steps and outputs, those that the model masks left out.
        """
        if self.kind in classes.KINDS:
            spread, mask = self.mutual_information, self.mask
        else:
            spread, mask = self.total, self.mask
            if mask is not None:
                mask = mask.reshape(mask.shape + (1,) * (spread.ndim - mask.ndim))
        axes = tuple(range(1, spread.ndim))
        if mask is None:
            return spread.mean(axis=axes)
        return np.mean(spread, axis=axes, where=np.broadcast_to(mask, spread.shape))

    def most_uncertain(self, k):
        """The places of the `k` rows with the largest `uncertainty`, largest first.

        Rows where it is no number come last.
        """
        k = _validation.integer("k", k, minimum=1)
        return np.argsort(-self.uncertainty, kind="stable")[:k]

    def __len__(self):
        return len(self.mean)

    def __getitem__(self, rows):
        """The prediction for some rows: an integer keeps the row axis."""
        places = np.atleast_1d(np.arange(len(self))[rows])
        if places.ndim > 1:
            raise IndexError(
                "Rows are chosen by an integer, a slice, or an array with one axis of "
                f"integers or booleans. Received: {rows!r}"
            )
        changes = {
            name: value[:, places] if name == "samples" else value[places]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        return dataclasses.replace(self, **changes)

    def to_dict(self):
        """All arrays that this kind of output has, by name."""
        return report.arrays(self)

    def save(self, path):
        """Saves `to_dict()` to a compressed `.npz` file, for `numpy.load`."""
        np.savez_compressed(path, **self.to_dict())

    def __repr__(self):
        return report.text(self)

    def _classes(self, name):
        """This prediction, if it is one of classes."""
        if self.kind in classes.KINDS:
            return self
        raise ValueError(
            f"`{name}` needs class probabilities, and a model's output is taken for "
            "plain values unless its last layer's activation says otherwise. Say "
            "outputs='probabilities', 'logits' or 'binary' to `mc_predict`. "
            f"Received: outputs={self.kind!r}"
        )

    def _count_like(self, array):
        return self.count.reshape(self.count.shape + (1,) * (array.ndim - 1))
