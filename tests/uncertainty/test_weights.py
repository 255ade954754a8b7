"""On JAX other threads take a model's weights away while they predict with it."""

import gc
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import _away
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
    monkeypatch.setattr(_away, "PATIENCE", 0.01)
    restore = _taken(model)

    with pytest.raises(RuntimeError, match="another thread trains it or predicts"):
        kd.mc_predict(model, models.x_of(4, 6), samples=4)

    restore()


@jax_only
def test_threads_that_sample_share_one_copy_which_nobody_gives_away():
    model = models.mlp()
    originals = [variable.value for variable in model.variables]

    first, second = weights.copies(model.variables), weights.copies(model.variables)
    fresh = weights.copies(model.variables, kept=False)

    for original, *made, other in zip(originals, first, second, fresh, strict=True):
        addresses = {id(each) for each in (original, *made, other)}
        assert made[0] is made[1]
        assert len(addresses) == 3
        np.testing.assert_array_equal(made[0], original)


@jax_only
def test_copies_go_with_the_weights_that_they_were_made_of():
    model = models.mlp()
    # Copies of models of other tests go with their garbage, which may be any time.
    gc.collect()
    before = len(weights._copied)

    weights.copies(model.variables)
    kept = len(weights._copied) - before
    for variable in model.variables:
        # Another array of the same numbers, which a rate may have.
        variable.assign(variable.value + 0)

    assert kept == len(model.variables)
    assert len(weights._copied) == before


@jax_only
def test_one_thread_alone_makes_no_copies(monkeypatch):
    model, x = models.mlp(), models.x_of(4, 6)
    monkeypatch.setattr(weights, "is_alone", lambda: True)
    monkeypatch.setattr(weights, "copies", None)

    assert np.isfinite(kd.mc_predict(model, x, samples=4).mean).all()


def test_another_thread_samples_in_the_midst_of_an_epoch():
    """It need not wait for the end, when the weights come back."""
    model, x = models.mlp(dropout=kd.layers.Dropout), models.x_of(8, 6)
    model.compile("sgd", "mse")
    y = np.zeros_like(model.predict(x, verbose=0))
    paused, go_on = threading.Event(), threading.Event()

    class Pause(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            paused.set()
            go_on.wait(60)

    options = {"batch_size": 4, "callbacks": [Pause()], "verbose": 0}
    trainer = threading.Thread(target=model.fit, args=(x, y), kwargs=options)
    trainer.start()
    paused.wait(60)
    found = kd.mc_predict(model, x, samples=4, seed=0).mean
    go_on.set()
    trainer.join()

    assert np.isfinite(found).all()


@jax_only
@pytest.mark.slow
def test_no_thread_waits_for_ever():
    """Samplers beside `predict`, `fit`, `MonteCarlo` and a model of the same layers.

    On JAX a weight is claimed by one thread while another gives its memory away.
    """
    command = [sys.executable, "-m", "tests.uncertainty.threads", "1"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
