"""Scores of an uncertainty, next to those of the same model without its noise."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_dropout.uncertainty import scoring, table
from keras_dropout.uncertainty.scoring import Score

NO_NOISE = (
    "nll and coverage need the variance of the data noise, which a model of plain "
    "values does not predict. Pass noise_variance=, for example that of "
    "calibration.ResidualNoise on held-out data, or train for outputs='gaussian'. "
    "crps uses the spread of the model only"
)


class Evaluation(Mapping[str, float]):
    r"""Scores of an uncertainty, by name.

    For classes (each label of an output, step or pixel counts as one):

    - `accuracy`: the fraction of labels that are right.
    - `nll`: $-\frac1n \sum_i \log \bar p_{i y_i}$ in nats, of the mean probabilities of
      all samples.
    - `brier`: $\frac1n \sum_i \sum_c (\bar p_{ic} - [y_i = c])^2$; for a binary label
      $(\bar p_i - y_i)^2$.
    - `ece`: the expected calibration error over 15 bins.
    - `aurc`: the area under the curve of the error rate against the fraction of
      answered labels, with the least certain ones left out first.
    - `error_auroc`: the probability that a wrong label is less certain than a right
      one; NaN if all are right or all are wrong.

    For values, in their unit, except for `nll` (nats) and the coverages (fractions):

    - `rmse`: the root of the mean squared error of the mean.
    - `nll`: $-\log \frac1T \sum_t N(y; \mu_t, \sigma_t^2)$, the mixture of all samples
      with the data noise around each.
    - `crps`: the continuous ranked probability score of the normal distribution with
      the mean and the total variance.
    - `coverage_50`, `coverage_90`, `coverage_95`: the fraction of values inside the
      central interval of that distribution.
    - `sharpness`: the root of its mean variance.

    Attributes:
        errors: The standard errors of the scores over rows, by name.
        baseline: The `Evaluation` of the same model without noise, or `None`. For a
            list of models it is the mean over the single models.
        difference: The scores minus those of the baseline, by name.
        difference_errors: The standard errors of `difference`. Both are scored on the
            same rows, so these are smaller than the two errors suggest.
        kind: What the outputs are, as in `Prediction`.
        rows: How many rows there are.
        by: The measure of uncertainty that `aurc` and `error_auroc` rank by.
        notes: Strings, which scores are missing, and why.
    """

    def __init__(
        self,
        found: Mapping[str, np.ndarray],
        kind: str,
        by: str,
        baseline: Evaluation | None = None,
        notes: Sequence[str] = (),
        scores: Mapping[str, Score] | None = None,
    ) -> None:
        self.columns = found
        self.kind: str = kind
        self.by: str = by
        self.baseline: Evaluation | Any = baseline
        self.rows: int = len(np.unique(found["row"]))
        self.notes: tuple[str, ...] = tuple(notes)
        self._scores = dict(scoring.scores(found) if scores is None else scores)

    def score(self, name: str) -> Score:
        """A score with its influence of each row, for errors of sums and differences.

        Args:
            name: The name of the score.
        """
        return self._scores[name]

    @property
    def errors(self) -> dict[str, float]:
        """The standard errors of the scores over rows, by name."""
        return {name: score.error for name, score in self._scores.items()}

    @property
    def difference(self) -> dict[str, float]:
        """The scores minus those of the baseline, by name; empty without a baseline."""
        if self.baseline is None:
            return {}
        return {name: self[name] - self.baseline[name] for name in self._shared()}

    @property
    def difference_errors(self) -> dict[str, float]:
        """The standard errors of `difference` over rows, by name."""
        if self.baseline is None:
            return {}
        others = self.baseline._scores
        return {
            name: scoring.standard_error(
                self._scores[name].influence - others[name].influence
            )
            for name in self._shared()
        }

    def _shared(self):
        return [name for name in self if name in self.baseline]

    def __getitem__(self, name: str) -> float:
        of_noise = name == "nll" or name in scoring.LEVELS
        if of_noise and self.kind == "values" and name not in self._scores:
            raise KeyError(f"{name!r}: {NO_NOISE}")
        return self._scores[name].value

    def __contains__(self, name: object) -> bool:
        return name in self._scores

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        return table.text(self)

    def _repr_html_(self) -> str:
        return table.html(self)

    def plot(self, axes: Any = None) -> Any:
        """Draws two pictures, each with one line with noise and one without.

        For classes the accuracy against the confidence (reliability), for values the
        fraction of values below each predicted quantile; then the error of the answered
        rows against the fraction of answered rows.

        Args:
            axes: A pair of Matplotlib axes, or `None` for new ones.

        Returns:
            The pair of axes.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        from keras_dropout.plots import judged

        return judged.evaluation(self, axes)

    def to_html(self, path: str | pathlib.Path) -> None:
        """Writes one HTML file with the table and the pictures, to share.

        Args:
            path: Where to write it.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        from keras_dropout.plots import judged

        picture = judged.as_svg(self)
        text = table.page(self, picture)
        pathlib.Path(path).write_text(text, encoding="utf-8")
