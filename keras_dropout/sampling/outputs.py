"""What a model's outputs are: told, or read from activations, never from values."""

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_dropout._keras import mask_of
from keras_dropout._validation import invalid
from keras_dropout.graph import models

KINDS = ("values", "probabilities", "logits", "binary", "gaussian")


@dataclasses.dataclass(frozen=True)
class Head:
    """One output of a model as the statistics want it.

    Attributes:
        kind: One of `KINDS`.
        values: Tensor, the samples.
        noise_variance: Tensor, the variance of the data's own noise, or `None`.
        mask: Boolean tensor, which steps are real, or `None`.
    """

    kind: str
    values: Any
    noise_variance: Any = None
    mask: Any = None

    @property
    def measure(self):
        """Which statistics hold for it."""
        logits, gaussian = self.kind == "logits", self.kind == "gaussian"
        return "probabilities" if logits else "values" if gaussian else self.kind


def check(outputs):
    """Refuses what is no kind of output."""
    for kind in keras.tree.flatten(outputs):
        if kind not in ("auto", *KINDS):
            expected = "'auto' or " + ", ".join(repr(kind) for kind in KINDS)
            expected += ", or a structure of these like that of the model's outputs"
            raise ValueError(invalid("outputs", expected, outputs))
    return outputs


def heads(model, outputs, results):
    """The heads in what the model gave.

    Args:
        model: The model.
        outputs: `"auto"`, one of `KINDS`, or a structure of these.
        results: What the model gave, a structure of tensors.

    Returns:
        A structure of heads like that of `results`; a single head where the mean and
        the log variance of a Gaussian are two outputs.
    """
    flat = keras.tree.flatten(results)
    if outputs == "gaussian" and len(flat) == 2:
        mean, log_variance = (ops.cast(each, "float32") for each in flat)
        return Head("gaussian", mean, ops.exp(log_variance), mask_of(flat[0]))
    if isinstance(outputs, str):
        kinds = [outputs] * len(flat)
    else:
        kinds = keras.tree.flatten(outputs)
        if len(kinds) != len(flat):
            expected = f"a kind for each of the {len(flat)} outputs of the model"
            raise ValueError(invalid("outputs", expected, outputs))
    layers = models.output_layers(model) or [None] * len(flat)
    told = [
        _read_kind(layer) if kind == "auto" else kind
        for kind, layer in zip(kinds, layers, strict=True)
    ]
    made = [_head(kind, result) for kind, result in zip(told, flat, strict=True)]
    return keras.tree.pack_sequence_as(results, made)


def _read_kind(layer):
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.Softmax) and layer.axis == -1:
        return "probabilities"
    if activation is keras.activations.softmax:
        return "probabilities"
    return "binary" if activation is keras.activations.sigmoid else "values"


def _head(kind, result):
    mask = mask_of(result)
    values = ops.cast(result, "float32")
    if kind == "logits":
        return Head(kind, ops.softmax(values, axis=-1), mask=mask)
    if kind == "gaussian":
        if values.shape[-1] % 2:
            raise ValueError(
                "outputs='gaussian' needs two outputs, mean and log variance, or one "
                "whose last axis holds the means and then as many log variances. "
                f"Received: an output of shape {tuple(values.shape)}"
            )
        mean, log_variance = ops.split(values, 2, axis=-1)
        return Head(kind, mean, ops.exp(log_variance), mask)
    return Head(kind, values, mask=mask)
