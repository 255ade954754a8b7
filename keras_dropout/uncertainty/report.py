"""What a prediction has, by its kind of output: as arrays, and as text."""

import numpy as np

from keras_dropout.uncertainty import classes

_ALWAYS = ("mean", "std", "variance", "standard_error", "count")
_PARTS = ("epistemic", "aleatoric", "total")
_OF_CLASSES = (
    "entropy",
    "expected_entropy",
    "mutual_information",
    "mutual_information_corrected",
    "mutual_information_error",
    "variation_ratio",
    "disagreement",
    "margin",
    "max_probability",
)


def arrays(prediction):
    """All arrays of a prediction, by name."""
    names = list(_ALWAYS)
    if prediction._aleatoric is not None:
        names += _PARTS
    if prediction.kind in classes.KINDS:
        names += _OF_CLASSES
    kept = ("samples", "mask")
    names += [name for name in kept if getattr(prediction, name) is not None]
    return {name: getattr(prediction, name) for name in names}


def text(prediction):
    """A prediction in a few lines."""
    heading = (
        f"Prediction of {len(prediction)} rows, {prediction.kind}, mean of shape "
        f"{prediction.mean.shape}"
    )
    if not prediction.mean.size:
        return heading
    count = _span(prediction.count)
    noise = ", ".join(prediction.active) or "none"
    lines = [
        f"{heading}, {count} {prediction.masks} samples",
        f"  noise: {noise} (seed {prediction.seed})",
        f"  std: {_spread(prediction.std)}",
        f"  standard error of the mean: {_spread(prediction.standard_error)}",
    ]
    if prediction.kind in classes.KINDS:
        lines.append(f"  entropy: {_spread(prediction.entropy)} nats")
        information = _spread(prediction.mutual_information)
        lines.append(f"  mutual information: {information} nats")
    if prediction._aleatoric is not None:
        lines.append(f"  aleatoric variance: {_spread(prediction.aleatoric)}")
    return "\n".join(lines)


def _span(count):
    low, high = count.min(), count.max()
    return str(low) if low == high else f"{low} to {high}"


def _spread(values):
    return f"{np.mean(values):.4g} on average, {np.max(values):.4g} at most"
