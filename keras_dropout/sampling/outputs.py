"""What a model's outputs are: told, read from how the model ends, or seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_dropout._keras import mask_of
from keras_dropout._validation import invalid
from keras_dropout.graph.endings import VALUES
from keras_dropout.uncertainty.samples import KINDS
from keras_dropout.uncertainty.statistics import Measure

_PAIR = {"mean", "log_variance"}


@dataclasses.dataclass(frozen=True)
class Head:
    """One output of a model as the statistics want it.

    Attributes:
        kind: One of `KINDS`.
        values: Tensor, the samples.
        noise_variance: Tensor, the variance of the data's own noise, or `None`.
        valid: Boolean tensor, which steps are real, or `None`.
        class_axis: Integer below 0, the axis of the classes or labels, or `None`.
        link: `"softmax"` or `"sigmoid"`, what the outputs were put through, or `None`.
    """

    kind: str
    values: Any
    noise_variance: Any = None
    valid: Any = None
    class_axis: int | None = None
    link: str | None = None

    @property
    def measure(self) -> Measure:
        """Which statistics hold for it."""
        same = {"logits": "probabilities", "gaussian": "values"}
        return Measure(same.get(self.kind, self.kind), self.class_axis)


def check(outputs: Any) -> Any:
    """Refuses what is no kind of output."""
    kinds = keras.tree.flatten(outputs)
    if not kinds or not all(
        isinstance(kind, str) and kind in ("auto", *KINDS) for kind in kinds
    ):
        expected = "'auto' or " + ", ".join(repr(kind) for kind in KINDS)
        expected += ", or a structure of these like that of the model's outputs"
        raise ValueError(invalid("outputs", expected, outputs))
    return outputs


def needs_look(outputs: Any) -> bool:
    """Whether something is left to be read or seen."""
    return "auto" in keras.tree.flatten(outputs)


def heads(model: keras.Model, outputs: Any, results: Any, endings: Any = None) -> Any:
    """The heads in what the model gave.

    Args:
        model: The model.
        outputs: `"auto"`, one of `KINDS`, or a structure of these: dictionaries by
            the keys of the model's outputs or by their names, lists by place. One
            kind for several outputs is the kind of each.
        results: What the model gave, a structure of tensors.
        endings: What `seen.look` found, for `"auto"`, or `None` for plain values.

    Returns:
        A structure of heads like that of `results`; a single head where the mean and
        the log variance of a Gaussian are two outputs.
    """
    places = keras.tree.pack_sequence_as(
        results, list(range(len(keras.tree.flatten(results))))
    )
    flat = keras.tree.flatten(results)
    endings = endings or [None] * len(flat)
    outputs = _by_name(model, outputs, results)

    def walk(told, part):
        if isinstance(told, str):
            return told_of(told, part)
        _require_alike(told, part, outputs)
        if isinstance(part, dict):
            made = {key: walk(told[key], each) for key, each in part.items()}
        else:
            made = [walk(*pair) for pair in zip(told, part, strict=True)]
        return _as(part, made)

    def told_of(kind, part):
        inner = keras.tree.flatten(part)
        if kind == "gaussian" and len(inner) == 2:
            mean, log_variance = (flat[place] for place in _pair(part))
            return _gaussian(mean, log_variance, mean)
        return keras.tree.map_structure(
            lambda place: _head(kind, flat[place], endings[place]), part
        )

    return walk(outputs, places)


def _by_name(model, outputs, results):
    """A dictionary by the names of the outputs of a model that gives a list."""
    if not isinstance(outputs, dict) or isinstance(results, dict):
        return outputs
    names = getattr(model, "output_names", None)
    if names is None or len(names) != len(keras.tree.flatten(results)):
        return outputs
    _require_keys(outputs, names, outputs)
    told = [outputs[name] for name in names]
    return told if isinstance(results, (list, tuple)) else told[0]


def _require_alike(told, part, outputs):
    """Refuses a structure that is not that of the model's outputs."""
    if isinstance(part, dict) and isinstance(told, dict):
        _require_keys(told, part, outputs)
    elif isinstance(part, dict) or isinstance(told, dict):
        have = f"a dictionary with {list(part)}" if isinstance(part, dict) else "none"
        expected = "a dictionary where the model's outputs are one; there it gives "
        raise ValueError(invalid("outputs", expected + have, outputs))
    else:
        count = len(part) if isinstance(part, (list, tuple)) else 1
        if len(told) != count or not isinstance(part, (list, tuple)):
            expected = f"a kind for each of the {count} outputs of the model"
            raise ValueError(invalid("outputs", expected, outputs))


def _require_keys(told, keys, outputs):
    missing = [key for key in keys if key not in told]
    unknown = [key for key in told if key not in keys]
    if missing or unknown:
        expected = (
            f"the keys of the model's outputs, {list(keys)}; missing are {missing}, "
            f"unknown {unknown} ('auto' leaves an output open)"
        )
        raise ValueError(invalid("outputs", expected, outputs))


def _as(part, made):
    """`made` in the kind of container that `part` is."""
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return type(part)(*made)
    return tuple(made) if isinstance(part, tuple) else made


def _pair(part):
    """The places of the mean and of the log variance."""
    if not isinstance(part, dict):
        return keras.tree.flatten(part)
    if set(part) != _PAIR:
        raise ValueError(
            "outputs='gaussian' for two outputs in a dictionary needs the keys 'mean' "
            f"and 'log_variance', to know which is which. Received: {sorted(part)}"
        )
    return part["mean"], part["log_variance"]


def _head(kind, result, ending):
    values = ops.cast(result, "float32")
    rank = len(values.shape)
    axis = -1 if rank > 1 else None
    is_one = axis is None or values.shape[axis] == 1
    if kind == "probabilities" and is_one:
        raise ValueError(
            "outputs='probabilities' needs an axis of two or more classes beside that "
            "of the rows; one probability a row is outputs='binary'. "
            f"Received: an output of shape {tuple(values.shape)}"
        )
    if kind == "auto":
        ending = ending or VALUES
        kind, axis = ending.kind, ending.axis
    if kind == "gaussian":
        if rank < 2 or values.shape[-1] % 2:
            raise ValueError(
                "outputs='gaussian' needs two outputs, mean and log variance, or one "
                "whose last axis holds the means and then as many log variances. "
                f"Received: an output of shape {tuple(values.shape)}"
            )
        return _gaussian(*ops.split(values, 2, axis=-1), result)
    link = None
    if kind == "logits" and is_one:
        # A softmax of one number is 1. One logit is that of a label.
        kind, link, values = "binary", "sigmoid", ops.sigmoid(values)
    elif kind == "logits":
        link, values = "softmax", ops.softmax(values, axis=axis)
    axis = None if kind == "values" else axis
    return Head(kind, values, valid=mask_of(result), class_axis=axis, link=link)


def _gaussian(mean, log_variance, masked):
    mean, log_variance = (ops.cast(x, "float32") for x in (mean, log_variance))
    return Head("gaussian", mean, ops.exp(log_variance), mask_of(masked))
