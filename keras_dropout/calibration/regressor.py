"""Intervals that hold the true value as often as they promise."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout._registration import registered
from keras_dropout.calibration.quantiles import conformal_quantile
from keras_dropout.metrics.values import level
from keras_dropout.uncertainty import Prediction, columns
from keras_dropout.uncertainty.fitted import VALUES, Calibration, real
from keras_dropout.uncertainty.statistics import Measure

Method = Literal["absolute", "normalized", "quantile"]
METHODS = ("absolute", "normalized", "quantile")
_SMALLEST = 1e-12


@registered
class ConformalRegressor(Calibration):
    r"""Intervals that contain the true value with a promised probability.

    On held-out rows each value gets a score $s(x, y)$, and the $k$-th smallest of the
    $n$ scores, $k = \lceil (n + 1) c \rceil$, is the threshold $q$. If rows are
    exchangeable, an interval contains the true value with probability $c \le P \le c +
    1 / (n + 1)$, for any model and any noise of the data. If $k > n$, the interval is
    unbounded. Each output, or step of a horizon, has its own threshold, so the promise
    holds for each of them.

    - `"absolute"`: $s = |y - \bar y|$; intervals $\bar y \pm q$ of the same width.
    - `"normalized"`: $s = |y - \bar y| / \sigma$; intervals $\bar y \pm q \sigma$ with
      `std` $\sigma$, which are wider for a larger $\sigma$.
    - `"quantile"`: $s = \max(l - y, y - u)$; intervals $[l - q, u + q]$ about the
      central interval $[l, u]$ of the samples, which must be kept, or for Gaussian
      outputs about the `predictive_interval`.

    Args:
        confidence_level: Float in `(0, 1)`, the promised probability $c$.
        method: The score.

    Attributes:
        quantile: Array, the threshold $q$ of each output. Infinite if intervals are
            unbounded.

    Raises:
        TypeError: `confidence_level` is not a number.
        ValueError: An argument is out of its range.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> samples = np.zeros((2, 99, 1))
        >>> held_out = kd.Prediction.from_samples(samples, "values")
        >>> intervals = kd.calibration.ConformalRegressor(0.9)
        >>> intervals = intervals.fit(held_out, np.arange(99.0))
        >>> lower, upper = intervals.predict_interval(held_out)
        >>> lower[0].tolist(), upper[0].tolist()
        ([-89.0], [89.0])

    References:
        - Lei et al., 2018, [Distribution-Free Predictive Inference for
          Regression](https://arxiv.org/abs/1604.04173)
        - Romano, Patterson and Candès, 2019, [Conformalized Quantile
          Regression](https://arxiv.org/abs/1905.03222)
    """

    kinds: tuple[str, ...] = VALUES

    def __init__(
        self, confidence_level: float = 0.9, method: Method = "absolute"
    ) -> None:
        super().__init__()
        self.confidence_level: float = level("confidence_level", confidence_level)
        self.method: Method = _validation.choice("method", method, METHODS)

    @property
    def quantile(self) -> np.ndarray:
        """The threshold of each output."""
        return np.asarray(self._require_fitted()["quantile"], np.float64)

    def fit(self, prediction: Prediction, y: ArrayLike) -> Self:
        """Finds the threshold of each output.

        Args:
            prediction: A `Prediction` of data that were used to fit nothing else.
            y: Its values. Those of masked steps do not count.

        Returns:
            Itself.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It is not a prediction of values, they do not fit, or samples
                are missing.
        """
        self._check_kind(prediction)
        y = real_values(prediction, y)
        mean = np.asarray(prediction.mean, np.float64)
        if self.method == "quantile":
            lower, upper = self._central(prediction)
            scores = np.maximum(lower - y, y - upper)
        else:
            scores = np.abs(y - mean)
            if self.method == "normalized":
                scores = scores / np.maximum(prediction.std, _SMALLEST)
        quantile = conformal_quantile(scores, self.confidence_level)
        return self._note(prediction, quantile=quantile.tolist(), rows=len(y))

    def predict_interval(self, prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
        """The intervals.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.

        Returns:
            The pair (lower, upper), arrays as the mean.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was made in another way, or the object is not fitted.
        """
        self._check_alike(prediction)
        require_shape(self.quantile, prediction.mean.shape[1:], "threshold")
        if self.method == "quantile":
            central = self._central(prediction)
        else:
            central = prediction.mean, prediction.mean
        lower, upper = self._widened(*central, prediction.std, np)
        # Where a threshold is below zero, ends may cross; then nothing is between.
        crossed = lower > upper
        middle = (central[0] + central[1]) / 2
        lower, upper = (np.where(crossed, middle, end) for end in (lower, upper))
        dtype = prediction.mean.dtype
        return lower.astype(dtype), upper.astype(dtype)

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Adds `"lower"` and `"upper"` to what `MonteCarlo` answers."""
        if self.method == "quantile":
            raise ValueError(
                "method='quantile' needs all samples at once, which `MonteCarlo` does "
                "not keep. Fit one with method='normalized'"
            )
        require_shape(self.quantile, answer["mean"].shape[1:], "threshold")
        mean = answer["mean"]
        answer["lower"], answer["upper"] = self._widened(mean, mean, answer["std"], xp)

    def _widened(self, lower, upper, std, xp):
        # Open intervals end at infinity in NumPy and in each backend.
        reach = xp.array(self.quantile.astype("float32"))
        if self.method == "normalized":
            reach = reach * xp.maximum(std, _SMALLEST)
        return lower - reach, upper + reach

    def _central(self, prediction):
        if prediction.kind == "gaussian":
            return prediction.predictive_interval(self.confidence_level)
        return prediction.interval(self.confidence_level)

    def get_config(self) -> dict[str, Any]:
        own = {"confidence_level": self.confidence_level, "method": self.method}
        return {**super().get_config(), **own}

    def _check_found(self, found):
        real("quantile", found["quantile"])

    def _told(self):
        return [f"quantile={np.round(self.quantile, 4).tolist()}"]


def real_values(prediction: Prediction, y: ArrayLike) -> np.ndarray:
    """Values as the means are, NaN where a step is masked."""
    y = columns.values(prediction, y)
    counts = columns.weights(y.shape, None, prediction.valid) > 0
    if not np.isfinite(y[counts]).all():
        raise ValueError(
            "`y` must hold neither NaN nor infinity. Leave such rows out of both "
            "`prediction` and `y`"
        )
    return np.where(counts, y, np.nan)


def require_shape(fitted: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    """Refuses outputs of another shape than those fitted on."""
    if fitted.shape != tuple(shape):
        raise ValueError(
            f"Each output has its own {what}, so the outputs must have the shape that "
            f"was fitted, {fitted.shape}. Received: outputs of shape {tuple(shape)}"
        )
