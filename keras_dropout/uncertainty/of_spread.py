"""What a prediction says of its spread: variances, quantiles and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.uncertainty import classes
from keras_dropout.uncertainty import rows as by_rows


class OfSpread:
    """How far a `Prediction` may be off: variances by their cause, and intervals."""

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, in the unit of `mean`.

        For values it is the root of `total`. For probabilities it is the root of
        `variance`, the variance between samples.
        """
        return np.sqrt(self.variance + self.statistics.get("noise_variance", 0))

    @property
    def epistemic(self) -> np.ndarray:
        """Variance between samples, which more data would reduce."""
        return self.variance

    @property
    def aleatoric(self) -> np.ndarray:
        r"""Variance of the data noise, which more data would not reduce.

        For Gaussian outputs it is the variance that the model predicts. For classes it
        is the mean variance of a label under each sample, $\frac1T \sum_t p_t (1 -
        p_t)$, computed as $\bar p (1 - \bar p)$ minus the variance between samples.
        """
        if self.kind in classes.KINDS:
            return np.maximum(self.total - self.variance, 0)
        if "noise_variance" not in self.statistics:
            raise ValueError(
                "Only a model that predicts a mean and a log variance knows the noise "
                "of its data. Say so with outputs='gaussian', or estimate it with "
                "`calibration.ResidualNoise`. "
                f"Received: outputs={self.kind!r}"
            )
        return self.statistics["noise_variance"]

    @property
    def total(self) -> np.ndarray:
        r"""Predictive variance: `epistemic + aleatoric` if the latter is known.

        For classes it is the variance of the label, $\bar p (1 - \bar p)$.
        """
        if self.kind in classes.KINDS:
            return self.mean * (1 - self.mean)
        return self.variance + self.statistics.get("noise_variance", 0)

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Quantiles of the samples.

        Args:
            q: Float in `[0, 1]`, or several. Several quantiles are on the first axis of
                the result.

        Raises:
            ValueError: The samples were not kept, or `q` is out of its range.
        """
        return by_rows.quantile(self, q)

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Central interval of the samples: one for the *mean*, not for new data.

        It is the spread of the mean prediction. It does not include the data noise, so
        it covers far less than `level` of new values. For new values use
        `predictive_interval`, or `calibration.ConformalRegressor`, which keeps its
        promise for any model.

        Args:
            level: Float in `(0, 1)`, the fraction of samples inside.

        Returns:
            The pair (lower, upper), arrays as `mean`.

        Raises:
            ValueError: The samples were not kept, or `level` is out of its range.
        """
        return by_rows.interval(self, level)

    def predictive_interval(
        self, confidence_level: float = 0.9, *, noise_variance: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""Central interval for *new data*: mean and total variance, taken as normal.

        $$\bar y \pm \Phi^{-1}\left(\tfrac{1 + c}{2}\right)
        \sqrt{\sigma_\text{epistemic}^2 + \sigma_\text{aleatoric}^2}$$

        Args:
            confidence_level: Float in `(0, 1)`, the fraction $c$ of new data inside the
                interval, if the model is right.
            noise_variance: For plain values, the variance of the data noise, a number
                or an array that broadcasts to `mean`. `None` for Gaussian outputs,
                which contain it.

        Returns:
            The pair (lower, upper), arrays as `mean`.

        Raises:
            ValueError: The data noise is not known, or is given twice; or an argument
                is out of its range.
        """
        return by_rows.predictive_interval(self, confidence_level, noise_variance)
