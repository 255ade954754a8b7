"""What all calibrations share: what they were fitted on, and how they are saved."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Self

import keras
import numpy as np

from keras_dropout._validation import invalid
from keras_dropout.uncertainty import classes
from keras_dropout.uncertainty.prediction import Prediction
from keras_dropout.uncertainty.statistics import Measure


class Calibration:
    """Something that is fitted on held-out predictions, and holds for others alike.

    A subclass fills `_found`, a dictionary of numbers and lists, when it is fitted.
    """

    # The kinds of outputs that it can be fitted on, and the kind that it makes of them,
    # if it is another.
    kinds: tuple[str, ...] = ()
    kind_after: str | None = None
    # Whether it needs to know which steps of a row are masked.
    needs_masks = False
    # Whether it decides by chance, and so takes a number of each row.
    needs_uniform = False

    def __init__(self) -> None:
        self._found: dict[str, Any] | None = None
        self._profile: dict[str, Any] | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether `fit` was called, or it was loaded fitted."""
        return self._found is not None

    def _require_fitted(self) -> dict[str, Any]:
        if self._found is None:
            raise ValueError(
                f"`{type(self).__name__}` must be fitted first, on a `Prediction` of "
                "data that the model was not trained on: `.fit(prediction, y)`"
            )
        return self._found

    def _check_kind(self, prediction: Prediction) -> None:
        if not isinstance(prediction, Prediction):
            expected = (
                "a `Prediction`; of a model with several outputs, one of those that "
                "`mc_predict` returns"
            )
            raise TypeError(invalid("prediction", expected, prediction))
        if prediction.kind not in self.kinds:
            kinds = " or ".join(map(repr, self.kinds))
            raise ValueError(
                f"`{type(self).__name__}` needs outputs of kind {kinds}. Received: a "
                f"prediction of kind {prediction.kind!r}"
            )
        if not len(prediction):
            raise ValueError("`prediction` must have one row or more. Received: none")

    def _note(self, prediction: Prediction, **found: Any) -> Self:
        """Keeps what was found, and on what."""
        self._profile, self._found = profile(prediction), found
        return self

    def _check_alike(self, prediction: Prediction) -> dict[str, Any]:
        """Refuses a prediction that was not made as the one fitted on."""
        found = self._require_fitted()
        self._check_kind(prediction)
        self.require_alike(profile(prediction))
        return found

    def require_alike(self, other: dict[str, Any]) -> None:
        """Refuses a prediction that was made with other settings than the fitted one.

        Args:
            other: A `profile`. What is `None` in one of both is not known.
        """
        for name, mine in self._profile.items():
            theirs = other[name]
            if mine is not None and theirs is not None and mine != theirs:
                raise ValueError(
                    f"`{type(self).__name__}` is valid only for predictions that were "
                    f"made like the ones it was fitted on, but {_WORDS[name]} differ: "
                    f"fitted on {mine!r}, received {theirs!r}. Predict both alike, or "
                    "fit again"
                )

    @property
    def mark(self) -> str | None:
        """What a prediction that it transformed keeps of it, `None` if it does not."""
        return None

    def answer(self, answer: dict[str, Any], measure: Measure, xp: Any) -> None:
        """Does within a graph, to what `MonteCarlo` answers, what it does elsewhere.

        Args:
            answer: The arrays of one output by name, which it may change and add to.
            measure: Which statistics hold for the output.
            xp: `keras.ops`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, and what was fitted."""
        fitted = None
        if self._found is not None:
            fitted = {"found": self._found, "profile": self._profile}
        return {"fitted": fitted}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The object that `get_config` describes, fitted if that was."""
        config = dict(config)
        fitted = config.pop("fitted", None)
        made = cls(**config)
        if fitted is not None:
            made._restore(fitted)
        return made

    def _restore(self, fitted):
        try:
            found, told = dict(fitted["found"]), dict(fitted["profile"])
            if set(told) != set(_WORDS):
                raise ValueError(f"names {sorted(told)}")
            told["calibration"] = list(told["calibration"])
            self._check_found(found)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"A saved `{type(self).__name__}` must hold what `get_config` gives. "
                f"Received: {type(error).__name__}: {error}"
            ) from error
        self._found, self._profile = found, told

    def _check_found(self, found: dict[str, Any]) -> None:
        """Refuses what cannot have been fitted; a subclass knows it."""
        raise NotImplementedError

    def save(self, path: str | pathlib.Path) -> None:
        """Saves it, fitted or not, to a file of JSON.

        Args:
            path: Where to write it.
        """
        saved = keras.saving.serialize_keras_object(self)
        pathlib.Path(path).write_text(json.dumps(saved), encoding="utf-8")

    @classmethod
    def load(cls, path: str | pathlib.Path) -> Self:
        """What `save` wrote.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file holds no such object.
        """
        text = pathlib.Path(path).read_text(encoding="utf-8")
        try:
            made = keras.saving.deserialize_keras_object(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"The file must be one that `{cls.__name__}.save` wrote. Received: "
                f"{str(path)!r}, with {error}"
            ) from error
        if not isinstance(made, cls):
            raise ValueError(
                f"The file must hold a `{cls.__name__}`. Received: {str(path)!r} with "
                f"a {type(made).__name__}"
            )
        return made

    def __repr__(self) -> str:
        config = self.get_config()
        fitted = config.pop("fitted")
        told = [f"{name}={value!r}" for name, value in config.items()]
        told += ["not fitted"] if fitted is None else self._told()
        return f"{type(self).__name__}({', '.join(told)})"

    def _told(self) -> list[str]:
        return []


_WORDS = {
    "kind": "the kinds of the outputs",
    "outputs": "the numbers of classes or outputs",
    "samples": "the numbers of samples",
    "masks": "the masks",
    "calibration": "the calibrations applied before",
}


def profile(prediction: Prediction) -> dict[str, Any]:
    """How a prediction was made, as far as it can be seen."""
    count = np.unique(prediction.count)
    kind = "probabilities" if prediction.kind == "logits" else prediction.kind
    axis = prediction.class_axis
    shape = prediction.mean.shape
    outputs = shape[-1] if axis is None and len(shape) > 1 else 1
    return {
        "kind": kind,
        "outputs": int(outputs if axis is None else shape[axis]),
        # With `tol` each batch stops by itself.
        "samples": int(count[0]) if len(count) == 1 else None,
        "masks": prediction.masks,
        "calibration": list(prediction.calibration),
    }


def measure_of(prediction: Prediction) -> Measure:
    """Which statistics hold for a prediction."""
    if prediction.kind in VALUES:
        return Measure("values")
    kind = "binary" if prediction.kind == "binary" else "probabilities"
    return Measure(kind, prediction.class_axis)


def real(name: str, value: Any, *, minimum: float | None = None) -> np.ndarray:
    """Saved numbers as an array, none of them NaN."""
    array = np.asarray(value, np.float64)
    if np.isnan(array).any() or (minimum is not None and (array < minimum).any()):
        raise ValueError(f"{name} {value!r}")
    return array


CLASSES = classes.KINDS
VALUES = ("values", "gaussian")
