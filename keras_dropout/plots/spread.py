"""How uncertain the rows of some groups are."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout.plots import styles
from keras_dropout.uncertainty import Prediction, measures
from keras_dropout.uncertainty.measures import By

# What each measure is in; variances are in the unit of the output, squared.
_UNITS = {
    "entropy": "nats",
    "mutual_information": "nats",
    "expected_entropy": "nats",
    "variation_ratio": "fraction of samples",
    "disagreement": "probability",
    "max_probability": "probability",
    "margin": "probability",
}


def uncertainty_histogram(
    *predictions: Prediction | ArrayLike,
    by: By = "auto",
    labels: list[str] | None = None,
    bins: int = 30,
    ax: Any = None,
) -> Any:
    """Draws a histogram of the uncertainty, one outline for each group of rows.

    Args:
        *predictions: `Prediction`s, or arrays with one number per row.
        by: The measure of predictions, as `Prediction.rank` takes it.
        labels: Strings, the names of the groups, or `None`.
        bins: Integer, the number of bins, which all groups share.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: There is no group, or not one label for each group.
    """
    if not predictions or (labels is not None and len(labels) != len(predictions)):
        expected = f"one name for each of the {len(predictions)} groups, at least one"
        raise ValueError(_validation.invalid("labels", expected, labels))
    ax = styles.new_axes(ax)
    groups = [_uncertainty(each, by) for each in predictions]
    edges = np.histogram_bin_edges(np.concatenate(groups), bins=bins)
    for number, group in enumerate(groups):
        place = number % len(styles.COLOURS)
        colour = styles.COLOURS[place]
        ax.hist(
            group,
            bins=edges,
            density=True,
            histtype="stepfilled",
            facecolor=(colour, 0.35),
            edgecolor=colour,
            linestyle=styles.LINES[place],
            hatch=styles.HATCHES[place],
            label=None if labels is None else labels[number],
        )
    ax.set(xlabel=_named(predictions, by), ylabel="density")
    if labels is not None:
        ax.legend()
    return ax


def _uncertainty(group, by):
    if isinstance(group, Prediction):
        return measures.of_rows(group, by)
    return np.ravel(group)


def _named(predictions, by):
    """What the numbers are, with their unit, where predictions tell it."""
    known = [each for each in predictions if isinstance(each, Prediction)]
    if not known:
        return "uncertainty"
    by = measures.resolved(known[0], by)
    unit = _UNITS.get(by, "unit of the output" + (" squared" if by != "std" else ""))
    return f"{by.replace('_', ' ')} ({unit})"
