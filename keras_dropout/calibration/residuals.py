"""The variance of the data noise, for models that do not predict it."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout._registration import registered
from keras_dropout.calibration.regressor import real_values, require_shape
from keras_dropout.uncertainty import Prediction
from keras_dropout.uncertainty.fitted import Calibration, real
from keras_dropout.uncertainty.statistics import Measure


@registered
class ResidualNoise(Calibration):
    r"""Data noise from held-out residuals, for models that predict plain values.

    $$\sigma^2 = \max\left(0, \frac1n \sum_i (y_i - \bar y_i)^2 - \frac1n \sum_i
    \mathrm{Var}_t\, f_t(x_i)\right)$$

    for each output, or step of a horizon. This is the part of the variance of the
    residuals that the noise of the model does not explain. A transformed prediction is
    of kind `"gaussian"`, so `std`, `predictive_interval`, likelihood and coverage
    include the noise of the data.

    Attributes:
        variance: Array, the variance of each output, in its unit squared.

    Examples:
        >>> import numpy as np
        >>> import keras_dropout as kd
        >>> held_out = kd.Prediction.from_samples(np.zeros((2, 4, 1)), "values")
        >>> noise = kd.calibration.ResidualNoise().fit(held_out, [1.0, -1.0, 1.0, -1.0])
        >>> noise.variance.tolist(), noise.transform(held_out).std[0].tolist()
        ([1.0], [1.0])

    References:
        - Zhu and Laptev, 2017, [Deep and Confident Prediction for Time Series at
          Uber](https://arxiv.org/abs/1709.01907)
    """

    kinds: tuple[str, ...] = ("values",)
    kind_after: str | None = "gaussian"

    @property
    def variance(self) -> np.ndarray:
        """The variance of each output."""
        return np.asarray(self._require_fitted()["variance"], np.float64)

    def fit(self, prediction: Prediction, y: ArrayLike) -> Self:
        """Finds the variance of each output.

        Args:
            prediction: A `Prediction` of data that the model was not trained on.
            y: Its values. Those of masked steps do not count.

        Returns:
            Itself.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It is not of plain values, or they do not fit, or an output is
                masked in all rows.
        """
        self._check_kind(prediction)
        y = real_values(prediction, y)
        excess = (y - prediction.mean) ** 2 - prediction.variance.astype(np.float64)
        counts = ~np.isnan(excess)
        if not counts.any(axis=0).all():
            raise ValueError(
                "Each output must have one row or more that is not masked, to have a "
                "variance. Received: outputs that are masked in all rows"
            )
        variance = np.maximum(np.nanmean(excess, axis=0), 0)
        return self._note(prediction, variance=variance.tolist(), rows=len(y))

    def transform(self, prediction: Prediction) -> Prediction:
        """The prediction with data noise.

        Args:
            prediction: A `Prediction` that was made in the same way as the one that was
                fitted on.

        Raises:
            TypeError: `prediction` is not a `Prediction`.
            ValueError: It was made in another way, or the object is not fitted.
        """
        self._check_alike(prediction)
        require_shape(self.variance, prediction.mean.shape[1:], "variance")
        noise = np.broadcast_to(self.variance, prediction.mean.shape)
        return dataclasses.replace(
            prediction,
            kind="gaussian",
            statistics={
                **prediction.statistics,
                "noise_variance": noise.astype(prediction.mean.dtype),
            },
            calibration=(*prediction.calibration, self.mark),
        )

    @property
    def mark(self) -> str:
        """What a transformed prediction keeps of it."""
        return f"ResidualNoise({float(self.variance.mean())!r})"

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Adds the noise of the data to what `MonteCarlo` answers."""
        require_shape(self.variance, answer["mean"].shape[1:], "variance")
        answer["epistemic"] = answer["std"] ** 2
        noise = xp.array(self.variance.astype("float32"))
        answer["aleatoric"] = xp.zeros_like(answer["mean"]) + noise
        answer["std"] = xp.sqrt(answer["epistemic"] + answer["aleatoric"])

    def _check_found(self, found):
        real("variance", found["variance"], minimum=0)

    def _told(self):
        return [f"variance={np.round(self.variance, 6).tolist()}"]
