"""Each layer in a model that learns something real, saved, reloaded and exported."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from tests import fresh
from tests.exports import exported

pytestmark = pytest.mark.slow

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def _digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = (data.data / 16).astype("float32"), data.target
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


WITHIN = {
    "drop-connect": lambda: layers.DropConnect(K.Dense(64, "relu"), 0.3, seed=1),
    "per-sample": lambda: layers.DropConnect(
        K.Dense(64, "relu"), 0.3, per="row", inference="gaussian", seed=1
    ),
    "mixout": lambda: layers.Mixout(K.Dense(64, "relu"), 0.5, seed=1),
    "multi-sample": lambda: layers.MultiSampleDropout(
        K.Dense(64, "relu"), 0.3, samples=4, seed=1
    ),
}


# Two of them learn on every backend: one of weights, one of passes.
@pytest.mark.parametrize(
    "name",
    [
        "drop-connect",
        "r-drop",
        pytest.param("per-sample", marks=pytest.mark.once),
        pytest.param("mixout", marks=pytest.mark.once),
        pytest.param("multi-sample", marks=pytest.mark.once),
    ],
)
def test_learns_digits(name):
    noise = layers.Dropout(0.3, seed=1) if name == "r-drop" else WITHIN[name]()
    model = keras.Sequential(
        [keras.Input((64,)), K.Dense(64, "relu"), noise, K.Dense(10, "softmax")]
    )
    model = layers.RDrop(model) if name == "r-drop" else model
    model.compile(
        keras.optimizers.Adam(3e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    (x, y), (x_test, y_test) = _digits()

    model.fit(x, y, epochs=12, batch_size=70, verbose=0)

    # Hands that were not seen in training: a linear model reaches 0.9, chance is 0.1.
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.85


TEXT = (
    "First Citizen: Before we proceed any further, hear me speak. "
    "All: Speak, speak. First Citizen: You are all resolved rather to die than to "
    "famish? All: Resolved. resolved. First Citizen: First, you know Caius Marcius "
    "is chief enemy to the people. All: We know't, we know't. "
)
RECURRENT = {
    "weight-drop": lambda: layers.WeightDrop(K.LSTM(64), 0.2, seed=1),
    "zoneout": lambda: layers.Zoneout(K.LSTMCell(64), 0.05, 0.1, seed=1),
    "lstm": lambda: layers.RecurrentDropoutLSTM(64, 0.2, seed=1),
    "gru": lambda: layers.RecurrentDropoutGRU(64, 0.2, per="step", seed=1),
}


LETTERS = sorted(set(TEXT))


def reader(name):
    """A model that reads six letters and tells the next."""
    inputs = keras.Input((6, len(LETTERS)))
    outputs = K.Dense(len(LETTERS), "softmax")(RECURRENT[name]()(inputs))
    return keras.Model(inputs, outputs)


def windows():
    """All windows of six letters of the text, and the letters that follow."""
    codes = np.array([LETTERS.index(letter) for letter in TEXT])
    found = np.stack([codes[i : i + 6] for i in range(len(codes) - 6)])
    return np.eye(len(LETTERS), dtype="float32")[found], codes[6:]


# One of weights and one of cells learns on every backend.
@pytest.mark.parametrize(
    "name",
    [
        "weight-drop",
        "zoneout",
        pytest.param("lstm", marks=pytest.mark.once),
        pytest.param("gru", marks=pytest.mark.once),
    ],
)
def test_learns_letters(name):
    model, (x, following) = reader(name), windows()
    model.compile(
        keras.optimizers.Adam(1e-2),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    model.fit(x, following, epochs=15, batch_size=64, verbose=0)

    # Six letters nearly always tell the next; the most frequent one alone is 0.17.
    assert model.evaluate(x, following, verbose=0)[1] > 0.4


@functools.cache
def readers():
    """All readers as one model, since to compile and to export one takes long."""
    inputs = keras.Input((6, len(LETTERS)))
    return keras.Model(
        inputs, K.Concatenate()([reader(name)(inputs) for name in RECURRENT])
    )


def test_all_readers_open_in_a_fresh_process(tmp_path):
    x = windows()[0][:4]
    readers().save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", array(readers()(x)))
    code = (
        "import sys, pathlib, numpy as np, keras\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "model = keras.saving.load_model(folder / 'model.keras')\n"
        "y = model.predict(np.load(folder / 'x.npy'), verbose=0)\n"
        "assert np.allclose(y, np.load(folder / 'y.npy'), atol=1e-6)\n"
    )

    fresh.run(code, tmp_path)


@pytest.mark.newest
def test_exports(tmp_path):
    x = windows()[0]

    served = exported(readers(), tmp_path)

    assert served(x[:1]) == pytest.approx(array(readers()(x[:1])), abs=1e-6)
