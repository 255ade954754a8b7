"""Pictures of what an uncertainty is worth, beside the same model without noise."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.plots.pictures import new_axes

# Styles tell lines apart in grey too.
_STYLES = {"with noise": "-", "without noise": "--"}
_BINS = 15


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str = "-",
    ax: Any = None,
) -> Any:
    """Accuracy against confidence, over 15 bins of confidence.

    Args:
        confidence: Probabilities of the predicted labels, of any shape.
        correct: Whether each is right, of that shape.
        weight: A weight for each, or `None`.
        label: What to call the line, or `None`.
        linestyle: The style of the line, as Matplotlib has it.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.
    """
    confidence, correct = (np.ravel(each) for each in (confidence, correct))
    weight = np.ones(len(confidence)) if weight is None else np.ravel(weight)
    edges = np.arange(_BINS + 1) / _BINS
    place = (np.searchsorted(edges, confidence, side="left") - 1).clip(0, _BINS - 1)
    mass, sure, right = (
        np.bincount(place, weight * each, minlength=_BINS)
        for each in (1, confidence, correct)
    )
    filled = mass > 0
    ax = new_axes(ax)
    line = sure[filled] / mass[filled], right[filled] / mass[filled]
    ax.plot(*line, linestyle=linestyle, marker="o", markersize=4, label=label)
    ax.set(xlabel="confidence (probability)", ylabel="accuracy (fraction)")
    return ax


def risk_coverage(
    errors: ArrayLike,
    uncertainty: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str = "-",
    ax: Any = None,
) -> Any:
    """The mean error of what is answered, against the fraction that is answered.

    Args:
        errors: The error of each row: 0 or 1, or a loss.
        uncertainty: The uncertainty of each; the largest are left out first, equal ones
            together.
        weight: A weight for each, or `None`.
        label: What to call the line, or `None`.
        linestyle: The style of the line, as Matplotlib has it.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.
    """
    errors, uncertainty = (np.ravel(each) for each in (errors, uncertainty))
    weight = np.ones(len(errors)) if weight is None else np.ravel(weight)
    _, group = np.unique(uncertainty, return_inverse=True)
    kept = np.bincount(group, weight).cumsum()
    risk = np.bincount(group, weight * errors).cumsum() / kept
    ax = new_axes(ax)
    ax.plot(kept / kept[-1], risk, linestyle=linestyle, label=label)
    ax.set(xlabel="fraction answered", ylabel="error of what is answered")
    return ax


def quantiles(
    quantile: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str = "-",
    ax: Any = None,
) -> Any:
    """The fraction of values below each predicted quantile (calibration of values).

    Args:
        quantile: At which quantile of its predicted distribution each value lies, in
            `[0, 1]` (its *probability integral transform*).
        weight: A weight for each, or `None`.
        label: What to call the line, or `None`.
        linestyle: The style of the line, as Matplotlib has it.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.
    """
    quantile = np.ravel(quantile)
    weight = np.ones(len(quantile)) if weight is None else np.ravel(weight)
    order = np.argsort(quantile, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    ax = new_axes(ax)
    line = [0, *quantile[order], 1], [0, *below, 1]
    ax.plot(*line, linestyle=linestyle, label=label)
    ax.set(xlabel="predicted quantile", ylabel="fraction of values below it")
    return ax


def evaluation(evaluation: Any, axes: Any = None) -> Any:
    """The two pictures of `Evaluation.plot`."""
    left, right = _pair(axes)
    lines = {"with noise": evaluation}
    if evaluation.baseline is not None:
        lines["without noise"] = evaluation.baseline
    for label, each in lines.items():
        _draw(each.columns, left, right, {"label": label, "linestyle": _STYLES[label]})
    if left.has_data():
        ends = [0, 1]
        left.plot(ends, ends, linestyle=":", color="0.5", label="calibrated")
        left.legend()
    right.set_ylim(bottom=0)
    right.legend()
    return left, right


def as_svg(judged: Any) -> str:
    """The two pictures as text of SVG, without touching the figures of the user."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    evaluation(judged, figure.subplots(1, 2))
    with io.StringIO() as file:
        figure.savefig(file, format="svg")
        text = file.getvalue()
    return text[text.index("<svg") :]


def _draw(columns, left, right, options):
    weight = columns["weight"]
    options = {**options, "weight": weight}
    if "correct" in columns:
        correct = columns["correct"]
        reliability(columns["confidence"], correct, ax=left, **options)
        risk_coverage(1 - correct, columns["uncertainty"], ax=right, **options)
        right.set_ylabel("error rate of what is answered")
        return
    if "quantile" in columns:
        quantiles(columns["quantile"], ax=left, **options)
    risk_coverage(columns["error"] ** 2, columns["std"], ax=right, **options)
    right.set_ylabel("mean squared error of what is answered")


def _pair(axes):
    if axes is not None:
        left, right = axes
        return left, right
    new_axes(axes, check_only=True)
    from matplotlib import pyplot

    return pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")[1]
