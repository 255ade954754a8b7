"""Scores of an uncertainty, beside those of the same model without its noise."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout._validation import invalid
from keras_dropout.uncertainty import classes, columns, measures, scoring, table
from keras_dropout.uncertainty.measures import By
from keras_dropout.uncertainty.prediction import Prediction
from keras_dropout.uncertainty.scoring import Score

_NO_NOISE = (
    "nll and coverage need to know how much the data scatter about what a model "
    "predicts, which plain values do not tell. Pass noise_variance=, for example that "
    "of calibration.ResidualNoise on held-out data, or train for outputs='gaussian'. "
    "crps takes the spread of the model for all there is"
)
_NO_BASELINE = (
    "no baseline: pass baseline=model.predict(x), the model without noise, or call "
    "mc_evaluate, to see what the noise is worth"
)


class Evaluation(Mapping[str, float]):
    r"""What an uncertainty is worth: numbers by name.

    For classes (each label of outputs, steps and pixels that counts is one):

    - `accuracy`: the fraction of labels that are right.
    - `nll`: $-\frac1n \sum_i \log \bar p_{i y_i}$ in nats, of the mean probabilities,
      which are those of the mixture of all samples.
    - `brier`: $\frac1n \sum_i \sum_c (\bar p_{ic} - [y_i = c])^2$; for a binary label
      $(\bar p_i - y_i)^2$.
    - `ece`: the expected calibration error over 15 bins.
    - `aurc`: the area under the curve of the error rate against the fraction of labels
      that are answered, the least certain ones left out first.
    - `error_auroc`: the probability that a wrong label is less certain than a right
      one; NaN if all are right or all are wrong.

    For values, in their unit but for `nll` (nats) and the coverages (fractions):

    - `rmse`: the root of the mean squared error of the mean.
    - `nll`: $-\log \frac1T \sum_t N(y; \mu_t, \sigma_t^2)$, the mixture of all samples
      with the noise of the data about each.
    - `crps`: the continuous ranked probability score of the normal distribution that
      has the mean and the total variance.
    - `coverage_50`, `coverage_90`, `coverage_95`: the fraction of values inside the
      central interval of that distribution.
    - `sharpness`: the root of its mean variance.

    Attributes:
        errors: The standard errors of the scores over rows, by name.
        baseline: The `Evaluation` of the same model without noise, of a list of models
            the mean of that of each single one, or `None`.
        difference: The scores less those of the baseline, by name.
        difference_errors: The standard errors of `difference`. Both have the same rows,
            so these are smaller than the two errors suggest.
        kind: What the outputs are, as in `Prediction`.
        rows: How many rows there are.
        by: The measure of uncertainty that `aurc` and `error_auroc` rank by.
        notes: Strings, what could not be told, and why.
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
        """The scores less those of the baseline, by name; empty without one."""
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
            raise KeyError(f"{name!r}: {_NO_NOISE}")
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
        """Two pictures, each with a line for the model with and without noise.

        For classes the accuracy against the confidence (reliability), for values the
        fraction of values below each predicted quantile; then the error of what is
        answered against the fraction that is answered.

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
        """Writes one file that holds the table and the pictures, to hand on.

        Args:
            path: Where to write it.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        from keras_dropout.plots import judged

        picture = judged.as_svg(self)
        text = table.page(self, picture)
        pathlib.Path(path).write_text(text, encoding="utf-8")


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
        return [_NO_NOISE]
    return []


def ranked_without_noise(by: str) -> str:
    """What ranks where there is a single sample."""
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


def evaluate(
    prediction: Prediction,
    y: ArrayLike,
    *,
    noise_variance: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    baseline: Any = None,
    by: By = "max_probability",
) -> Evaluation:
    """Scores a prediction at hand, and the model without noise if that is given.

    Args:
        prediction: A `Prediction`.
        y: The truth. Labels as integers or one-hot; binary labels, or values, as the
            means are. Where steps are masked, theirs do not count.
        noise_variance: For plain values, the variance of the data about what the model
            predicts, a number or an array that broadcasts to the means; in the unit of
            `y` squared. `None` if the prediction knows it or nobody does.
        sample_weight: Weights `(rows,)`, or one for each label or value.
        baseline: What the model says without noise: what `model.predict(x)` returns, or
            a `Prediction`. `None` leaves the comparison out, and says so.
        by: The measure of uncertainty that ranks rows for `aurc` and `error_auroc`, the
            name of an attribute of `Prediction`.

    Returns:
        An `Evaluation`. The `nll` of a Gaussian prediction is the mixture's if it kept
        its samples, with the mean variance of the noise about each; without samples
        that of the normal distribution of the same mean and variance.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: Shapes or labels do not fit, or an argument is out of its range.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> samples = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])
        >>> prediction = kd.Prediction.from_samples(samples, "probabilities")
        >>> scores = kd.evaluate(prediction, [0, 1])
        >>> scores["accuracy"], round(scores["nll"], 4)
        (1.0, 0.367)
    """
    if not isinstance(prediction, Prediction):
        expected = (
            "a `Prediction`; of a model with several outputs, one of those that "
            "`mc_predict` returns"
        )
        raise TypeError(invalid("prediction", expected, prediction))
    by = checked_by(prediction.kind, by)
    noise_variance = checked_noise(prediction.kind, noise_variance)
    notes = notes_of(prediction.kind, noise_variance)
    if baseline is None:
        notes.append(_NO_BASELINE)
    else:
        other = _baseline(prediction, baseline)
        ranked = ranked_without_noise(by)
        found = columns.of(other, y, sample_weight, ranked, noise_variance)
        baseline = finished(found, prediction.kind, ranked)
    found = columns.of(prediction, y, sample_weight, by, noise_variance)
    return finished(found, prediction.kind, by, baseline, notes)


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


def _baseline(prediction, given):
    if isinstance(given, Prediction):
        return given
    kind, axis, valid = prediction.kind, prediction.class_axis, prediction.valid
    if kind != "gaussian":
        outputs = np.asarray(given)
        if kind == "logits":
            powers = np.exp(outputs - outputs.max(axis=axis, keepdims=True))
            outputs = powers / powers.sum(axis=axis, keepdims=True)
        return without_noise(_shaped(outputs, prediction), kind, axis, valid)
    if isinstance(given, Mapping):
        given = given["mean"], given["log_variance"]
    if not isinstance(given, (list, tuple)):
        given = np.split(np.asarray(given), 2, axis=-1)
    mean, log_variance = (np.asarray(each, np.float64) for each in given)
    noise = np.exp(log_variance)
    return without_noise(_shaped(mean, prediction), kind, axis, valid, noise)


def _shaped(outputs, prediction):
    if outputs.shape != prediction.mean.shape:
        expected = f"outputs of shape {prediction.mean.shape}"
        raise ValueError(invalid("baseline", expected, outputs.shape))
    return outputs
