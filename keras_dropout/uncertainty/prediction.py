"""What Monte Carlo prediction gives back."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_dropout import _validation
from keras_dropout.uncertainty import classes, files, report
from keras_dropout.uncertainty import rows as by_rows
from keras_dropout.uncertainty import samples as of_samples
from keras_dropout.uncertainty.statistics import Measure


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Mean prediction and its uncertainty, row by row.

    `np.asarray(prediction)` is its mean.

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
        class_axis: Integer below 0, the axis of the classes or labels of `mean`
            counted from the last; `None` for values, and for one label a row without
            an axis of its own.
        active: Tuple of strings, the layers whose noise was on.
        masks: How the samples were joined, as in `mc_predict`.
        seed: The seed that repeats this prediction, or `None`.
        samples: Array `(samples, rows, ...)` where asked for, or `None`.
        valid: Boolean array of the steps that are real, where the model masks its
            outputs, or `None`. `most_uncertain` leaves the others out.
        statistics: What only some kinds of output have, arrays by name. For classes
            `"information"`, `"information_bias"` (how much too low it is on average)
            and `"information_error"`, one number for each vector of classes, and
            `"votes"`, as `mean`; for Gaussian outputs `"noise_variance"`, as `mean`.
    """

    mean: np.ndarray
    variance: np.ndarray
    standard_error: np.ndarray
    count: np.ndarray
    kind: str = "values"
    class_axis: int | None = None
    active: tuple = ()
    masks: str = "independent"
    seed: int | None = None
    samples: np.ndarray | None = None
    valid: np.ndarray | None = None
    statistics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_samples(
        cls,
        samples,
        kind="values",
        *,
        axis=-1,
        valid=None,
        noise_variance=None,
        masks="independent",
        block=None,
        active=(),
        seed=None,
    ):
        """The prediction that samples from elsewhere make.

        Args:
            samples: Array `(samples, rows, ...)`. They are kept.
            kind: `"values"`, `"probabilities"`, `"logits"`, `"binary"` or
                `"gaussian"`, for which the samples are means.
            axis: Integer, the axis of the classes or labels: from 2 on counted in
                `samples`, or below 0 from the last.
            valid: Boolean array `(rows, ...)`, the steps that are real, or `None`.
            noise_variance: Array as `samples`, the variance of the data's own noise,
                for `kind="gaussian"`.
            masks: What joins the samples, as in `mc_predict`: `"independent"`,
                `"shared"`, `"antithetic"` (pairs, one after the other) or
                `"stratified"`.
            block: Integer, how many samples depend on one another, one after the
                other, or `None` for what `masks` says: 2 if antithetic, all if
                stratified, else 1.
            active: Strings, the layers whose noise was on.
            seed: The seed that repeats the samples, or `None`.

        Returns:
            A `Prediction`.

        Raises:
            TypeError: An argument is of the wrong kind.
            ValueError: A shape or a value does not fit.

        Examples:
            >>> import numpy as np
            >>> import keras_dropout as kd
            >>> samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(20, 5))
            >>> prediction = kd.Prediction.from_samples(samples, "probabilities")
            >>> prediction.mean.shape, prediction.mutual_information.shape
            ((5, 3), (5,))
        """
        of = samples, kind, axis, valid, noise_variance, masks, block
        fields = of_samples.fields(*of)
        seed = None if seed is None else _validation.integer("seed", seed, minimum=0)
        return cls(**fields, kind=kind, active=tuple(active), masks=masks, seed=seed)

    @property
    def std(self):
        """Standard deviation, in the unit of `mean`: the root of `total`."""
        return np.sqrt(self.total)

    @property
    def epistemic(self):
        """Variance between samples: what more data would remove."""
        return self.variance

    @property
    def aleatoric(self):
        """Variance of the data's own noise, as the model predicts it."""
        if "noise_variance" not in self.statistics:
            raise ValueError(
                "Only a model that predicts a mean and a log variance knows the noise "
                "of its data. Say so with outputs='gaussian'. "
                f"Received: outputs={self.kind!r}"
            )
        return self.statistics["noise_variance"]

    @property
    def total(self):
        """Predictive variance: `epistemic + aleatoric` where the latter is known."""
        return self.variance + self.statistics.get("noise_variance", 0)

    @property
    def entropy(self):
        """Entropy of the mean probabilities, in nats: total uncertainty."""
        return classes.entropy(self.mean, self._measure("entropy"))

    @property
    def expected_entropy(self):
        """Mean entropy of the samples, in nats: what is left when masks agree."""
        self._measure("expected_entropy")
        return np.maximum(self.entropy - self.mutual_information, 0)

    @property
    def mutual_information(self):
        """Information of the noise about the class, in nats, never negative.

        It is `entropy` less `expected_entropy`; for T independent samples about 1/T
        of it too low, for joined ones less.
        """
        return self._of_classes("mutual_information", "information")

    @property
    def mutual_information_corrected(self):
        r"""`mutual_information` nearly free of bias, in nats.

        It gains $\tfrac12 \sum_c e_c^2 / \bar p_c$ with the standard errors $e_c$ of
        the mean probabilities, which know how the samples are joined. Nothing is added
        where they are all of one stratified call.
        """
        bias = self._of_classes("mutual_information_corrected", "information_bias")
        return self.mutual_information + bias

    @property
    def mutual_information_error(self):
        """Monte Carlo standard error of `mutual_information`, in nats.

        It comes from the spread of independent blocks of samples. Where all are of one
        stratified call, it is what independent samples would have, which is too large;
        so is `standard_error`.
        """
        return self._of_classes("mutual_information_error", "information_error")

    @property
    def variation_ratio(self):
        """Fraction of samples that do not vote for the most voted class."""
        votes = self._of_classes("variation_ratio", "votes")
        return classes.variation_ratio(votes, self.count, self._measure())

    @property
    def disagreement(self):
        """Probability that two different samples vote for different classes."""
        votes = self._of_classes("disagreement", "votes")
        return classes.disagreement(votes, self.count, self._measure())

    @property
    def max_probability(self):
        """The largest mean probability; of the least certain label if binary."""
        return classes.max_probability(self.mean, self._measure("max_probability"))

    @property
    def margin(self):
        """The largest mean probability less the second; a label's is its opposite."""
        return classes.margin(self.mean, self._measure("margin"))

    @property
    def label(self):
        """The most probable class, or for each binary label whether it is likely."""
        return classes.label(self.mean, self._measure("label"))

    def quantile(self, q):
        """Quantiles of the samples.

        Args:
            q: Float in `[0, 1]`, or several, which then have an axis in front.

        Raises:
            ValueError: The samples were not kept, or `q` is out of its range.
        """
        return by_rows.quantile(self, q)

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
        return by_rows.interval(self, level)

    @property
    def uncertainty(self):
        """One number a row that ranks: mutual information, or variance for values.

        Mean over steps and outputs, those that the model masks left out.
        """
        return by_rows.uncertainty(self)

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
        return dataclasses.replace(self, **by_rows.chosen(self, rows))

    def __array__(self, dtype=None, copy=None):
        return by_rows.array(self.mean, dtype, copy)

    def to_dict(self):
        """All arrays that this kind of output has, by name."""
        return report.arrays(self)

    def save(self, path):
        """Saves all of it to a compressed `.npz` file; `.npz` is added if missing.

        `load` reads it back whole, `numpy.load` the arrays of `to_dict()` by name.
        """
        files.save(self, path)

    @classmethod
    def load(cls, path):
        """The prediction that `save` wrote; `.npz` may be left out of the path.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file holds no prediction.
        """
        return cls(**files.load(path))

    def __repr__(self):
        return report.text(self)

    def _repr_html_(self):
        return report.html(self)

    def _measure(self, name=None):
        """Where the classes are, if this is a prediction of classes."""
        if self.kind not in classes.KINDS:
            raise ValueError(
                f"`{name}` needs class probabilities, and a model's output is taken "
                "for plain values unless it ends in a softmax or a sigmoid that can be "
                "read, or its values were seen to be probabilities. Say "
                "outputs='probabilities', 'logits' or 'binary' to `mc_predict`. "
                f"Received: outputs={self.kind!r}"
            )
        kind = "binary" if self.kind == "binary" else "probabilities"
        return Measure(kind, self.class_axis)

    def _of_classes(self, name, key):
        self._measure(name)
        return self.statistics[key]
