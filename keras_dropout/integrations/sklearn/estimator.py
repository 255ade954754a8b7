"""What the classifier and the regressor share: fitting, sampling, copies."""

import contextlib
import numbers
import random
from collections.abc import Callable, Mapping
from typing import Any, Self

import keras
import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.metadata_routing import UNCHANGED, get_routing_for_object
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_dropout._typing import Masks, Model, Outputs, Picks
from keras_dropout._validation import invalid
from keras_dropout.integrations.loading import packed, unpacked
from keras_dropout.sampling import mc_predict
from keras_dropout.sampling.asked import sampler_of
from keras_dropout.surgery import set_rates
from keras_dropout.uncertainty import Prediction


class MonteCarloEstimator:
    """The part of the estimators that comes before the class of `keras.wrappers`.

    A subclass says in `_encoder` what the model is trained on.
    """

    model: Model | Callable[..., keras.Model]
    warm_start: bool
    model_kwargs: Mapping[str, Any] | None
    fit_kwargs: Mapping[str, Any] | None
    history_: dict[str, list[float]]
    seed_: int
    model_: keras.Model

    def __init__(
        self,
        model: Model | Callable[..., keras.Model],
        samples: int = 50,
        fit_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        *,
        rate: Any = None,
        masks: Masks = "shared",
        layers: Picks = None,
        outputs: Outputs = "auto",
        predict_kwargs: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            model=model,
            warm_start=warm_start,
            model_kwargs=model_kwargs,
            fit_kwargs=fit_kwargs,
        )
        self.samples = samples
        self.rate = rate
        self.masks = masks
        self.layers = layers
        self.outputs = outputs
        self.predict_kwargs = predict_kwargs
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Trains a new copy of the model.

        Args:
            X: Array or data frame `(rows, ...)`, as the model takes it.
            y: The targets, `(rows,)`, of a regressor also `(rows, outputs)`.
            sample_weight: Weights `(rows,)`, one number for all, or `None`.
            **kwargs: Arguments of `model.fit`, which go before those of `fit_kwargs`.
                Arrays in `validation_data` are as `X`, `y` and `sample_weight`.

        Returns:
            The estimator.

        Raises:
            TypeError: An argument is of the wrong kind.
            ValueError: The data, or an argument of the estimator, does not fit.
        """
        # Before the data is looked at, since that changes what a fitted one knows.
        goes_on = self.warm_start and hasattr(self, "model_")
        X, y = self._checked(X, y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        told = {"verbose": 0, **(self.fit_kwargs or {}), **kwargs}
        if sample_weight is not None:
            told["sample_weight"] = sample_weight
        if told.get("sample_weight") is not None:
            told["sample_weight"] = _weights(told["sample_weight"], X)
        with _seeded(None if self.random_state is None else seed):
            model = self.model_ if goes_on else self._new_model(X, y)
            self._set_rate(model, goes_on)
            self._sampler(model, seed)
            encoded = self._encoder(model, X, y, told, goes_on)
            held_out = told.get("validation_data")
            if isinstance(held_out, (tuple, list)):
                told["validation_data"] = self._held_out(*held_out, encoded=encoded)
            history = model.fit(X, encoded(y), **told)
        self.history_ = history.history
        self._rate = self.rate
        self.seed_ = seed
        self.model_ = model
        return self

    def mc_predict(self, X: ArrayLike, **options: Any) -> Prediction:
        """The samples of the fitted model, summed up.

        Args:
            X: Array or data frame `(rows, ...)`.
            **options: Arguments of [mc_predict][keras_dropout.mc_predict], such as
                `return_samples=True`, which go before those of the estimator.

        Returns:
            A `Prediction`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        return mc_predict(self.model_, X, **{**self._options(self.seed_), **options})

    def set_fit_request(self, *, sample_weight: bool | str | None = UNCHANGED) -> Self:
        """Says whether `fit` gets the sample weights of a meta-estimator.

        Args:
            sample_weight: `True`, `False`, another name for them, or `None`, as in
                scikit-learn's [metadata
                routing](https://scikit-learn.org/stable/metadata_routing.html).

        Returns:
            The estimator.

        Raises:
            RuntimeError: The metadata routing of scikit-learn is not enabled.
        """
        # Keras's own asks for them in `score`, and not in `fit`.
        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "Requests need metadata routing. Enable it with "
                "`sklearn.set_config(enable_metadata_routing=True)`"
            )
        routing = get_routing_for_object(self)
        if sample_weight is not UNCHANGED:
            routing.fit.add_request(param="sample_weight", alias=sample_weight)
        self._metadata_request = routing
        return self

    @property
    def epoch_(self) -> int:
        """How many epochs the last fit took."""
        return max(map(len, getattr(self, "history_", {}).values()), default=0)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if isinstance(self.model, keras.Model):
            # `__setstate__` knows that it was a model by its bytes.
            state = {**state, "model": packed(self.model)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state["model"], bytes):
            state = {**state, "model": unpacked(state["model"])}
        super().__setstate__(state)

    def __sklearn_clone__(self) -> Self:
        # Keras's own loses arguments. The model is a pattern that no fit changes, so
        # that copies may share it.
        pattern = type(self).__new__(type(self))
        pattern.__dict__ = {**self.__dict__, "model": None}
        return BaseEstimator.__sklearn_clone__(pattern).set_params(model=self.model)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        for kind in (tags.classifier_tags, tags.regressor_tags):
            if kind is not None:
                # How well it does is a matter of `model`.
                kind.poor_score = True
        return tags

    def _options(self, seed):
        return {
            "verbose": 0,
            **(self.predict_kwargs or {}),
            "samples": self.samples,
            "masks": self.masks,
            "layers": self.layers,
            "outputs": self.outputs,
            "seed": seed,
        }

    def _sampler(self, model, seed):
        """Refuses arguments before anything is trained."""
        options = self._options(seed)
        kept = ("batch_size", "steps", "tol", "max_rows", "part")
        unknown = set(self.predict_kwargs or {}) - {*kept, "verbose"}
        if unknown:
            expected = f"None or a dictionary with some of the keys {list(kept)}"
            received = self.predict_kwargs
            raise ValueError(invalid("predict_kwargs", expected, received))
        del options["verbose"]
        own = (options.pop(name, None) for name in ("batch_size", "steps"))
        samples = options.pop("samples")
        sampler_of(model, samples, options.pop("seed"), *own, **options)

    def _new_model(self, X, y):
        if isinstance(self.model, keras.Model):
            model = keras.models.clone_model(self.model)
            if self.warm_start and self.model.built:
                # A clone has new weights, once it is built.
                output_of(model, X)
                model.set_weights(self.model.get_weights())
        elif callable(self.model):
            told = self.model_kwargs or {}
            model = self.model(X=X, y=self._shown(y), **told)
        else:
            expected = "a compiled Keras model, or a function that returns one"
            raise TypeError(invalid("model", expected, self.model))
        if not getattr(model, "compiled", False):
            raise ValueError(
                "The model must be compiled before it is fitted, with `model.compile("
                f"optimizer, loss)`. Received: model={model!r}"
            )
        return model

    def _set_rate(self, model, goes_on):
        # A schedule goes on with the model that follows it.
        if self.rate is not None and not (goes_on and self.rate == self._rate):
            set_rates(model, self.rate)

    def _held_out(self, X, y, *weights, encoded):
        X, y = self._checked(X, y, reset=False)
        weights = [_weights(each, X) for each in weights if each is not None]
        return X, encoded(y), *weights


def output_of(model: keras.Model | Any, X: Any) -> Any:
    """What a model says of the first row, without noise; it must be one array."""
    answer = model(keras.ops.convert_to_tensor(X[:1]), training=False)
    if keras.tree.is_nested(answer):
        raise ValueError(
            "The model of an estimator must give one array. Received: a "
            f"{type(answer).__name__} of {len(keras.tree.flatten(answer))}"
        )
    return answer


def _weights(weights, X):
    if isinstance(weights, numbers.Number):
        weights = np.full(len(X), weights)
    weights = check_array(weights, ensure_2d=False, input_name="sample_weight")
    if weights.ndim != 1:
        raise ValueError(
            "Sample weights must be 1D array or scalar, one number for each row. "
            f"Received: an array of shape {weights.shape}"
        )
    check_consistent_length(X, weights)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


@contextlib.contextmanager
def _seeded(seed):
    """Within this context Keras draws from a seed, where there is one.

    The generators of Python and NumPy, which other estimators draw from, are put back.
    """
    if seed is None:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
