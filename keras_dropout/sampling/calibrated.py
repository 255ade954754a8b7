"""Calibrations within a model: they do to its answers what they do to predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_dropout import random
from keras_dropout._validation import invalid
from keras_dropout.sampling.outputs import Head
from keras_dropout.sampling.settings import Settings
from keras_dropout.uncertainty import pooling, statistics
from keras_dropout.uncertainty.fitted import Calibration

Calibrations = (
    Calibration
    | Sequence[Calibration]
    | Sequence[Sequence[Calibration] | None]
    | Mapping[str, Calibration | Sequence[Calibration] | None]
)


def checked(calibration: Any) -> Any:
    """A tuple of fitted calibrations, or a dictionary of such by output.

    A list by place becomes a dictionary by the places, as names.
    """
    is_list = isinstance(calibration, (list, tuple))
    if is_list and any(isinstance(each, (list, tuple)) for each in calibration):
        calibration = {str(place): each for place, each in enumerate(calibration)}
    if isinstance(calibration, Mapping):
        return {str(name): _of_one(each) for name, each in calibration.items()}
    return _of_one(calibration)


def _of_one(calibration):
    given = () if calibration is None else calibration
    given = given if isinstance(given, (list, tuple)) else (given,)
    for each in given:
        if not isinstance(each, Calibration):
            expected = (
                "objects of `keras_dropout.calibration` in the order of fitting, or a "
                "dictionary of lists of them by the names of the outputs"
            )
            raise TypeError(invalid("calibration", expected, each))
        if not each.is_fitted:
            raise ValueError(invalid("calibration", "objects that are fitted", each))
    return tuple(given)


def by_output(
    calibration: Any, model: keras.Model, structure: Any
) -> list[tuple[Calibration, ...]]:
    """The calibrations of each output, flat.

    Args:
        calibration: What `checked` gave.
        model: The model that is sampled.
        structure: How its outputs are nested.
    """
    names = _names(model, structure)
    if not isinstance(calibration, dict):
        if calibration and len(names) != 1:
            raise ValueError(
                "`calibration` of a model with several outputs must say which output "
                "each belongs to, as each is fitted on one: give a dictionary of lists "
                f"by the names of the outputs, {[each[0] for each in names]}. "
                f"Received: one list for {len(names)} outputs"
            )
        return [calibration] * len(names)
    places = {name: place for place, each in enumerate(names) for name in each}
    found = [()] * len(names)
    for name, each in calibration.items():
        if name not in places:
            expected = f"names of the model's outputs, {[each[0] for each in names]}"
            raise ValueError(invalid("calibration", expected, name))
        found[places[name]] = each
    return found


def _names(model, structure):
    """What each output is called: as an export calls it, or as its layer is."""
    count = len(keras.tree.flatten(structure))
    places = keras.tree.pack_sequence_as(structure, list(range(count)))
    found = [
        ["_".join(map(str, path))] if path else []
        for path, _ in keras.tree.flatten_with_path(places)
    ]
    names = getattr(model, "output_names", None) or ()
    if len(names) == count:
        found = [[*each, name] for each, name in zip(found, names, strict=True)]
    return [each or ["0"] for each in found]


def chances(calibration: Any) -> int:
    """For how many outputs numbers are to be drawn."""
    if isinstance(calibration, dict):
        return sum(map(chances, calibration.values()))
    return int(any(each.needs_uniform for each in calibration))


def answer(
    summary: dict[str, Any], head: Head, count: float, blocks: Any
) -> dict[str, Any]:
    """What a model answers about one output, from the sums over samples.

    Args:
        summary: The sums by name.
        head: The output.
        count: How many samples they are of.
        blocks: Into how many independent blocks these fall, where masks are joined.
    """
    summary = {**summary, "count": count}
    if "blocks" in summary:
        summary["blocks"] = float(blocks)
    pooled = pooling.pool([summary], head.measure, ops)
    mean, variance = pooled["mean"], pooled["variance"]
    found = {"mean": mean}
    if head.measure.has_classes:
        found["entropy"] = statistics.entropy(mean, head.measure, ops)
        found["mutual_information"] = pooled["information"]
        expected = found["entropy"] - found["mutual_information"]
        found["expected_entropy"] = ops.maximum(expected, 0.0)
    if head.kind == "gaussian":
        found["epistemic"], found["aleatoric"] = variance, pooled["aleatoric"]
        variance = variance + pooled["aleatoric"]
    return {**found, "std": ops.sqrt(variance)}


def apply(
    calibration: Any,
    answer: dict[str, Any],
    head: Head,
    settings: Settings,
    keys: Iterator[Any],
) -> None:
    """Changes the answer of one output as each calibration says, in their order.

    Args:
        calibration: The calibrations of this output.
        answer: Its arrays by name.
        head: The output.
        settings: How the model is sampled.
        keys: Keys of `random.next_key` for what is decided by chance.
    """
    shape, axis = answer["mean"].shape, head.measure.axis
    if head.kind in ("values", "gaussian") and len(shape) > 1:
        axis = -1
    outputs = 1 if axis is None else shape[axis]
    require_fitting(calibration, head.kind, settings, outputs)
    if any(each.needs_uniform for each in calibration):
        places = list(ops.shape(answer["mean"]))
        if head.measure.kind != "binary":
            del places[head.measure.axis]
        answer["uniform"] = random.uniform(tuple(places), next(keys))
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


def serialized(calibration: Any) -> Any:
    """The calibrations for a configuration."""
    if isinstance(calibration, dict):
        return {name: serialized(each) for name, each in calibration.items()}
    return [keras.saving.serialize_keras_object(each) for each in calibration]


def deserialized(configs: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The calibrations of a configuration."""
    if isinstance(configs, dict) and "class_name" not in configs:
        return {
            name: deserialized(each, custom_objects) for name, each in configs.items()
        }
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
