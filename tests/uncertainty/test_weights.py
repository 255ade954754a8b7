"""On JAX other threads take a model's weights away while they predict with it."""

import threading

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import weights
from keras_dropout.sampling.total import Total
from tests.uncertainty import models

jax_only = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="other backends leave weights in place"
)


def _taken(model):
    """Takes the values away as Keras's `predict` does; returns what restores them."""
    values = [variable.value for variable in model.variables]
    for variable in model.variables:
        variable._value = None

    def restore():
        for variable, value in zip(model.variables, values, strict=True):
            variable._value = value

    return restore


@jax_only
@pytest.mark.parametrize("dropout", [keras.layers.Dropout, kd.layers.Dropout])
def test_sampling_waits_for_weights_that_are_away(dropout):
    model, x = models.mlp(dropout=dropout), models.x_of(4, 6)
    expected = kd.mc_predict(model, x, samples=4, seed=0).mean

    later = threading.Timer(0.2, _taken(model))
    later.start()
    found = kd.mc_predict(model, x, samples=4, seed=0).mean
    later.join()

    np.testing.assert_array_equal(found, expected)


@jax_only
def test_sampling_starts_again_where_weights_vanish_meanwhile(monkeypatch):
    model, x = models.mlp(), models.x_of(4, 6)
    options = {"samples": 6, "seed": 0, "max_rows": 8}
    expected = kd.mc_predict(model, x, **options).mean
    add, calls = Total.add, []

    def taking(total, head):
        calls.append(head)
        if len(calls) == 1:
            for variable in model.variables:
                value = variable.value
                variable._value = value.copy()
                value.delete()
        add(total, head)

    monkeypatch.setattr(Total, "add", taking)
    found = kd.mc_predict(model, x, **options).mean

    np.testing.assert_array_equal(found, expected)
    # Three calls, and at least one before.
    assert len(calls) > 3


@jax_only
def test_weights_that_stay_away_are_missed_aloud(monkeypatch):
    model = models.mlp()
    monkeypatch.setattr(weights, "_PATIENCE", 0.01)
    restore = _taken(model)

    with pytest.raises(RuntimeError, match="another thread trains it or predicts"):
        kd.mc_predict(model, models.x_of(4, 6), samples=4)

    restore()


def test_two_threads_sample_while_a_third_predicts():
    model, x = models.mlp(dropout=keras.layers.Dropout), models.x_of(32, 6)
    predicted = model.predict(x, verbose=0)
    expected = kd.mc_predict(model, x, samples=8, seed=1).mean
    found, seen, done = [], [], threading.Event()

    def sample():
        found.extend(kd.mc_predict(model, x, samples=8, seed=1).mean for _ in range(3))

    def predict():
        while not done.is_set():
            seen.append(model.predict(x, verbose=0))

    samplers = [threading.Thread(target=sample) for _ in range(2)]
    predictor = threading.Thread(target=predict)
    for thread in (predictor, *samplers):
        thread.start()
    for thread in samplers:
        thread.join()
    done.set()
    predictor.join()

    assert len(found) == 6
    assert all(np.array_equal(each, expected) for each in found)
    assert all(np.array_equal(each, predicted) for each in seen)
