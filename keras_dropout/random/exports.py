"""Refuses to draw for files that hold no random state."""

from keras_dropout import _keras

# What Keras can export to without being able to draw anew in each call.
FORMATS: tuple[str, ...] = tuple(_keras.EXPORTERS.values())


def format_now() -> str | None:
    """The one of these formats that a model is being exported to, or `None`."""
    return _keras.export_format()


def require_state() -> None:
    """Refuses a draw in the course of an export to one of these formats."""
    format = format_now()
    if format is not None:
        raise refusal(format)


def refusal(format: str) -> ValueError:
    """The error for an export with noise to a format without random state."""
    return ValueError(
        "A file of this format has no random state, so noise in it would be the same "
        "in every call, or the file could not be run at all. Export with "
        "format='tf_saved_model' (on PyTorch format='torch'), or take the noise out "
        "first with `keras_dropout.strip_dropout(model)`, and sample where Keras runs. "
        f"Received: format={format!r} for a model that is noisy at inference"
    )
