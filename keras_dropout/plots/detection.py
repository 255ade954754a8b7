"""How well an uncertainty finds what it should find."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout.metrics import separation
from keras_dropout.plots import styles
from keras_dropout.uncertainty import Prediction, measures
from keras_dropout.uncertainty.measures import By


def roc(
    inside: Prediction | ArrayLike,
    outside: Prediction | ArrayLike,
    *,
    by: By = "auto",
    label: str | None = None,
    linestyle: str | None = None,
    ax: Any = None,
) -> Any:
    r"""The fraction of outside rows that are found, against false alarms.

    A row is found if its uncertainty reaches a limit. The area under the curve (AUROC)
    is the probability that an outside row is less certain than an inside row. It is
    shown in the legend. To see how well errors are found, pass the right rows as
    *inside* and the wrong rows as *outside*.

    Args:
        inside: A `Prediction` of rows from inside, or their uncertainties.
        outside: A `Prediction` of rows from outside, or their uncertainties.
        by: The measure of predictions, as `Prediction.rank` takes it.
        label: As in all `keras_dropout.plots`.
        linestyle: As in all `keras_dropout.plots`.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        TypeError: An argument is neither a `Prediction` nor an array of numbers.
        ValueError: An array is empty or holds NaN, or there is no such measure.

    Examples:
        >>> from keras_dropout import plots
        >>> ax = plots.roc([0.1, 0.4, 0.2], [0.3, 0.9], label="strangers")
        >>> ax.get_lines()[0].get_label()
        'strangers (AUROC 0.83)'
    """
    inside, outside = (_uncertainty(each, by) for each in (inside, outside))
    area = separation(inside, outside)["auroc"]
    thresholds = np.unique(np.concatenate([inside, outside]))[::-1]
    alarms, found = (
        np.array([0, *(_reaching(each, thresholds))]) for each in (inside, outside)
    )
    ax = styles.new_axes(ax)
    text = f"AUROC {area:.2f}"
    text = text if label is None else f"{label} ({text})"
    ax.plot(alarms, found, label=text, **styles.line(ax, linestyle))
    styles.guide(ax, (0, 0), (1, 1))
    ax.set(
        xlabel="false alarms (fraction of inside)",
        ylabel="found (fraction of outside)",
    )
    ax.legend(loc="lower right")
    return ax


def _uncertainty(group, by):
    if isinstance(group, Prediction):
        group = measures.of_rows(group, by)
    return np.asarray(group, np.float64).ravel()


def _reaching(group, thresholds):
    return 1 - np.searchsorted(np.sort(group), thresholds, side="left") / len(group)
