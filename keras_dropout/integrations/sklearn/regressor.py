"""A Keras model as a regressor of scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from keras_dropout import _bases
from keras_dropout.integrations.sklearn.estimator import MonteCarloEstimator, output_of


class MonteCarloRegressor(MonteCarloEstimator, _bases.Regressor):
    r"""A Keras regressor with predictions that are means of noisy samples.

    $$\hat y = \frac1T \sum_{t=1}^{T} f(x; m_t)$$

    It is like `keras.wrappers.SKLearnRegressor`, but predicts with `mc_predict`. A
    fitted estimator is one function: its noise is the same in each call, and with
    `masks="shared"` the answer for a row does not depend on the other rows of `X`.

    Args:
        model: A compiled Keras model with one output. Each fit trains a new copy with
            new weights. Or a function `model(X, y, **model_kwargs)` that returns a
            compiled model, where `y` is `(rows, outputs)`, as in Keras's wrapper.
        samples: Integer of at least 2, how many samples to draw.
        fit_kwargs: Dictionary of arguments of `model.fit`, such as `epochs`.
        model_kwargs: Dictionary of arguments for `model`, if that is a function.
        rate: As in
            [MonteCarloClassifier][keras_dropout.integrations.sklearn.MonteCarloClassifier].
        masks: How the masks of the samples depend on each other, as in `mc_predict`.
        layers: Which noise is on, as in `mc_predict`.
        outputs: `"values"`, or `"gaussian"` if the model predicts a mean and a log
            variance, which `"auto"` cannot recognise.
        predict_kwargs: Dictionary of other arguments of `mc_predict`: `batch_size`,
            `max_rows`, `tol`.
        warm_start: Boolean. Whether each fit continues with the weights of the previous
            one, and the first fit with those of `model`.
        random_state: Integer, `RandomState` or `None`, as in `MonteCarloClassifier`.

    Attributes:
        model_: The fitted model.
        history_: Dictionary, what `model.fit` logged.
        seed_: The seed of the noise.

    Raises:
        TypeError: In `fit`, an argument is of the wrong kind.
        ValueError: In `fit`, an argument is out of its range, or the output has another
            width than the targets.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(1),
        ...     ]
        ... )
        >>> model.compile("adam", "mse")
        >>> x, y = np.eye(4, dtype="float32"), [0.0, 1.0, 2.0, 3.0]
        >>> estimator = kd.integrations.sklearn.MonteCarloRegressor(model).fit(x, y)
        >>> mean, std = estimator.predict(x, return_std=True)
        >>> mean.shape, bool((std > 0).all())
        ((4,), True)

    References:
        - Gal and Ghahramani, 2016, [Dropout as a Bayesian
          Approximation](https://arxiv.org/abs/1506.02142)
    """

    def predict(
        self, X: ArrayLike, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The mean of the samples.

        Args:
            X: Array or data frame `(rows, ...)`.
            return_std: Whether to return the standard deviation too. For plain values
                it is the deviation between samples, without the data noise. For
                `outputs="gaussian"` it includes both.

        Returns:
            The mean in the shape of `y`, or the pair (mean, standard deviation).
        """
        prediction = self.mc_predict(X)
        mean, std = (a.astype(float) for a in (prediction.mean, prediction.std))
        if self.has_flat_targets_:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _checked(self, X, y, reset=True):
        how = {"allow_nd": True, "multi_output": True, "y_numeric": True}
        return validate_data(self, X, y, reset=reset, **how)

    def _shown(self, y):
        return _columns(y)

    def _encoder(self, model, X, y, told, goes_on):
        width = output_of(model, X).shape[-1]
        expected = _columns(y).shape[1] * (2 if self.outputs == "gaussian" else 1)
        if width != expected:
            raise ValueError(
                f"The model must have {expected} numbers in its output for targets of "
                f"the shape {y.shape} and outputs={self.outputs!r}. Received: {width}"
            )
        self.has_flat_targets_: bool = y.ndim == 1
        return _columns


def _columns(y):
    return y[:, None] if y.ndim == 1 else y
