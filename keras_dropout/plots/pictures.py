"""Pictures of uncertainty. Matplotlib is imported only when one is drawn.

Each function takes arrays or a `Prediction`, and an `ax` or `None` for a new one, and
returns the `ax`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout.uncertainty.prediction import Prediction


def uncertainty_histogram(
    *predictions: Prediction | ArrayLike,
    labels: Sequence[str] | None = None,
    bins: int = 30,
    ax: Any = None,
) -> Any:
    """How often each uncertainty occurs, one outline for each group of rows.

    Args:
        *predictions: `Prediction`s, or arrays of one number a row.
        labels: Strings, the names of the groups, or `None`.
        bins: Integer, the number of bins, which all groups share.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.

    Raises:
        ValueError: There is no group, or not a label for each.
    """
    if not predictions or (labels is not None and len(labels) != len(predictions)):
        expected = f"one name for each of the {len(predictions)} groups, at least one"
        raise ValueError(_validation.invalid("labels", expected, labels))
    ax = new_axes(ax)
    groups = [_uncertainty(each) for each in predictions]
    edges = np.histogram_bin_edges(np.concatenate(groups), bins=bins)
    for group, label in zip(groups, labels or [None] * len(groups), strict=True):
        ax.hist(
            group,
            bins=edges,
            density=True,
            histtype="stepfilled",
            alpha=0.5,
            label=label,
        )
    ax.set(xlabel="uncertainty", ylabel="density")
    if labels is not None:
        ax.legend()
    return ax


def regression_band(
    x: ArrayLike,
    prediction: Prediction,
    samples: int | None = None,
    width: float = 2.0,
    ax: Any = None,
) -> Any:
    """The mean over one input, a band about it, and some of the samples.

    Args:
        x: Array `(rows,)`, or `(rows, 1)`, the input to plot over.
        prediction: `Prediction` of one output a row.
        samples: Array `(samples, rows)`, curves to draw; by default the first ten
            that the prediction kept.
        width: Float, half the width of the band in standard deviations.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.
    """
    ax = new_axes(ax)
    order = np.argsort(np.ravel(x))
    x = np.ravel(x)[order]
    mean = _one_a_row(prediction.mean, len(x))[order]
    spread = width * _one_a_row(prediction.std, len(x))[order]
    if samples is None and prediction.samples is not None:
        samples = prediction.samples[:10]
    for sample in () if samples is None else samples:
        ax.plot(x, _one_a_row(sample, len(x))[order], color="0.6", linewidth=0.6)
    ax.fill_between(x, mean - spread, mean + spread, alpha=0.25)
    ax.plot(x, mean, label="mean")
    return ax


def class_probabilities(
    prediction: Prediction,
    row: int = 0,
    names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """The probability of each class in each sample, for one input.

    Args:
        prediction: `Prediction` with its samples kept, or an array
            `(samples, rows, classes)` of probabilities.
        row: Integer, which input.
        names: Strings, the names of the classes, or `None` for their numbers.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.

    Raises:
        ValueError: The prediction did not keep its samples.
    """
    samples = getattr(prediction, "samples", prediction)
    if samples is None:
        raise ValueError(
            "`prediction` must have kept its samples: call "
            "`mc_predict(..., return_samples=True)`. Received: no samples"
        )
    ax = new_axes(ax)
    samples = np.asarray(samples)[:, row]
    count, classes = samples.shape
    # Side by side in the order of the samples, so that none hides another.
    offset = np.linspace(-0.3, 0.3, count)[:, None]
    ax.scatter(np.arange(classes) + offset, samples, s=8, alpha=0.6)
    ax.hlines(samples.mean(axis=0), np.arange(classes) - 0.4, np.arange(classes) + 0.4)
    ax.set_xticks(range(classes), range(classes) if names is None else names)
    ax.set(ylabel="probability", ylim=(-0.02, 1.02))
    return ax


def accuracy_rejection(
    prediction: Prediction, labels: ArrayLike, ax: Any = None
) -> Any:
    """Accuracy on the rows that are left when the least certain ones are rejected.

    Rows of one uncertainty are rejected together, so that their order in the data
    does not count.

    Args:
        prediction: `Prediction` of classes, or the pair of an array of uncertainties
            and an array of predicted labels.
        labels: Array `(rows,)`, the true labels.
        ax: Matplotlib axes, or `None` for new ones.

    Returns:
        The axes.
    """
    if isinstance(prediction, tuple):
        uncertainty, predicted = map(np.asarray, prediction)
    else:
        uncertainty, predicted = prediction.uncertainty, prediction.label
    right = np.ravel(predicted) == np.ravel(labels)
    rejected, accuracy = _accuracy_left(uncertainty, right)
    ax = new_axes(ax)
    ax.plot(rejected, accuracy)
    ax.set(xlabel="fraction rejected", ylabel="accuracy of the rest")
    return ax


def _accuracy_left(uncertainty, right):
    """Fractions rejected, from none on, and the accuracy of what is left."""
    levels, group = np.unique(uncertainty, return_inverse=True)
    size = np.bincount(group, minlength=len(levels)).cumsum()
    correct = np.bincount(group, weights=right, minlength=len(levels)).cumsum()
    return (1 - size / size[-1])[::-1], (correct / size)[::-1]


def _uncertainty(prediction):
    return np.ravel(getattr(prediction, "uncertainty", prediction))


def _one_a_row(array, rows):
    array = np.asarray(array)
    if array.size != rows:
        raise ValueError(
            f"A band needs one output a row. Received: shape {array.shape} for "
            f"{rows} rows"
        )
    return array.reshape(rows)


def new_axes(ax: Any, check_only: bool = False) -> Any:
    """`ax`, or new axes; with `check_only` no more than whether there can be any."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("Plots need Matplotlib: pip install matplotlib") from error
    return None if check_only else pyplot.subplots()[1]
