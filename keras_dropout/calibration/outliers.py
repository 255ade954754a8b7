"""Rows that are unlike the rows of the known kind."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout.metrics.values import level
from keras_dropout.uncertainty import Prediction, measures
from keras_dropout.uncertainty.fitted import CLASSES, VALUES, Calibration, real
from keras_dropout.uncertainty.measures import By
from keras_dropout.uncertainty.statistics import Measure


@registered
class OutlierDetector(Calibration):
    r"""Finds rows with a larger uncertainty than nearly all rows of the known kind.

    $$p(x) = \frac{1 + \#\{i : u_i \ge u(x)\}}{n + 1}$$

    is a valid p-value: for a new row that is exchangeable with the $n$ held-out ones,
    $P(p \le \alpha) \le \alpha$. So on average at most a fraction $1 - $
    `confidence_level` of the rows of the known kind is called an outlier.
    `metrics.separation` says how many outliers are found. If $1 / (n + 1)$ exceeds that
    fraction, nothing is called an outlier.

    Args:
        confidence_level: Float in `(0, 1)`, the fraction of known rows that are not
            called outliers.
        score: The uncertainty $u$, the name of an attribute of `Prediction`, as in
            `Prediction.rank`. `None` is the entropy of classes, or the total variance
            of values. It is averaged over steps and outputs. Mutual information finds
            some outliers better, and others worse.

    Attributes:
        scores: Array `(n,)`, the held-out uncertainties, sorted.

    Raises:
        TypeError: `confidence_level` is not a number.
        ValueError: An argument is out of its range.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> p = np.random.default_rng(0).beta(9, 1, size=99)[:, None]
        >>> inside = kd.Prediction.from_samples(
        ...     np.stack([p, 1 - p], -1)[None, :, 0], "probabilities"
        ... )
        >>> detector = kd.calibration.OutlierDetector(0.9).fit(inside)
        >>> bool(detector.is_outlier(inside).mean() <= 0.1)
        True

    References:
        - Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World
        - Bates et al., 2023, [Testing for Outliers with Conformal
          p-values](https://arxiv.org/abs/2104.08279)
    """

    kinds: tuple[str, ...] = (*CLASSES, *VALUES)
    needs_masks = True

    def __init__(self, confidence_level: float = 0.95, score: By | None = None) -> None:
        super().__init__()
        self.confidence_level: float = level("confidence_level", confidence_level)
        if score is not None:
            _validation.choice("score", score, ("auto", *measures.MEASURES))
        self.score = score

    @property
    def scores(self) -> np.ndarray:
        """The held-out uncertainties, sorted."""
        return np.asarray(self._require_fitted()["scores"], np.float64)

    def fit(self, prediction: Prediction) -> Self:
        """Stores the uncertainties of rows of the known kind.

        Args:
            prediction: A `Prediction` of rows of the known kind that the model was not
                trained on.

        Returns:
            Itself.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: There is no such measure for this kind of output.
        """
        self._check_kind(prediction)
        scores = self._scores(prediction)
        scores = np.sort(scores[~np.isnan(scores)])
        if not len(scores):
            raise ValueError("One row or more must have a step that is not masked")
        return self._note(prediction, scores=scores.tolist(), rows=len(scores))

    def p_value(self, prediction: Prediction) -> np.ndarray:
        """The p-value of each row, small if the row is unlike the known ones.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.

        Returns:
            Array `(rows,)` of numbers in `(0, 1]`; NaN for rows without a real step.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was made in another way, or the object is not fitted.
        """
        self._check_alike(prediction)
        scores, known = self._scores(prediction), self.scores
        above = len(known) - np.searchsorted(known, scores, side="left")
        return np.where(np.isnan(scores), np.nan, (1 + above) / (len(known) + 1))

    def is_outlier(self, prediction: Prediction) -> np.ndarray:
        """Whether each row is an outlier: Booleans `(rows,)`.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was made in another way, or the object is not fitted.
        """
        # 1 - 0.95 is a little more than 0.05 in binary, 1 - 0.9 a little less than 0.1.
        return self.p_value(prediction) <= 1 - self.confidence_level + 1e-9

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Adds `"p_value"` to what `MonteCarlo` answers."""
        score = xp.cast(self._of_answer(answer, measure, xp), "float32")
        if len(score.shape) > 1:
            score = xp.mean(score, axis=tuple(range(1, len(score.shape))))
        known = xp.array(self.scores.astype("float32"))
        above = xp.cast(xp.searchsorted(known, score, side="left"), "float32")
        rows = len(self.scores)
        answer["p_value"] = (1.0 + rows - above) / (rows + 1.0)

    def _of_answer(self, answer, measure, xp):
        score = self.score or "auto"
        if score == "auto":
            score = "entropy" if measure.has_classes else "total"
        if score in answer:
            return answer[score]
        if score in ("total", "epistemic") and not measure.has_classes:
            # Without data noise there is no other variance.
            return answer["std"] ** 2
        if score == "max_probability" and measure.kind != "binary":
            return 1.0 - xp.max(answer["mean"], axis=measure.axis)
        raise ValueError(
            f"`MonteCarlo` does not answer with {score!r}. Fit an `OutlierDetector` "
            "with score='entropy', 'mutual_information', 'expected_entropy', "
            "'max_probability' or 'std'"
        )

    def _scores(self, prediction):
        # As single precision has them, which models answer in.
        scores = measures.of_rows(prediction, self.score or "auto", "score")
        return scores.astype(np.float32).astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        own = {"confidence_level": self.confidence_level, "score": self.score}
        return {**super().get_config(), **own}

    def _check_found(self, found):
        if not len(real("scores", found["scores"])):
            raise ValueError("no scores")
        found["scores"] = sorted(found["scores"])

    def _told(self):
        return [f"rows={len(self.scores)}"]
