"""Noise of strength zero is told apart, whatever its strength is called."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import noise
from tests.sampling import unknown
from tests.uncertainty import models

pytestmark = pytest.mark.everywhere

K, L = keras.layers, kd.layers
LATE = kd.schedules.Late(0.5, 10)


def _image(layer):
    return keras.Sequential([keras.Input((4, 4, 2)), layer, K.Flatten(), K.Dense(2)])


def _steps(layer):
    return keras.Sequential([keras.Input((4, 3)), layer, K.Flatten(), K.Dense(2)])


def _tokens(layer):
    pool = K.GlobalAveragePooling1D()
    return keras.Sequential([keras.Input((4, 3)), layer, pool, K.Dense(2)])


def _flat(layer):
    return keras.Sequential([keras.Input((4,)), layer, K.Dense(2)])


SILENT = {
    "UOut": lambda: _flat(L.UOut(0.0)),
    "UOut lost in rounding": lambda: _flat(L.UOut(1e-9)),
    "GaussianNoise": lambda: _flat(L.GaussianNoise(0.0)),
    "GaussianDropout": lambda: _flat(L.GaussianDropout(1e-20)),
    "Cutout": lambda: _image(L.Cutout(3, probability=0.0)),
    "Zoneout": lambda: _steps(L.Zoneout(K.LSTMCell(3), 0.0, 0.0)),
    "Zoneout without a c": lambda: _steps(L.Zoneout(K.GRUCell(3), 0.0, 0.5)),
    "schedule": lambda: _flat(L.Dropout(LATE)),
    "wrapper": lambda: _flat(L.DropConnect(K.Dense(3), 0.0)),
    "recurrent": lambda: _steps(L.RecurrentDropoutGRU(3, 0.0)),
    "PatchDropout": lambda: _tokens(L.PatchDropout(0.0, ordered=True)),
    "Keras's Dropout": lambda: _flat(K.Dropout(0.0)),
    "Keras's GaussianDropout": lambda: _flat(K.GaussianDropout(1e-20)),
    "Keras's LSTM": lambda: _steps(K.LSTM(3, dropout=0.0, recurrent_dropout=0.0)),
    "Keras's wrapper": lambda: _steps(K.TimeDistributed(K.Dropout(0.0))),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_model_whose_noise_has_strength_zero_is_refused(name):
    model = SILENT[name]()
    shape = model.input_shape[1:]

    with pytest.raises(ValueError, match="so all samples would be equal"):
        kd.mc_predict(model, models.x_of(2, *shape), samples=2)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.UOut(0.1),
        lambda: L.GaussianNoise(1e-3),
        lambda: L.Dropout(1e-3),
        lambda: L.StochasticPooling1D(2),
        lambda: L.Zoneout(K.LSTMCell(3), 0.0, 0.5, return_sequences=True),
        lambda: L.PatchDropout(0.0),
        lambda: K.GaussianDropout(1e-3),
    ],
)
def test_noise_that_acts_is_not_silent(layer):
    (found,) = noise.find(_tokens(layer()))

    assert not found.is_silent


def test_a_rate_too_small_for_the_draws_is_silent_and_no_other():
    kept = float(kd.random.keep_probability(5e-6))
    for layer in (L.Dropout(5e-6), L.LockedDropout(5e-6)):
        assert layer.is_silent == (kept == 1.0)


def test_what_is_silent_is_not_called_active():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            L.UOut(0.0, name="silent"),
            L.Dropout(LATE, name="later"),
            L.Dropout(0.5, name="heard"),
        ]
    )

    prediction = kd.mc_predict(model, np.ones((3, 4), "float32"), samples=4)

    assert prediction.active == ("heard",)


WAYS = ("normal", "stddev", "times", "uniform", "in training", "dropout")
# What JAX compiles for long.
SLOW = ("randint", "centred", "binomial", "beta", "gamma")


@pytest.mark.parametrize(
    "way",
    [*WAYS, *(pytest.param(n, marks=pytest.mark.backend("torch")) for n in SLOW)],
)
def test_noise_of_your_own_of_strength_zero_is_silent_and_no_other(way):
    x = models.x_of(3, 4)
    for strength in (0.0, 1e-4):
        layer = unknown.Strength(way, strength)

        found = noise.find(_flat(layer), x)

        # Keras's `dropout` draws nothing at rate 0.
        assert all(each.is_silent for each in found) == (strength == 0)


def test_noise_of_your_own_of_strength_zero_is_refused():
    model = _flat(unknown.Strength("normal", 0.0))
    x = models.x_of(3, 4)

    with pytest.raises(ValueError, match=r"rate 0: '.*strength.*', so all samples"):
        kd.mc_predict(model, x, samples=2)
    with pytest.raises(ValueError, match="so all samples would be equal"):
        kd.MonteCarlo(model)
    # Zeros do not show whether what multiplies them is noise.
    times = _flat(unknown.Strength("times", 0.5))
    assert kd.mc_predict(times, 0 * x, samples=2).active


def test_a_strength_in_a_variable_may_rise_again():
    model = _flat(unknown.Strength("normal", keras.Variable(0.0)))
    x = models.x_of(3, 4)
    with pytest.raises(ValueError, match="so all samples would be equal"):
        kd.mc_predict(model, x, samples=2)

    model.layers[0].strength.assign(1.0)

    assert (kd.mc_predict(model, x, samples=2).std > 0).all()


def test_draws_that_are_not_those_of_keras_are_no_silence():
    x = models.x_of(3, 4)

    assert (kd.mc_predict(_flat(unknown.Raw()), x, samples=4).std > 0).all()
