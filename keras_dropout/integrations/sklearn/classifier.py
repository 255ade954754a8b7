"""A Keras model as a classifier of scikit-learn."""

import functools
import math

import keras
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from keras_dropout import _bases
from keras_dropout.integrations.sklearn.estimator import MonteCarloEstimator, output_of
from keras_dropout.uncertainty import classes


class MonteCarloClassifier(MonteCarloEstimator, _bases.Classifier):
    r"""A Keras classifier with probabilities that are means of noisy samples.

    $$\hat p(y \mid x) = \frac1T \sum_{t=1}^{T} f(x; m_t)$$

    It is like `keras.wrappers.SKLearnClassifier`, but predicts with `mc_predict`. A
    fitted estimator is one function: its noise is the same in each call, and with
    `masks="shared"` the answer for a row does not depend on the other rows of `X`.

    Args:
        model: A compiled Keras model. Each fit trains a new copy with new weights. Or a
            function `model(X, y, **model_kwargs)` that returns a compiled model, where
            `y` is one-hot, as in Keras's wrapper. The output is a softmax with a number
            for each class, or for two classes one sigmoid. Its loss may be sparse or
            not.
        samples: Integer of at least 2, how many samples to draw.
        fit_kwargs: Dictionary of arguments of `model.fit`, such as `epochs`. A
            `class_weight` is as in scikit-learn: `"balanced"`, or a dictionary by
            labels. As in Keras, it does not weight the rows that `validation_split`
            holds out.
        model_kwargs: Dictionary of arguments for `model`, if that is a function.
        rate: `None` for the rates of the model, or the `rate` that
            [set_rates][keras_dropout.set_rates] takes: a rate, a schedule, or a
            dictionary from patterns to these.
        masks: How the masks of the samples depend on each other, as in `mc_predict`.
        layers: Which noise is on, as in `mc_predict`.
        outputs: What the outputs are, as in `mc_predict`; `"logits"` for a model
            without a softmax.
        predict_kwargs: Dictionary of other arguments of `mc_predict`: `batch_size`,
            `max_rows`, `tol`.
        warm_start: Boolean. Whether each fit continues with the weights of the previous
            one, and the first fit with those of `model`.
        random_state: Integer, `RandomState` or `None`. With an integer, fits and noise
            repeat. Keras's global seed is set, as by `keras.utils.set_random_seed`. The
            generators of Python and NumPy keep their states.

    Attributes:
        classes_: Array of the labels, sorted.
        model_: The fitted model.
        history_: Dictionary, what `model.fit` logged.
        seed_: The seed of the noise.

    Raises:
        TypeError: In `fit`, an argument is of the wrong kind.
        ValueError: In `fit`, an argument is out of its range, there is one class only,
            or the output has another number of classes.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(2, activation="softmax"),
        ...     ]
        ... )
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> x, y = np.eye(4, dtype="float32"), ["yes", "no", "no", "yes"]
        >>> estimator = kd.integrations.sklearn.MonteCarloClassifier(model)
        >>> estimator.fit(x, y).classes_.tolist()
        ['no', 'yes']
        >>> estimator.predict_proba(x).shape
        (4, 2)

    References:
        - Gal and Ghahramani, 2016, [Dropout as a Bayesian
          Approximation](https://arxiv.org/abs/1506.02142)
    """

    classes_: np.ndarray

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of each row, an array of labels `(rows,)`."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Mean probabilities of the samples, `(rows, classes)` as in `classes_`.

        Raises:
            ValueError: The outputs are not probabilities.
        """
        prediction = self.mc_predict(X)
        if prediction.kind not in classes.KINDS:
            raise ValueError(
                "The model must output probabilities. End it with a softmax or a "
                "sigmoid, or pass outputs='logits' if it outputs logits. Received: "
                f"outputs of kind {prediction.kind!r}"
            )
        mean = prediction.mean.astype(float)
        if mean.shape[1] == 1:
            return np.concatenate([1 - mean, mean], axis=1)
        return mean / mean.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Log probabilities, or for two classes the log odds of the second, `(rows,)`.

        They are finite.
        """
        chances = self.predict_proba(X)
        logs = np.log(np.maximum(chances, np.finfo(chances.dtype).tiny))
        return logs[:, 1] - logs[:, 0] if len(self.classes_) == 2 else logs

    def _checked(self, X, y, reset=True):
        X, y = validate_data(self, X, y, reset=reset, allow_nd=True)
        check_classification_targets(y)
        return X, y

    def _shown(self, y):
        labels = np.unique(y)
        return _one_hot(np.searchsorted(labels, y), len(labels))

    def _encoder(self, model, X, y, told, goes_on):
        labels = self.classes_ if goes_on else np.unique(y)
        if len(labels) < 2:
            raise ValueError(
                "A classifier needs targets of two or more classes. Received: one "
                f"class only, {labels[0]!r}"
            )
        width = output_of(model, X).shape[-1]
        if width != len(labels) and (width, len(labels)) != (1, 2):
            raise ValueError(
                "The model must have a number for each class in its output, or for two "
                f"classes one alone. Received: {width} for {len(labels)} classes"
            )
        self.classes_ = labels
        by_class = told.pop("class_weight", None)
        if by_class is not None:
            # Keras takes them by place, and not beside weights of rows.
            weights, trained = np.ones(len(y)), _trained(told, len(y))
            weights[:trained] = _by_class(by_class, y[:trained], labels)
            told["sample_weight"] = weights * told.get("sample_weight", 1.0)
        return functools.partial(_encoded, model, labels, width)


def _encoded(model, labels, width, y):
    """The targets in the form that the loss of a model takes."""
    known = np.isin(y, labels)
    if not known.all():
        raise ValueError(
            f"Targets must be among the classes that are known, {labels.tolist()}. "
            f"Received: {np.unique(y[~known]).tolist()}"
        )
    codes = np.searchsorted(labels, y)
    if _is_sparse(model.loss):
        return codes
    if width == 1:
        return codes.astype("float32")[:, None]
    return _one_hot(codes, len(labels))


def _is_sparse(loss):
    """Whether a loss takes the numbers of classes."""
    if isinstance(loss, dict):
        loss = list(loss.values())
    if isinstance(loss, (list, tuple)):
        # The model has one output.
        return len(loss) == 1 and _is_sparse(loss[0])
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return True
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    return "sparse" in (name or getattr(loss, "__name__", ""))


def _trained(told, rows):
    """How many rows `validation_split` leaves to train on: Keras holds out the last."""
    split = told.get("validation_split")
    if not split or told.get("validation_data") is not None:
        return rows
    return math.floor(rows * (1.0 - split))


def _by_class(by_class, y, labels):
    """The weights of rows by their classes."""
    labels = np.unique(y) if isinstance(by_class, str) else labels
    weights = compute_class_weight(by_class, classes=labels, y=y)
    return weights[np.searchsorted(labels, y)]


def _one_hot(codes, count):
    return np.eye(count, dtype="float32")[codes]
