"""Pictures of the recurrent layers: which step each unit's state comes from."""

import functools

import keras
import numpy as np

from keras_dropout import layers
from masks import drawing
from masks.drawing import Panels, Picture

STEPS, UNITS = 12, 16


def zoneout(rate):
    """Which units take a new state at each step, and which keep the old one.

    The state of each unit is the number of the step that it was last renewed at.
    """
    cell = keras.layers.SimpleRNNCell(
        UNITS,
        activation="linear",
        use_bias=False,
        kernel_initializer="ones",
        recurrent_initializer="zeros",
    )
    layer = layers.Zoneout(cell, zoneout_h=rate, return_sequences=True, seed=34)
    number = np.arange(1, STEPS + 1, dtype="float32")[None, :, None]
    y = drawing.numbers(layer(np.repeat(number, 3, 0), training=True))
    panels = {
        f"sequence {i + 1}": np.isclose(states, number[0]).astype("float32")
        for i, states in enumerate(y)
    }
    return Panels(panels, "units", "steps")


def kept_candidates(layer_class, rate, gates, per, seed):
    """Which candidates are kept, in cells that forget all else.

    `gates` are the biases of each gate: far from zero they open or close it for good.
    """
    layer = layer_class(
        UNITS,
        rate,
        per=per,
        return_sequences=True,
        seed=seed,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        bias_initializer=lambda shape, dtype: np.full(
            shape, np.repeat(gates, UNITS), dtype
        ),
    )
    x = np.ones((2, STEPS, 4), "float32")
    return np.abs(drawing.numbers(layer(x, training=True))) > 0.1


def recurrent(layer_class, gates, seed, rate):
    panels = {}
    for per in ("row", "step"):
        kept = kept_candidates(layer_class, rate, gates, per, seed)
        panels |= {f"per {per}, row {i + 1}": each for i, each in enumerate(kept)}
    return Panels(panels, "units", "steps")


LSTM = functools.partial(layers.RecurrentDropoutLSTM, unit_forget_bias=False)
# The biases of its input, forget, candidate and output gates.
LSTM_GATES = [20, -20, 1, 20]
# Of its update, reset and candidate gates.
GRU_GATES = [-20, 20, 1]

PICTURES = {
    "Zoneout": Picture(zoneout, argument="zoneout_h"),
    "RecurrentDropoutLSTM": Picture(functools.partial(recurrent, LSTM, LSTM_GATES, 35)),
    "RecurrentDropoutGRU": Picture(
        functools.partial(recurrent, layers.RecurrentDropoutGRU, GRU_GATES, 36)
    ),
}
