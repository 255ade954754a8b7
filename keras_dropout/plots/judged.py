"""Pictures of what an uncertainty is worth, beside the same model without noise."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout._validation import invalid
from keras_dropout.plots import styles
from keras_dropout.uncertainty import Evaluation, Prediction, evaluate
from keras_dropout.uncertainty.measures import By

_STYLES = {"with noise": "-", "without noise": "--"}
_BINS = 15


def reliability(
    confidence: Prediction | Evaluation | ArrayLike,
    correct: ArrayLike | None = None,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str | None = None,
    ax: Any = None,
) -> Any:
    """How often answers are right, against their confidence, in 15 bins of confidence.

    Where the line is below the diagonal, the model is too certain.

    Args:
        confidence: A `Prediction` of classes; or an `Evaluation`; or probabilities of
            the predicted labels, of any shape.
        correct: For a `Prediction` the true labels; for probabilities whether each is
            right, in the same shape; `None` for an `Evaluation`.
        weight: As in all `keras_dropout.plots`.
        label: As in all `keras_dropout.plots`.
        linestyle: As in all `keras_dropout.plots`.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: An evaluation is not of classes, or lengths differ.
    """
    names = "confidence", "correct"
    confidence, correct, weight = _columns(confidence, correct, weight, names)
    edges = np.arange(_BINS + 1) / _BINS
    place = (np.searchsorted(edges, confidence, side="left") - 1).clip(0, _BINS - 1)
    mass, sure, right = (
        np.bincount(place, weight * each, minlength=_BINS)
        for each in (1, confidence, correct)
    )
    filled = mass > 0
    ax = styles.new_axes(ax)
    line = sure[filled] / mass[filled], right[filled] / mass[filled]
    ax.plot(*line, label=label, **styles.line(ax, linestyle), **styles.marker(ax))
    styles.guide(ax, (0, 0), (1, 1))
    ax.set(xlabel="confidence (probability)", ylabel="right (fraction)")
    return ax


def risk_coverage(
    errors: Prediction | Evaluation | ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    by: By = "auto",
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str | None = None,
    ax: Any = None,
) -> Any:
    """The mean error of the answered rows, against the fraction of answered rows.

    The least certain rows are not answered. If the line falls to the left, the
    uncertainty finds the errors. If it is flat, it does not.

    Args:
        errors: A `Prediction`; or an `Evaluation`; or the error of each row, 0 or 1, or
            a loss.
        uncertainty: For a `Prediction` the truth; for errors the uncertainty of each;
            `None` for an `Evaluation`. Rows with the largest uncertainty are left out
            first, equal ones together.
        by: What ranks the rows of a `Prediction`, as `evaluate` takes it.
        weight: As in all `keras_dropout.plots`.
        label: As in all `keras_dropout.plots`.
        linestyle: As in all `keras_dropout.plots`.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: Lengths differ.
    """
    names = "risk", "uncertainty"
    errors, uncertainty, weight = _columns(errors, uncertainty, weight, names, by)
    _, group = np.unique(uncertainty, return_inverse=True)
    kept = np.bincount(group, weight).cumsum()
    risk = np.bincount(group, weight * errors).cumsum() / kept
    ax = styles.new_axes(ax)
    ax.plot(kept / kept[-1], risk, label=label, **styles.line(ax, linestyle))
    ax.set(xlabel="answered (fraction of rows)", ylabel="error of the answered rows")
    return ax


def quantiles(
    quantile: Evaluation | ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str | None = None,
    ax: Any = None,
) -> Any:
    """The fraction of values below each predicted quantile (calibration of values).

    On the diagonal predictions are calibrated. If the line is first below and then
    above the diagonal, the intervals are too wide. If it is first above and then below,
    they are too narrow.

    Args:
        quantile: An `Evaluation` of values; or for each value its quantile in the
            predicted distribution, in `[0, 1]` (the *probability integral transform*).
        weight: As in all `keras_dropout.plots`.
        label: As in all `keras_dropout.plots`.
        linestyle: As in all `keras_dropout.plots`.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: An evaluation tells no quantiles.
    """
    quantile, weight = _quantiles(quantile, weight)
    ax = _cumulative(quantile, weight, label, linestyle, ax)
    ax.set(xlabel="predicted quantile", ylabel="values below it (fraction)")
    return ax


def coverage(
    quantile: Evaluation | ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label: str | None = None,
    linestyle: str | None = None,
    ax: Any = None,
) -> Any:
    """The fraction of values inside each central interval, against its confidence.

    Below the diagonal the intervals contain fewer values than they promise.

    Args:
        quantile: An `Evaluation` of values; or for each value its quantile in the
            predicted distribution, as in `quantiles`.
        weight: As in all `keras_dropout.plots`.
        label: As in all `keras_dropout.plots`.
        linestyle: As in all `keras_dropout.plots`.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: An evaluation tells no quantiles.
    """
    quantile, weight = _quantiles(quantile, weight)
    # The narrowest central interval with the value in it.
    level = np.abs(2 * quantile - 1)
    ax = _cumulative(level, weight, label, linestyle, ax)
    ax.set(xlabel="confidence level (fraction)", ylabel="values inside (fraction)")
    return ax


def _cumulative(values, weight, label, linestyle, ax):
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    ax = styles.new_axes(ax)
    line = [0, *values[order], 1], [0, *below, 1]
    ax.plot(*line, label=label, **styles.line(ax, linestyle))
    styles.guide(ax, (0, 0), (1, 1))
    return ax


def _columns(judged, truth, weight, names, by="auto"):
    """Two flat columns and their weights, of an evaluation, a prediction or arrays."""
    if isinstance(judged, Prediction):
        judged = evaluate(judged, truth, sample_weight=weight, by=by)
    if isinstance(judged, Evaluation):
        found = dict(judged.columns)
        if "correct" in found:
            found["risk"] = 1 - found["correct"]
        else:
            found["risk"] = found["error"] ** 2
            found["uncertainty"] = found["std"]
        missing = [name for name in names if name not in found]
        if missing:
            raise ValueError(
                invalid("confidence", "an `Evaluation` of classes", judged)
            )
        return *(np.ravel(found[name]) for name in names), found["weight"]
    first, second = (np.ravel(each) for each in (judged, truth))
    if len(first) != len(second):
        expected = f"{len(first)} numbers, as many as {names[0]}"
        raise ValueError(invalid(names[1], expected, len(second)))
    return first, second, np.ones(len(first)) if weight is None else np.ravel(weight)


def _quantiles(judged, weight):
    if isinstance(judged, Evaluation):
        if "quantile" not in judged.columns:
            expected = "an `Evaluation` of values with a known noise of the data"
            raise ValueError(invalid("quantile", expected, judged))
        return judged.columns["quantile"], judged.columns["weight"]
    quantile = np.ravel(judged)
    return quantile, np.ones(len(quantile)) if weight is None else np.ravel(weight)


def evaluation(evaluation: Any, axes: Any = None) -> Any:
    """The two pictures of `Evaluation.plot`."""
    left, right = _pair(axes)
    lines = {"with noise": evaluation}
    if evaluation.baseline is not None:
        lines["without noise"] = evaluation.baseline
    for label, each in lines.items():
        _draw(each, left, right, {"label": label, "linestyle": _STYLES[label]})
    if left.has_data():
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


def _draw(judged, left, right, options):
    risk_coverage(judged, ax=right, **options)
    if "correct" in judged.columns:
        reliability(judged, ax=left, **options)
        right.set_ylabel("wrong (fraction of answered rows)")
        return
    if "quantile" in judged.columns:
        quantiles(judged, ax=left, **options)
    right.set_ylabel("mean squared error of the answered rows")


def _pair(axes):
    if axes is not None:
        left, right = axes
        return left, right
    return styles.pyplot().subplots(1, 2, figsize=(10, 4), layout="constrained")[1]
