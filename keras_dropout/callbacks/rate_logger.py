"""Recording the rates of a model while it is trained."""

from __future__ import annotations

import numbers
from typing import Any

import keras
import numpy as np

from keras_dropout import _bases
from keras_dropout._layers._base.live import live_names
from keras_dropout._model import picks, select
from keras_dropout._typing import Picks


class RateLogger(_bases.Callback):
    """Puts the rates of a model into the logs of each epoch.

    They appear as `rate/<layer>` (or with the name of the number, such as
    `stddev/<layer>`) in the history that `fit` returns, and in the logs of callbacks
    that come *after* this one, such as `TensorBoard` and `CSVLogger`. If layers in
    different nested models have the same name, the second becomes `rate/<layer>_1`, and
    so on. For rates that a layer learns, or that follow a schedule, the value at the
    end of the epoch is recorded.

    Args:
        layers: The layers to record: `None` for all that have a rate, or one or a
            list of names, classes, layers, or functions from a layer to True or
            False.

    Raises:
        ValueError: `layers` is empty, or when training begins, it picks no layer with
            a rate.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> ramp = kd.schedules.Linear(0.0, 0.5, steps=4)
        >>> model = keras.Sequential(
        ...     [kd.layers.Dropout(ramp, name="drop"), keras.layers.Dense(1)]
        ... )
        >>> model.compile("sgd", "mse")
        >>> logger = kd.callbacks.RateLogger()
        >>> x, y = np.ones((4, 3)), np.ones((4, 1))
        >>> history = model.fit(x, y, epochs=3, callbacks=[logger], verbose=0)
        >>> history.history["rate/drop"]
        [0.125, 0.25, 0.375]
    """

    def __init__(self, layers: Picks = None) -> None:
        super().__init__()
        picks(layers)
        self.layers = layers
        self._watched = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        found = select(self.model, self.layers, rates, "a rate")
        self._watched = {}
        for layer in found:
            same = sum(each.name == layer.name for each in self._watched.values())
            name = f"{layer.name}_{same}" if same else layer.name
            self._watched[name] = layer

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Callers of their own may give none.
        logs = {} if logs is None else logs
        for name, layer in self._watched.items():
            for attribute, value in rates(layer).items():
                logs[f"{attribute}/{name}"] = value


def rates(layer: keras.layers.Layer) -> dict[str, float]:
    """The live numbers of a layer, and its rate, whatever keeps it, by name.

    Of a number that is learned for each unit it is the mean.
    """
    names = dict.fromkeys([*live_names(type(layer)), "rate"])
    values = {name: getattr(layer, name, None) for name in names}
    return {
        name: float(np.mean(value))
        for name, value in values.items()
        if isinstance(value, (numbers.Real, np.ndarray))
    }
