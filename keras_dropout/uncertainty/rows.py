"""What a prediction says of its rows: some of them, their ranking, their quantiles."""

import numpy as np

from keras_dropout import _validation
from keras_dropout.uncertainty import classes


def chosen(prediction, rows):
    """The arrays for some rows, by the names of the fields."""
    places = np.atleast_1d(np.arange(len(prediction))[rows])
    if places.ndim > 1:
        raise IndexError(
            "Rows are chosen by an integer, a slice, or an array with one axis of "
            f"integers or booleans. Received: {rows!r}"
        )
    fields = {
        name: value[:, places] if name == "samples" else value[places]
        for name, value in vars(prediction).items()
        if isinstance(value, np.ndarray)
    }
    extra = {name: value[places] for name, value in prediction.statistics.items()}
    return {**fields, "statistics": extra}


def uncertainty(prediction):
    """One number a row; see `Prediction.uncertainty`."""
    has_classes = prediction.kind in classes.KINDS
    spread = prediction.mutual_information if has_classes else prediction.total
    axes, valid = tuple(range(1, spread.ndim)), prediction.valid
    if valid is None:
        return spread.mean(axis=axes)
    valid = valid.reshape(valid.shape + (1,) * (spread.ndim - valid.ndim))
    return np.mean(spread, axis=axes, where=np.broadcast_to(valid, spread.shape))


def quantile(prediction, q):
    """Quantiles of the samples; see `Prediction.quantile`."""
    for each in np.ravel(q).tolist():
        _validation.probability("q", each)
    if prediction.samples is None:
        raise ValueError(
            "Quantiles need the samples themselves: call "
            "`mc_predict(..., return_samples=True)`. Received: no samples"
        )
    return np.quantile(prediction.samples, q, axis=0).astype(prediction.mean.dtype)


def interval(prediction, level):
    """Central interval of the samples; see `Prediction.interval`."""
    expected = "a float value above 0 and below 1"
    level = _validation.real("level", level, expected)
    if not 0 < level < 1:
        raise ValueError(_validation.invalid("level", expected, level))
    lower, upper = quantile(prediction, [(1 - level) / 2, (1 + level) / 2])
    return lower, upper


def array(mean, dtype, copy):
    """The mean for `numpy.asarray`."""
    if copy is False and dtype not in (None, mean.dtype):
        raise ValueError(f"A mean of {mean.dtype} needs a copy as {dtype}")
    converted = np.asarray(mean, dtype=dtype)
    return converted.copy() if copy else converted
