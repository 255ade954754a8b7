"""Exchanging the noise of a built model."""

from keras_dropout._validation import choice
from keras_dropout.surgery.graph import Chain, rebuilt
from keras_dropout.surgery.twins import is_noise, ours, theirs


def replace_dropout(model, by="keras_dropout"):
    """Exchanges the noise layers of a built model.

    Args:
        model: A Functional or Sequential model; nested models are changed too. Noise
            within other layers, as in attention, stays as it is.
        by: `"keras_dropout"` puts our layers in the place of Keras's, `"keras"` puts
            Keras's in the place of ours. A function is given each noise layer, ours or
            Keras's, and returns the layer to stand there, or `None` for none.

    Returns:
        A new model that shares the weights of `model`, or `model` itself if there was
        nothing to exchange.

    Raises:
        TypeError: `model` is subclassed.
        ValueError: Keras has no layer that does what one of ours does.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.2)])
        >>> ours = kd.replace_dropout(model)
        >>> isinstance(ours.layers[0], kd.layers.Dropout)
        True
        >>> mc = kd.replace_dropout(model, lambda old: kd.layers.MCDropout(old.rate))
        >>> mc.layers[0].monte_carlo
        True
    """
    if callable(by):
        exchange = by
    else:
        choice("by", by, ("keras_dropout", "keras"))
        exchange = ours if by == "keras_dropout" else theirs

    def change(target):
        return Chain(exchange(target) if is_noise(target) else target)

    return rebuilt(model, change)
