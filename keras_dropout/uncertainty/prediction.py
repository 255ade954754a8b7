"""What Monte Carlo prediction gives back."""

import dataclasses

import numpy as np

from keras_dropout.uncertainty import classes

_CLASSES = ("probabilities", "logits", "binary")


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
        count = self._count_like(self.mutual_information)
        return self.mutual_information * (count / np.maximum(count - 1, 1))

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

    def quantile(self, q):
        """Quantiles of the samples.

        Args:
            q: Float in `[0, 1]`, or several.

        Returns:
            Array as `mean`, with an axis in front if there are several.
        """
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
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie between 0 and 1. Received: {level=}")
        return tuple(self.quantile([(1 - level) / 2, (1 + level) / 2]))

    # Rows.

    @property
    def uncertainty(self):
        """One number a row that ranks: mutual information, or variance for values.

        Mean over steps and outputs, those that the model masks left out.
        """
        if self.kind in _CLASSES:
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
        """The places of the `k` rows with the largest `uncertainty`, largest first."""
        return np.argsort(-self.uncertainty, kind="stable")[:k]

    def __len__(self):
        return len(self.mean)

    def __getitem__(self, rows):
        """The prediction for some rows: an integer keeps the row axis."""
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of a prediction of {len(self)} rows")
            rows = slice(rows, rows + 1 or None)
        changes = {
            field.name: self._take(field.name, rows)
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **changes)

    def to_dict(self):
        """All arrays that this kind of output has, by name."""
        names = ["mean", "std", "variance", "standard_error", "count"]
        if self._aleatoric is not None:
            names += ["epistemic", "aleatoric", "total"]
        if self.kind in _CLASSES:
            names += [
                "entropy",
                "expected_entropy",
                "mutual_information",
                "mutual_information_error",
                "variation_ratio",
                "disagreement",
                "margin",
                "max_probability",
            ]
        names += [
            name for name in ("samples", "mask") if getattr(self, name) is not None
        ]
        return {name: getattr(self, name) for name in names}

    def save(self, path):
        """Saves `to_dict()` to a compressed `.npz` file."""
        np.savez_compressed(path, **self.to_dict())

    def __repr__(self):
        lines = [
            f"Prediction of {len(self)} rows, {self.kind}, mean of shape "
            f"{self.mean.shape}, {_span(self.count)} {self.masks} samples",
            f"  noise: {', '.join(self.active) or 'none'} (seed {self.seed})",
            f"  std: {_spread(self.std)}",
            f"  standard error of the mean: {_spread(self.standard_error)}",
        ]
        if self.kind in _CLASSES:
            lines.append(f"  entropy: {_spread(self.entropy)} nats")
            lines.append(f"  mutual information: {_spread(self._information)} nats")
        if self._aleatoric is not None:
            lines.append(f"  aleatoric variance: {_spread(self._aleatoric)}")
        return "\n".join(lines)

    def _take(self, name, rows):
        array = getattr(self, name)
        return array[:, rows] if name == "samples" else array[rows]

    def _classes(self, name):
        """This prediction, if it is one of classes."""
        if self.kind in _CLASSES:
            return self
        raise ValueError(
            f"`{name}` needs class probabilities, and a model's output is taken for "
            "plain values unless its last layer's activation says otherwise. Say "
            "outputs='probabilities', 'logits' or 'binary' to `mc_predict`. "
            f"Received: outputs={self.kind!r}"
        )

    def _count_like(self, array):
        return self.count.reshape(self.count.shape + (1,) * (array.ndim - 1))


def _span(count):
    low, high = count.min(), count.max()
    return str(low) if low == high else f"{low} to {high}"


def _spread(values):
    return f"{np.mean(values):.4g} on average, {np.max(values):.4g} at most"
