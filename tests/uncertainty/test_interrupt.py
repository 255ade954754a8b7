"""An interrupt in the middle of sampling leaves the model as it was."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.random import context
from keras_dropout.sampling.progress import Progress
from keras_dropout.sampling.total import Total
from tests.uncertainty import models

L = keras.layers


class Switch(L.Layer):
    """Interrupts the call that samples it, while it is on."""

    on = False

    def call(self, x):
        if Switch.on and context.is_active():
            raise KeyboardInterrupt
        return x


def _model(dropout):
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(8, activation="relu"),
            L.BatchNormalization(),
            dropout(0.5),
            Switch(),
            L.Dense(3, activation="softmax"),
        ]
    )


def _in_a_layer(monkeypatch):
    monkeypatch.setattr(Switch, "on", True)


def _after_the_second(owner, name):
    """Patches a method so that its second call is interrupted."""

    def patch(monkeypatch):
        method, calls = getattr(owner, name), []

        def interrupted(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return method(*arguments)

        monkeypatch.setattr(owner, name, interrupted)

    return patch


@pytest.mark.parametrize("dropout", [L.Dropout, kd.layers.Dropout])
@pytest.mark.parametrize(
    "interrupt",
    [
        _in_a_layer,
        _after_the_second(Total, "add"),
        _after_the_second(Progress, "update"),
    ],
    ids=["in a layer", "between calls", "between batches"],
)
def test_an_interrupt_leaves_the_model_as_it_was(monkeypatch, interrupt, dropout):
    model, x = _model(dropout), models.x_of(8, 6)
    options = {"samples": 6, "seed": 0, "batch_size": 4, "max_rows": 8}
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    predicted = model.predict(x, verbose=0)
    before, attributes = models.values(model), models.attributes(model)

    with monkeypatch.context() as patched:
        interrupt(patched)
        with pytest.raises(KeyboardInterrupt):
            kd.mc_predict(model, x, **options)

    assert not context.is_active()
    assert models.unchanged(model, before)
    assert models.attributes(model) == attributes
    np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)
    # Nothing half done is left for the next call either.
    again, expected = (kd.mc_predict(each, x, **options) for each in (model, twin))
    np.testing.assert_allclose(again.mean, expected.mean, rtol=1e-5)
