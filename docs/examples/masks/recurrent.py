"""Pictures of the recurrent layers: which step each unit's state comes from."""

import functools

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing

STEPS, UNITS = 12, 16


def zoneout():
    """Cells whose state would be the number of the step: lighter where it is old."""
    cell = keras.layers.SimpleRNNCell(
        UNITS,
        activation="linear",
        use_bias=False,
        kernel_initializer="ones",
        recurrent_initializer="zeros",
    )
    layer = layers.Zoneout(cell, zoneout_h=0.4, return_sequences=True, seed=1)
    number = np.arange(1, STEPS + 1, dtype="float32")[None, :, None]
    y = keras.ops.convert_to_numpy(layer(np.repeat(number, 3, 0), training=True))
    panels = {f"sequence {i + 1}": matrix for i, matrix in enumerate(y)}
    return drawing.picture(panels, "units", "steps", "value")


def kept_candidates(layer_class, gates, per):
    """Which candidates are kept, in cells that forget all else.

    `gates` are the biases of each gate: far from zero they open or close it for good.
    """
    layer = layer_class(
        UNITS,
        0.3,
        per=per,
        return_sequences=True,
        seed=1,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        bias_initializer=lambda shape, dtype: np.full(
            shape, np.repeat(gates, UNITS), dtype
        ),
    )
    x = np.ones((2, STEPS, 4), "float32")
    return np.abs(keras.ops.convert_to_numpy(layer(x, training=True))) > 0.1


def recurrent(layer_class, gates):
    panels = {}
    for per in ("row", "step"):
        for i, kept in enumerate(kept_candidates(layer_class, gates, per)):
            panels[f"per {per}, row {i + 1}"] = kept
    return drawing.picture(panels, "units", "steps")


def recurrent_dropout_lstm():
    lstm = layers.RecurrentDropoutLSTM
    gates = {"input": 20, "forget": -20, "candidate": 1, "output": 20}
    without_bias = functools.partial(lstm, unit_forget_bias=False)
    return recurrent(without_bias, list(gates.values()))


def recurrent_dropout_gru():
    gates = {"update": -20, "reset": 20, "candidate": 1}
    return recurrent(layers.RecurrentDropoutGRU, list(gates.values()))


PICTURES = {
    "Zoneout": zoneout,
    "RecurrentDropoutLSTM": recurrent_dropout_lstm,
    "RecurrentDropoutGRU": recurrent_dropout_gru,
}
