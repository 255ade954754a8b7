"""Predictions in files: arrays by name, and all else as text."""

from __future__ import annotations

import json
import pathlib
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dropout.random.schemes import SCHEMES
from keras_dropout.uncertainty import classes
from keras_dropout.uncertainty.samples import KINDS

if TYPE_CHECKING:
    from keras_dropout.uncertainty.prediction import Prediction

# The names of the arrays that make up a prediction; others follow from them.
_FIELDS = ("mean", "variance", "standard_error", "count", "samples", "valid")
_TEXTS = ("kind", "class_axis", "active", "masks", "seed", "calibration", "exact")
_OF_CLASSES = {"information", "information_bias", "information_error", "votes"}
_NEEDED = {**dict.fromkeys(classes.KINDS, _OF_CLASSES), "gaussian": {"noise_variance"}}
_SETTINGS, _PREFIX = "settings", "statistics."
# What files of another kind, or cut off, raise.
_BROKEN = (
    AttributeError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(prediction: Prediction, path: str | pathlib.Path) -> None:
    """Writes a compressed `.npz` file."""
    settings = {name: getattr(prediction, name) for name in _TEXTS}
    extra = {_PREFIX + name: each for name, each in prediction.statistics.items()}
    arrays = {**prediction.to_dict(), **extra}
    np.savez_compressed(path, **arrays, **{_SETTINGS: np.array(json.dumps(settings))})


def load(path: str | pathlib.Path) -> dict[str, Any]:
    """The fields of the prediction that `save` wrote; nothing in it is executed."""
    path = pathlib.Path(path)
    if not path.exists():
        path = path.with_name(path.name + ".npz")
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            arrays = {name: file[name] for name in file.files}
        settings = json.loads(str(arrays[_SETTINGS]))
        fields = {name: settings[name] for name in _TEXTS}
        # What every prediction has.
        for name in ("active", "calibration"):
            fields[name] = tuple(fields[name])
        for name in _FIELDS[:4]:
            fields[name] = arrays[name]
        fields["statistics"] = {
            name.removeprefix(_PREFIX): each
            for name, each in arrays.items()
            if name.startswith(_PREFIX)
        }
        _check(fields)
    except _BROKEN as error:
        raise ValueError(
            "The file must be one that `Prediction.save` wrote. "
            f"Received: {str(path)!r}, with {type(error).__name__}: {error}"
        ) from error
    fields.update((name, arrays.get(name)) for name in _FIELDS[4:])
    return fields


def _check(fields):
    """Refuses fields that no prediction has."""
    if fields["kind"] not in KINDS or fields["masks"] not in SCHEMES:
        raise ValueError(f"no kind or scheme: {fields['kind']!r}, {fields['masks']!r}")
    shape = fields["mean"].shape
    shapes = {name: fields[name].shape for name in _FIELDS[:4]}
    expected = {**dict.fromkeys(_FIELDS[:3], shape), "count": shape[:1]}
    if not shape or shapes != expected:
        raise ValueError(f"shapes that do not fit: {shapes}")
    if fields["exact"] not in (None, True, False):
        raise ValueError(f"neither exact nor not: {fields['exact']!r}")
    needed = _NEEDED.get(fields["kind"], set())
    if fields["exact"] is not None:
        # Moments do not vote.
        needed = needed - {"votes"}
    if missing := needed - set(fields["statistics"]):
        raise ValueError(f"no {sorted(missing)} for kind {fields['kind']!r}")
