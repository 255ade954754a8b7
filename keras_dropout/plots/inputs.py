"""Single inputs: images by their certainty, the classes of one, a line through many."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from keras_dropout import _validation
from keras_dropout.plots import styles
from keras_dropout.uncertainty import Prediction, measures
from keras_dropout.uncertainty.measures import By


def images(
    images: ArrayLike,
    prediction: Prediction,
    y: ArrayLike | None = None,
    *,
    k: int = 8,
    first: Literal["uncertain", "certain"] = "uncertain",
    by: By = "auto",
    names: list[str] | None = None,
    axes: Any = None,
) -> Any:
    """Shows the least or the most certain images, with truth, answer and uncertainty.

    Args:
        images: Array `(rows, height, width)` or `(rows, height, width, channels)` with
            one, three or four channels, as Matplotlib shows them. With one channel
            large values are dark.
        prediction: `Prediction` of their classes.
        y: Integers `(rows,)`, the true classes, or `None`.
        k: Integer from 1 to the number of rows, how many to show.
        first: `"uncertain"` for the least certain ones, `"certain"` for the most.
        by: The measure that ranks, as in `Prediction.rank`. It is shown above each
            image.
        names: Strings, the names of the classes, or `None` for their numbers.
        axes: `k` Matplotlib axes, or `None` for new ones in a row.

    Returns:
        Array `(k,)` of the axes.

    Raises:
        ValueError: There are fewer rows than `k`, or the images, labels or axes do not
            fit.
    """
    images = np.asarray(images)
    k = _validation.integer("k", k, minimum=1)
    _validation.choice("first", first, ("uncertain", "certain"))
    if images.ndim not in (3, 4) or len(images) != len(prediction):
        expected = f"an array of {len(prediction)} images, grey or with channels last"
        raise ValueError(_validation.invalid("images", expected, images.shape))
    if k > len(images):
        expected = f"at most the {len(images)} rows of the prediction"
        raise ValueError(_validation.invalid("k", expected, k))
    if axes is None:
        size = 1.2 * k, 1.9
        axes = styles.pyplot().subplots(1, k, figsize=size, layout="constrained")[1]
    axes = np.atleast_1d(axes).ravel()
    if len(axes) != k:
        raise ValueError(_validation.invalid("axes", f"{k} axes", len(axes)))
    order = prediction.rank(by)
    values = np.asarray(measures.of_rows(prediction, by))
    by = measures.resolved(prediction, by)
    unit = " nats" if "entropy" in by or "information" in by else ""
    if by in ("max_probability", "margin"):
        # As they are, and not turned round for the ranking.
        values = 1 - values
    shown = (order if first == "uncertain" else order[::-1])[:k]
    for ax, place in zip(axes, shown, strict=True):
        answer = _name(prediction.label[place], names)
        text = (
            answer if y is None else f"{_name(np.asarray(y)[place], names)}: {answer}"
        )
        ax.imshow(images[place].squeeze(), cmap="gray_r")
        ax.set_title(f"{text}\n{values[place]:.2f}{unit}", fontsize="small")
        ax.set(xticks=[], yticks=[])
    return axes


def class_probabilities(
    prediction: Prediction | ArrayLike,
    row: int = 0,
    *,
    names: list[str] | None = None,
    ax: Any = None,
) -> Any:
    """The probability of each class in each sample, for one input.

    Args:
        prediction: `Prediction` of classes, or an array `(samples, rows, classes)` of
            probabilities. Each kept sample is a dot, next to the mean. Without samples
            a bar shows the standard deviation.
        row: Integer, which input.
        names: Strings, the names of the classes, or `None` for their numbers.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.
    """
    ax = styles.new_axes(ax)
    colour, other = styles.COLOURS[:2]
    samples = getattr(prediction, "samples", prediction)
    if samples is None:
        mean, std = prediction.mean[row], prediction.std[row]
        options = {"fmt": "none", "ecolor": colour, "capsize": 3}
        ax.errorbar(np.arange(len(mean)), mean, std, **options)
    else:
        samples = np.asarray(samples)[:, row]
        mean = samples.mean(axis=0)
        # Side by side in the order of the samples, so that none hides another.
        offset = np.linspace(-0.3, 0.3, len(samples))[:, None]
        places = np.arange(len(mean)) + offset
        ax.scatter(places, samples, s=8, alpha=0.6, color=colour)
    places = np.arange(len(mean))
    ax.hlines(mean, places - 0.4, places + 0.4, color=other, linewidth=2)
    ax.set_xticks(places, places if names is None else names)
    ax.set(xlabel="class", ylabel="probability", ylim=(-0.02, 1.02))
    return ax


def regression_band(
    x: ArrayLike,
    prediction: Prediction,
    *,
    samples: ArrayLike | None = None,
    width: float = 2.0,
    ax: Any = None,
) -> Any:
    """The mean as a function of one input, a band around it, and some of the samples.

    Args:
        x: Array `(rows,)`, or `(rows, 1)`, the input to plot over.
        prediction: `Prediction` with one output per row.
        samples: Array `(samples, rows)`, curves to draw; by default the first ten
            that the prediction kept.
        width: Float, half the width of the band in standard deviations.
        ax: As in all `keras_dropout.plots`.

    Returns:
        The axes.

    Raises:
        ValueError: There is more than one output per row.
    """
    ax = styles.new_axes(ax)
    order = np.argsort(np.ravel(x))
    x = np.ravel(x)[order]
    mean = _one_a_row(prediction.mean, len(x))[order]
    spread = width * _one_a_row(prediction.std, len(x))[order]
    if samples is None and prediction.samples is not None:
        samples = prediction.samples[:10]
    for sample in () if samples is None else samples:
        line = _one_a_row(sample, len(x))[order]
        ax.plot(x, line, color=styles.QUIET, linewidth=0.6)
    label = f"± {width:g} standard deviations"
    colour = styles.COLOURS[0]
    ax.fill_between(
        x, mean - spread, mean + spread, color=colour, alpha=0.25, label=label
    )
    ax.plot(x, mean, color=colour, label="mean")
    ax.set(xlabel="input", ylabel="output")
    return ax


def _name(label, names):
    return str(label) if names is None else names[int(label)]


def _one_a_row(array, rows):
    array = np.asarray(array)
    if array.size != rows:
        raise ValueError(
            f"A band needs one output a row. Received: shape {array.shape} for "
            f"{rows} rows"
        )
    return array.reshape(rows)
