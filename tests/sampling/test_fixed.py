"""Models for batches of one size: the last batch is filled up only where it may be."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from tests.sampling import unknown
from tests.uncertainty import models

pytestmark = pytest.mark.everywhere

L = keras.layers
ROWS = 4

MIXING = {
    "centred": lambda x: x - ops.mean(x, axis=0, keepdims=True),
    "attention": lambda x: ops.softmax(x @ ops.transpose(x)) @ x,
    "sum": lambda x: x + ops.sum(x, axis=0, keepdims=True),
    "next": lambda x: x + ops.roll(x, -1, axis=0),
}


def _model(function, *layers):
    i = keras.Input(batch_shape=(ROWS, 3))
    h = function(i)
    for layer in layers or [L.Dropout(1e-5)]:
        h = layer(h)
    return keras.Model(i, h)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("centred", marks=pytest.mark.backend("torch")),
        pytest.param("sum", marks=pytest.mark.backend("torch")),
        "attention",
        "next",
    ],
)
def test_rows_that_look_at_each_other_are_not_filled_up(name):
    model, x = _model(MIXING[name]), models.x_of(ROWS + 2, 3)
    expected = model.predict(x, batch_size=ROWS, verbose=0)

    found = kd.mc_predict(model, x, 2).mean

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    small = kd.mc_predict(model, x, 2, batch_size=3).mean
    expected = model.predict(x, batch_size=3, verbose=0)
    np.testing.assert_allclose(small, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.backend("torch")
def test_noise_that_cannot_be_left_out_hides_no_look_at_other_rows():
    model = _model(MIXING["sum"], unknown.Strength("normal", 1e-5))
    x = models.x_of(ROWS + 2, 3)

    found = kd.mc_predict(model, x, 2).mean

    expected = model.predict(x, batch_size=ROWS, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    alone = _model(lambda x: ops.reshape(x, (ROWS, 3)), unknown.Strength("normal", 0.5))
    assert (kd.mc_predict(alone, x, 2).std > 0).all()


def test_rows_by_themselves_are_filled_up_where_the_model_takes_no_fewer():
    model = _model(lambda x: 2 * ops.reshape(x, (ROWS, 3)))
    x = models.x_of(ROWS + 2, 3)

    found = kd.mc_predict(model, x, 2).mean

    np.testing.assert_allclose(found, 2 * x, rtol=1e-3)
