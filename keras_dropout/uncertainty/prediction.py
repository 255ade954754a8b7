"""What Monte Carlo prediction gives back."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout._typing import Kind, Masks
from keras_dropout.uncertainty import files, measures, of_moments, report
from keras_dropout.uncertainty import rows as by_rows
from keras_dropout.uncertainty import samples as of_samples
from keras_dropout.uncertainty.measures import By
from keras_dropout.uncertainty.of_classes import OfClasses
from keras_dropout.uncertainty.of_spread import OfSpread


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction(OfSpread, OfClasses):
    """Mean prediction and its uncertainty, row by row.

    `np.asarray(prediction)` is its mean.

    Attributes:
        mean: Array `(rows, ...)`, the mean of the samples; for `outputs="logits"` of
            the probabilities.
        variance: Array as `mean`, in its unit squared: the unbiased variance between
            samples; the *epistemic* part for `outputs="gaussian"`.
        standard_error: Array as `mean`, in its unit: the Monte Carlo standard error of
            `mean`.
        count: Integer array `(rows,)`, how many samples each row has; 0 for moments.
        kind: What the outputs are: `"values"`, `"probabilities"`, `"logits"`,
            `"binary"` or `"gaussian"`.
        class_axis: Integer below 0, the axis of the classes or labels of `mean`,
            counted from the last. `None` for values, and if there is one label per row
            without an axis.
        active: Tuple of strings, the layers that were noisy.
        masks: How the masks of the samples depend on each other, as in `mc_predict`.
        seed: The seed that repeats this prediction, or `None`.
        samples: Array `(samples, rows, ...)` with `return_samples=True`, or `None`.
        valid: Boolean array of the steps that are not masked, if the model masks its
            outputs, or `None`. `most_uncertain` ignores masked steps.
        calibration: Tuple of strings, the calibrations that were applied, in order.
        exact: Whether mean and variance from `propagate_moments` are exact, up to
            rounding. `None` for samples.
        statistics: Arrays that only some kinds of output have, by name. For classes
            `"information"`, `"information_bias"` (how much too low it is on average)
            and `"information_error"`, one number for each vector of classes, and
            `"votes"`, as `mean`, but not for moments; for Gaussian outputs
            `"noise_variance"`, as `mean`.
    """

    mean: np.ndarray
    variance: np.ndarray
    standard_error: np.ndarray
    count: np.ndarray
    kind: str = "values"
    class_axis: int | None = None
    active: tuple[str, ...] = ()
    masks: str = "independent"
    seed: int | None = None
    samples: np.ndarray | Any = None
    valid: np.ndarray | Any = None
    calibration: tuple[str, ...] = ()
    exact: bool | None = None
    statistics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_samples(
        cls,
        samples: ArrayLike,
        kind: Kind = "values",
        *,
        axis: int = -1,
        valid: ArrayLike | None = None,
        noise_variance: ArrayLike | None = None,
        masks: Masks = "independent",
        block: int | None = None,
        active: Iterable[str] = (),
        seed: int | None = None,
    ) -> Self:
        """Makes a prediction from samples of another program.

        Args:
            samples: Array `(samples, rows, ...)`. They are kept.
            kind: `"values"`, `"probabilities"`, `"logits"`, `"binary"` or
                `"gaussian"`, for which the samples are means. One logit a row makes
                a prediction of kind `"binary"`.
            axis: Integer, the axis of the classes or labels in `samples`: 2 or more, or
                below 0 to count from the last.
            valid: Boolean array `(rows, ...)`, the steps that are not masked, or
                `None`.
            noise_variance: Array as `samples`, the variance of the data's own noise,
                for `kind="gaussian"`.
            masks: How masks depend on each other, as in `mc_predict`: `"independent"`,
                `"shared"`, `"antithetic"` (pairs, one after the other) or
                `"stratified"`.
            block: Integer, how many samples depend on one another, one after the
                other, or `None` for what `masks` says: 2 if antithetic, all if
                stratified, else 1.
            active: Strings, the layers that were noisy.
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
        return cls(**fields, active=tuple(active), masks=masks, seed=seed)

    @classmethod
    def from_moments(
        cls,
        mean: np.ndarray,
        variance: np.ndarray,
        kind: Literal["values", "probabilities", "binary", "gaussian"] = "values",
        *,
        exact: bool,
        axis: int = -1,
        valid: np.ndarray | None = None,
        noise_variance: np.ndarray | None = None,
        active: Iterable[str] = (),
    ) -> Self:
        r"""The prediction that means and variances from elsewhere make.

        There are no samples: `count` is 0, `standard_error` too, and there are no votes
        of classes. The mutual information of classes is taken to second order,
        $\tfrac12 \sum_c \sigma_c^2 / \bar p_c$, at most the entropy.

        Args:
            mean: Array `(rows, ...)`, the mean of the outputs.
            variance: Array as `mean`, their variance under the noise.
            kind: `"values"`, `"probabilities"`, `"binary"` or `"gaussian"`.
            exact: Boolean, whether both are those of the model, up to rounding.
            axis: Integer below 0, the axis of the classes or labels from the last.
            valid: Boolean array `(rows, ...)`, the steps that are not masked, or
                `None`.
            noise_variance: Array as `mean`, the variance of the data's own noise, for
                `kind="gaussian"`.
            active: Strings, the layers that were noisy.

        Returns:
            A `Prediction`.

        Raises:
            TypeError: An argument is of the wrong kind.
            ValueError: A shape or a value does not fit.

        Examples:
            >>> import numpy as np
            >>> import keras_dropout as kd
            >>> mean, variance = np.array([[1.0], [2.0]]), np.array([[0.1], [0.4]])
            >>> prediction = kd.Prediction.from_moments(mean, variance, exact=True)
            >>> prediction.exact, prediction.rank().tolist()
            (True, [1, 0])
        """
        of = mean, variance, kind, axis, valid, noise_variance
        exact = _validation.boolean("exact", exact)
        fields = of_moments.fields(*of)
        return cls(**fields, kind=kind, exact=exact, active=tuple(active))

    @property
    def uncertainty(self) -> np.ndarray:
        """One number a row that ranks: `entropy`, or `total` variance for values.

        Mean over steps and outputs, those that the model masks left out.
        """
        return measures.of_rows(self, "auto")

    def rank(self, by: By = "auto") -> np.ndarray:
        """The places of all rows, the least certain first.

        Args:
            by: What ranks, the name of an attribute: `"entropy"`,
                `"mutual_information"`, `"expected_entropy"`, `"max_probability"`,
                `"margin"` (both smallest first), `"variation_ratio"`,
                `"disagreement"`, `"std"`, `"epistemic"`, `"aleatoric"` or `"total"`.
                `"auto"` is entropy for classes, which finds errors and rows from
                outside nearly as well as the best measure for each (see the page *What
                uncertainty buys*), and total variance for values. Where a row has
                several numbers their mean counts, masked steps left out.

        Returns:
            Integer array `(rows,)`. Equal rows keep their order; rows where it is no
            number come last.

        Raises:
            ValueError: There is no such measure for this kind of output.
        """
        return np.argsort(-measures.of_rows(self, by), kind="stable")

    def most_uncertain(self, k: int, by: By = "auto") -> np.ndarray:
        """The places of the `k` least certain rows, as `rank` has them."""
        k = _validation.integer("k", k, minimum=1)
        return self.rank(by)[:k]

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: Any) -> Self:
        """The prediction for some rows: an integer keeps the row axis."""
        return dataclasses.replace(self, **by_rows.chosen(self, rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return by_rows.array(self.mean, dtype, copy)

    def to_dict(self) -> dict[str, np.ndarray]:
        """All arrays that this kind of output has, by name."""
        return report.arrays(self)

    def save(self, path: str | pathlib.Path) -> None:
        """Saves all of it to a compressed `.npz` file; `.npz` is added if missing.

        `load` reads it back whole, `numpy.load` the arrays of `to_dict()` by name.
        """
        files.save(self, path)

    @classmethod
    def load(cls, path: str | pathlib.Path) -> Self:
        """The prediction that `save` wrote; `.npz` may be left out of the path.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file holds no prediction.
        """
        return cls(**files.load(path))

    def __repr__(self) -> str:
        return report.text(self)

    def _repr_html_(self) -> str:
        return report.html(self)
