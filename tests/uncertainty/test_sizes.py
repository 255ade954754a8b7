"""Calls fill the cache whatever the width of the model, and batches come out even."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import noise, sizes
from keras_dropout.sampling.plan import Plan
from tests.uncertainty import models

pytestmark = pytest.mark.once

L = keras.layers


def _plan(*layers):
    model = keras.Sequential(layers)
    return Plan(model, noise.find(model))


def test_the_widest_tensor_decides_how_many_rows_a_call_takes():
    narrow = _plan(keras.Input((6,)), L.Dropout(0.5), L.Dense(2))
    wide = _plan(keras.Input((6,)), L.Dropout(0.5), L.Dense(1 << 12), L.Dense(2))
    image = _plan(keras.Input((64, 64, 3)), L.Conv2D(64, 3), L.Dropout(0.5))
    x = models.x_of(2, 6)

    assert narrow.widths(1) == (6, 6)
    assert sizes.max_rows(narrow, x) == 5120
    # Five quarters of 2^22 bytes in the call, 2^14 bytes a row.
    assert sizes.max_rows(wide, x) == 320
    assert sizes.max_rows(image, np.zeros((2, 64, 64, 3))) == 5


def test_a_gpu_takes_what_its_memory_allows(monkeypatch):
    wide = _plan(keras.Input((6,)), L.Dropout(0.5), L.Dense(1 << 12), L.Dense(2))
    narrow = _plan(keras.Input((6,)), L.Dropout(0.5), L.Dense(2))
    monkeypatch.setattr(sizes.backends, "on_accelerator", lambda: True)

    # Five quarters of 2^28 bytes in the call, 2^14 bytes a row, and of 2^16 rows.
    assert sizes.max_rows(wide, models.x_of(2, 6)) == 5 << 12
    assert sizes.max_rows(narrow, models.x_of(2, 6)) == 5 << 14
    # A batch too is larger, for which the widest tensor of the first part has room.
    many = np.zeros((10_000, 6), "float32")
    assert sizes.batch_size([narrow], many) == 2048
    broad = _plan(keras.Input((6,)), L.Dense(1 << 14), L.Dropout(0.5), L.Dense(2))
    assert sizes.batch_size([broad], many) == (64 << 20) >> 16


def test_open_sizes_count_as_those_of_the_data():
    plan = _plan(keras.Input((None, 4)), L.Dense(8), L.Dropout(0.5), L.Dense(16))

    assert plan.widths(100) == (800, 1600)
    steps = np.zeros((2, 1 << 10, 4), "float32")
    assert sizes.max_rows(plan, steps) == 5 << 20 >> 16


def test_the_weights_of_attention_count():
    i = keras.Input((100, 8))
    h = L.MultiHeadAttention(4, 2, dropout=0.1)(i, i)
    model = keras.Model(i, h)

    assert Plan(model, noise.find(model)).widths(1) == (800, 4 * 100 * 100)


def test_a_model_that_runs_whole_is_taken_for_wider_than_its_inputs():
    class Whole(keras.Model):
        def call(self, x):
            return x

    model = Whole()
    plan = Plan(model, [])

    assert plan.widths(1) is None
    assert sizes.max_rows(plan, np.zeros((2, 1 << 10))) == 160


@pytest.mark.parametrize(
    ("rows", "expected"), [(1, 32), (32, 32), (33, 64), (256, 256), (300, 192)]
)
def test_batches_are_even_and_of_few_sizes(rows, expected):
    plan = _plan(keras.Input((6,)), L.Dropout(0.5), L.Dense(2))

    assert sizes.batch_size([plan], np.zeros((rows, 6))) == expected


def test_a_wide_prefix_gets_batches_as_small_as_those_of_predict():
    wide = [keras.Input((256, 256, 3)), L.Conv2D(64, 3), L.GlobalAveragePooling2D()]
    plan = _plan(*wide, L.Dropout(0.5), L.Dense(2))

    assert sizes.batch_size([plan], np.zeros((999, 256, 256, 3), "int8")) == 32


@pytest.mark.parametrize("tol", [None, 0.1])
@pytest.mark.parametrize("masks", ["independent", "antithetic"])
@pytest.mark.parametrize("samples", [2, 10, 50, 500])
def test_few_samples_are_computed_in_vain(samples, masks, tol):
    size = sizes.samples_per_call(samples, 32, 5120, masks, tol)

    assert -(-samples // size) * size <= 1.04 * samples
    assert size <= (32 if tol else 160)
    assert size % 2 == 0 or masks == "independent"


def test_every_row_comes_back_where_the_sizes_are_left_open():
    model, x = models.mlp(), models.x_of(300, 6)

    prediction = kd.mc_predict(model, x, samples=2000, seed=0)

    assert prediction.mean.shape == (300, 3)
    again = kd.mc_predict(model, x[200:], samples=2000, seed=1)
    np.testing.assert_allclose(prediction.mean[200:], again.mean, atol=0.1)
