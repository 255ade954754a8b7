"""What a prediction has, by its kind of output: as arrays, and as text."""

from __future__ import annotations

import html as escaping
from typing import TYPE_CHECKING

import numpy as np

from keras_dropout.uncertainty import classes

if TYPE_CHECKING:
    from keras_dropout.uncertainty.prediction import Prediction

_ALWAYS = ("mean", "std", "variance", "standard_error", "count")
_PARTS = ("epistemic", "aleatoric", "total")
_OF_CLASSES = (
    "entropy",
    "expected_entropy",
    "mutual_information",
    "mutual_information_corrected",
    "mutual_information_error",
    "max_probability",
)
_OF_VOTES = ("variation_ratio", "disagreement")


def arrays(prediction: Prediction) -> dict[str, np.ndarray]:
    """All arrays of a prediction, by name."""
    names = list(_ALWAYS)
    if "noise_variance" in prediction.statistics:
        names += _PARTS
    if prediction.kind in classes.KINDS:
        names += _OF_CLASSES
        if "votes" in prediction.statistics:
            names += _OF_VOTES
        # One class alone leads no other.
        axis = prediction.class_axis
        if prediction.kind == "binary" or prediction.mean.shape[axis] > 1:
            names.append("margin")
    kept = ("samples", "valid")
    names += [name for name in kept if getattr(prediction, name) is not None]
    return {name: getattr(prediction, name) for name in names}


def text(prediction: Prediction) -> str:
    """A prediction in a few lines."""
    heading, noise, rows = _parts(prediction)
    if not rows:
        return heading
    lines = [heading, f"  noise: {noise}"]
    for name, unit, values in rows:
        spread = f"{np.mean(values):.4g} on average, {np.max(values):.4g} at most"
        lines.append(f"  {name}: {spread}{unit and ' ' + unit}")
    return "\n".join(lines)


def html(prediction: Prediction) -> str:
    """A prediction as a small table, for notebooks."""
    heading, noise, rows = _parts(prediction)
    caption = escaping.escape(heading if not rows else f"{heading}; noise: {noise}")
    cells = [("", "mean", "largest", "")]
    cells += [
        (name, f"{np.mean(values):.4g}", f"{np.max(values):.4g}", unit)
        for name, unit, values in rows
    ]
    first, *others = (
        "".join(f"<{tag}>{escaping.escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(["th"] + ["td"] * len(rows), cells, strict=True)
    )
    body = "".join(f"<tr>{row}</tr>" for row in others)
    return (
        f"<table><caption>{caption}</caption><thead><tr>{first}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _parts(prediction):
    """The heading, the noise, and what is told: names, units and arrays."""
    heading = (
        f"Prediction of {len(prediction)} rows, {prediction.kind}, mean of shape "
        f"{prediction.mean.shape}"
    )
    if not prediction.mean.size:
        return heading, "", []
    noise = ", ".join(prediction.active) or "none"
    rows = [("std", "", prediction.std)]
    if prediction.exact is None:
        heading += f", {_span(prediction.count)} {prediction.masks} samples"
        noise += f" (seed {prediction.seed})"
        error = prediction.standard_error
        rows.append(("standard error of the mean", "", error))
    else:
        heading += f", {'exact' if prediction.exact else 'approximate'} moments"
    if prediction.kind in classes.KINDS:
        rows.append(("entropy", "nats", prediction.entropy))
        rows.append(("mutual information", "nats", prediction.mutual_information))
    if "noise_variance" in prediction.statistics:
        rows.append(("aleatoric variance", "", prediction.aleatoric))
    return heading, noise, rows


def _span(count):
    low, high = count.min(), count.max()
    return str(low) if low == high else f"{low} to {high}"
