"""Sets of classes that hold the true one as often as they promise."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout._validation import invalid
from keras_dropout.calibration.quantiles import conformal_quantile
from keras_dropout.calibration.temperature import labelled
from keras_dropout.metrics import _labels
from keras_dropout.metrics.values import level
from keras_dropout.uncertainty import Prediction
from keras_dropout.uncertainty.fitted import CLASSES, Calibration, measure_of, real
from keras_dropout.uncertainty.statistics import Measure

Method = Literal["lac", "aps", "raps"]
METHODS = ("lac", "aps", "raps")
# Scores that differ by the rounding of float32 count as equal, so that a set does not
# depend on where it was computed.
_ROUNDING = 1e-6


@registered
class ConformalClassifier(Calibration):
    r"""Sets of classes that contain the true class with a promised probability.

    On held-out rows each label gets a score $s(x, y)$, which is large if the label was
    unexpected. The set of a new row contains all classes with a score of at most the
    $k$-th smallest of the $n$ held-out scores, $k = \lceil (n + 1) c \rceil$. If the
    rows are exchangeable, the set contains the true class with probability $c \le P \le
    c + 1 / (n + 1)$, for any model. If $k > n$, the set contains all classes. The
    promise holds on average over rows, not for each class or region. Steps and pixels
    of a row are not independent, so for them it is approximate.

    - `"lac"`: $s = 1 - p_y$. The smallest sets on average; they may be empty.
    - `"aps"`: the total probability of all classes up to $y$, the most probable first,
      $\sum_{c: p_c > p_y} p_c + U p_y$. Sets are larger for rows that are harder.
    - `"raps"`: like `"aps"`, plus `penalty` for each rank beyond `free_ranks`, so that
      sets do not contain many improbable classes.

    Args:
        confidence_level: Float in `(0, 1)`, the promised probability $c$.
        method: The score.
        penalty: Float of at least 0, for `"raps"`, the cost of each further rank.
        free_ranks: Integer of at least 0, for `"raps"`, the ranks that cost nothing.
        randomized: Boolean, for `"aps"` and `"raps"`. If true, $U$ is drawn uniformly,
            one number for each row, instead of 1. Then sets are smaller, but partly
            random. In `MonteCarlo` each call draws new numbers, and returns them as
            `"uniform"`.
        allow_empty: Boolean. Whether a set may be empty. If not, it contains at least
            the most probable class.
        seed: Integer in `[0, 2**31)` for $U$, or `None` for others each time.

    Attributes:
        quantile: The largest score of a class in a set. Infinite if sets contain all
            classes.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of its range.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> p = np.random.default_rng(0).dirichlet(np.ones(3), size=99)
        >>> held_out = kd.Prediction.from_samples(p[None], "probabilities")
        >>> sets = kd.calibration.ConformalClassifier(0.8).fit(held_out, p.argmax(-1))
        >>> sets.predict_set(held_out).shape
        (99, 3)

    References:
        - Sadinle, Lei and Wasserman, 2019, [Least Ambiguous Set-Valued Classifiers with
          Bounded Error Levels](https://arxiv.org/abs/1609.00451)
        - Romano, Sesia and Candès, 2020, [Classification with Valid and Adaptive
          Coverage](https://arxiv.org/abs/2006.02544)
        - Angelopoulos et al., 2021, [Uncertainty Sets for Image Classifiers using
          Conformal Prediction](https://arxiv.org/abs/2009.14193)
    """

    kinds: tuple[str, ...] = CLASSES

    def __init__(
        self,
        confidence_level: float = 0.9,
        method: Method = "lac",
        *,
        penalty: float = 0.01,
        free_ranks: int = 5,
        randomized: bool = False,
        allow_empty: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.confidence_level: float = level("confidence_level", confidence_level)
        self.method: Method = _validation.choice("method", method, METHODS)
        self.penalty: float = _validation.non_negative("penalty", penalty)
        self.free_ranks: int = _validation.integer("free_ranks", free_ranks, minimum=0)
        self.randomized: bool = _validation.boolean("randomized", randomized)
        self.allow_empty: bool = _validation.boolean("allow_empty", allow_empty)
        self.seed: int | None = (
            None if seed is None else _validation.integer("seed", seed, minimum=0)
        )

    @property
    def quantile(self) -> float:
        """The largest score of a class in a set."""
        return self._require_fitted()["quantile"]

    def fit(self, prediction: Prediction, y: ArrayLike) -> Self:
        """Finds the quantile of the scores of the true labels.

        Args:
            prediction: A `Prediction` of data that were used to fit nothing else.
            y: Its labels, integers or one-hot. Those of masked steps do not count.

        Returns:
            Itself.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It is not a prediction of classes, or the labels do not fit.
        """
        self._check_kind(prediction)
        p, y = labelled(prediction, y)
        targets, p, _ = _labels.read(y, p)
        scores = self.scores(p, np, self._uniform(p.shape[:-1], 0))
        scores = (scores * targets).sum(axis=-1)
        quantile = conformal_quantile(scores, self.confidence_level)
        return self._note(prediction, quantile=float(quantile), rows=len(scores))

    @property
    def needs_uniform(self) -> bool:
        """Whether chance decides."""
        return self.randomized and self.method != "lac"

    def predict_set(
        self, prediction: Prediction, uniform: ArrayLike | None = None
    ) -> np.ndarray:
        """The sets of classes.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.
            uniform: The numbers $U$ in `[0, 1]`, of the shape of the mean without its
                classes, to repeat earlier sets. `None` draws new ones. Has no effect
                unless `randomized`.

        Returns:
            Booleans of the shape of the mean, `(rows, classes)`. For binary labels
            there is one more axis, of size 2: whether 0, and whether 1 belongs to the
            set.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was not made alike, this is not fitted, or `uniform` is out
                of its range or of another shape.
        """
        self._check_alike(prediction)
        measure = measure_of(prediction)
        p = np.asarray(prediction.mean, np.float64)

        def numbers(shape):
            if uniform is None:
                return self._uniform(shape, 1)
            given = np.asarray(uniform, np.float64)
            if given.shape != shape or not ((given >= 0) & (given <= 1)).all():
                expected = f"numbers in [0, 1] of shape {shape}"
                raise ValueError(invalid("uniform", expected, uniform))
            return given if self.needs_uniform else None

        return self._sets(p, measure, np, numbers)

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Adds `"set"` to what `MonteCarlo` answers."""
        uniform = answer["uniform"] if self.needs_uniform else None
        answer["set"] = self._sets(answer["mean"], measure, xp, lambda shape: uniform)

    def _sets(self, p, measure, xp, uniform):
        if measure.kind == "binary":
            p = xp.stack([1.0 - p, p], axis=-1)
        else:
            p = xp.moveaxis(p, measure.axis, -1)
        scores = self.scores(p, xp, uniform(p.shape[:-1]))
        # Infinity is not safe in a float32 graph.
        quantile = min(self.quantile, 1e30)
        chosen = scores <= quantile + _ROUNDING
        if not self.allow_empty:
            best = xp.max(p, axis=-1, keepdims=True)
            chosen = xp.logical_or(chosen, p >= best)
        if measure.kind == "binary":
            return chosen
        return xp.moveaxis(chosen, -1, measure.axis)

    def scores(self, p: Any, xp: Any, uniform: Any = None) -> Any:
        """The score of each class, of probabilities `(..., classes)`.

        Args:
            p: The probabilities.
            xp: `numpy` or `keras.ops`.
            uniform: The numbers $U$ of shape `(...)`, or `None` for 1.
        """
        if self.method == "lac":
            return 1.0 - p
        # Of equal probabilities the first class comes first, as in each backend.
        order = np.argsort(-p, kind="stable") if xp is np else xp.argsort(-p, axis=-1)
        sorted_p = xp.take_along_axis(p, order, axis=-1)
        scores = xp.cumsum(sorted_p, axis=-1)
        if uniform is not None:
            scores = scores - (1.0 - uniform[..., None]) * sorted_p
        if self.method == "raps":
            rank = np.arange(1, p.shape[-1] + 1)
            fines = self.penalty * np.maximum(rank - self.free_ranks, 0)
            scores = scores + xp.array(fines.astype("float32"))
        return xp.take_along_axis(scores, xp.argsort(order, axis=-1), axis=-1)

    def _uniform(self, shape, stream):
        if not self.needs_uniform:
            return None
        seed = None if self.seed is None else [self.seed, stream]
        return np.random.default_rng(seed).random(shape)

    def get_config(self) -> dict[str, Any]:
        names = ("confidence_level", "method", "penalty", "free_ranks", "randomized")
        names += ("allow_empty", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    def _check_found(self, found):
        real("quantile", found["quantile"])

    def _told(self):
        return [f"quantile={self.quantile:.4g}"]
