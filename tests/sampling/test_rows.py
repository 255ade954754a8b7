"""Another number of rows costs no compilation of its own, and changes no number."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from keras_dropout.sampling import backends, sizes
from keras_dropout.sampling.engine import Engine

L = keras.layers
BACKEND = keras.backend.backend()


def x_of(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.skipif(BACKEND == "torch", reason="torch compiles nothing here")
def test_twenty_numbers_of_rows_are_compiled_a_few_times():
    before, after = [], []

    class Traced(L.Layer):
        def __init__(self, into):
            super().__init__()
            self.note = into.append

        def call(self, x):
            self.note(x.shape[0])
            return x

    layers = [Traced(before), L.Dropout(0.5), Traced(after)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    # Meets the model, so that what follows is what is compiled for sampling.
    kd.MonteCarlo(model, samples=4)
    before.clear()
    after.clear()

    for rows in (*range(1, 17), 100, 130, 200, 256):
        assert len(kd.mc_predict(model, x_of(rows, 3), samples=4)) == rows

    open_rows = [1, None], [4, None]
    few = [1, 2, 4, 8, 16, 128, 192, 256]
    expected = (few, [4 * n for n in few]) if BACKEND == "jax" else open_rows
    assert (before, after) == expected


def _noise():
    """A model that returns its noise, which is too large for a single draw."""
    h = i = keras.Input((40,))
    h = L.Dropout(0.4)(h)
    h = L.GaussianNoise(0.5)(h)
    return keras.Model(i, kd.layers.UOut(0.3)(h)), np.ones((6, 40), "float32")


def _folded():
    """Layers that fold steps into rows, and noise that rows share."""
    i = keras.Input((5, 4))
    h = L.TimeDistributed(L.Dropout(0.5))(i)
    h = L.Dropout(0.5, noise_shape=(1, None, None))(L.SpatialDropout1D(0.5)(h))
    return keras.Model(i, kd.layers.DropPath(0.5)(h)), x_of(6, 5, 4)


@pytest.mark.parametrize(
    ("make", "masks"),
    [*((_noise, masks) for masks in SCHEMES), (_folded, "antithetic")],
)
def test_the_samples_are_those_of_the_rows_alone(make, masks, monkeypatch):
    model, x = make()

    def samples():
        # Two calls. The second call is not full.
        options = {"masks": masks, "seed": 3, "max_rows": 8 * 40}
        return kd.mc_predict(model, x[:5], 50, return_samples=True, **options).samples

    found = samples()
    monkeypatch.setattr(backends, "FILLS", False)
    monkeypatch.setattr(Engine, "_open_rows", lambda self, inputs: None)

    np.testing.assert_array_equal(found, samples())


def test_a_model_that_must_know_its_rows_is_compiled_for_them():
    class Counts(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop = L.Dropout(1e-4)

        def call(self, x, training=False):
            rows = int(x.shape[0])
            return self.drop(keras.ops.reshape(x, (rows, 6)), training=training)

    model, x = Counts(), x_of(7, 2, 3)

    for rows in (3, 5, 7):
        found = kd.mc_predict(model, x[:rows], 2)
        np.testing.assert_allclose(found.mean, x[:rows].reshape(rows, 6), atol=1e-2)


def test_a_batch_smaller_than_a_model_is_made_for_is_filled_up():
    model = keras.Sequential([keras.Input((2,), batch_size=3), L.Dropout(1e-4)])
    x = x_of(5, 2)

    for source in (x, iter([x[:2], x[2:]])):
        np.testing.assert_allclose(kd.mc_predict(model, source, 2).mean, x, atol=1e-2)


@pytest.mark.once
def test_sizes_are_few_and_not_much_larger_than_the_rows():
    found = [sizes.filled(rows) for rows in range(1, 257)]

    assert sorted({*found}) == [1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256]
    assert all(rows <= size < 2 * rows for rows, size in enumerate(found, 1))
    assert sizes.filled(70, 80) == 80
    assert sizes.filled(90, 80) == 96


def test_a_model_with_states_takes_whole_batches_and_says_where_each_starts():
    lstm = L.LSTM(3, stateful=True)
    model = keras.Sequential([keras.Input((4, 2), batch_size=4), L.Dropout(1e-4), lstm])
    x = x_of(6, 4, 2)

    with pytest.warns(
        UserWarning, match=r"keeps the states of \['lstm.*one batch a call"
    ):
        found = kd.mc_predict(model, x, 2).mean

    lstm.reset_state()
    expected = [model.predict(x[:4], verbose=0)]
    lstm.reset_state()
    expected.append(model.predict(x[[4, 5, 5, 5]], verbose=0)[:2])
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-2)


def test_a_predict_of_the_models_own_is_told_of():
    class Scaled(keras.Model):
        def predict(self, *args, **kwargs):
            return 100 * super().predict(*args, **kwargs)

    i = keras.Input((3,))
    model = Scaled(i, L.Dropout(0.5)(i))

    with pytest.warns(UserWarning, match=r"Scaled overrides `predict`"):
        kd.mc_predict(model, x_of(2, 3), 2)
