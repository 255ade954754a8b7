"""Calibrations within a model: they do to its answers what they do to predictions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dropout._validation import invalid
from keras_dropout.sampling.outputs import Head
from keras_dropout.sampling.settings import Settings
from keras_dropout.uncertainty.fitted import Calibration


def checked(calibration: Any) -> tuple[Calibration, ...]:
    """A tuple of fitted calibrations."""
    given = () if calibration is None else calibration
    given = given if isinstance(given, (list, tuple)) else (given,)
    for each in given:
        if not isinstance(each, Calibration):
            expected = "objects of `keras_dropout.calibration`, in the order of fitting"
            raise TypeError(invalid("calibration", expected, each))
        if not each.is_fitted:
            raise ValueError(invalid("calibration", "objects that are fitted", each))
    return tuple(given)


def apply(
    calibration: Any, answer: dict[str, Any], head: Head, settings: Settings
) -> None:
    """Changes the answer of one output as each calibration says, in their order."""
    shape, axis = answer["mean"].shape, head.measure.axis
    if head.kind in ("values", "gaussian") and len(shape) > 1:
        axis = -1
    outputs = 1 if axis is None else shape[axis]
    require_fitting(calibration, head.kind, settings, outputs)
    for each in calibration:
        if each.needs_masks and head.valid is not None:
            raise ValueError(
                f"A `{type(each).__name__}` cannot be part of a model that masks steps "
                "of its outputs. Apply it to what `mc_predict` returns"
            )
        each.answer(answer, head.measure, ops)


def require_fitting(
    calibration: Any, kind: str, settings: Settings, outputs: Any = None
) -> None:
    """Refuses calibrations that were fitted on something else, or in another order.

    Args:
        calibration: The calibrations.
        kind: What the output of the model is.
        settings: How it is sampled.
        outputs: How many classes or outputs there are, or `None` if unknown.
    """
    before = []
    for each in calibration:
        _require_kind(each, kind)
        each.require_alike(
            {
                "kind": "probabilities" if kind == "logits" else kind,
                "outputs": outputs,
                "samples": settings.samples,
                "masks": settings.masks,
                "calibration": before,
            }
        )
        kind = each.kind_after or kind
        before = before if each.mark is None else [*before, each.mark]


def require_one(heads: Any) -> None:
    """Refuses several outputs, as calibrations belong to one."""
    if len(heads) != 1:
        raise ValueError(
            "`calibration` is for a model of one output, as each is fitted on one. "
            f"Received: a model with {len(heads)} outputs. Build one of the output "
            "that is to be calibrated"
        )


def serialized(calibration: Any) -> list[Any]:
    """The calibrations for a configuration."""
    return [keras.saving.serialize_keras_object(each) for each in calibration]


def deserialized(configs: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The calibrations of a configuration."""
    return [
        keras.saving.deserialize_keras_object(each, custom_objects=custom_objects)
        for each in configs or ()
    ]


def _require_kind(each, kind):
    if kind not in each.kinds:
        kinds = " or ".join(map(repr, each.kinds))
        raise ValueError(
            f"`{type(each).__name__}` needs outputs of kind {kinds}. Received: a model "
            f"with outputs of kind {kind!r}"
        )
