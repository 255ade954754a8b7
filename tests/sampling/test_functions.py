"""A `tf.function` of a user's own is noisy while samples are drawn, and only then."""

import keras
import numpy as np
import pytest

import keras_dropout as kd

pytestmark = pytest.mark.backend("tensorflow")

L = keras.layers
ROWS = 6
X = np.ones((ROWS, 1), "float32")


def _wrapped():
    """A model whose `call` is a function."""
    import tensorflow as tf

    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.noise = kd.layers.Dropout(0.5)

        @tf.function
        def call(self, x, training=None):
            return self.noise(x, training=training)

    return Wrapped()


class Inner(keras.Model):
    """Draws by its noise in something else, and again outside."""

    def __init__(self, wrap):
        super().__init__()
        self.noise = L.Dropout(0.5)
        self.run = wrap(self.noise)

    def call(self, x):
        return self.run(x) + self.noise(x)


def _within():
    import tensorflow as tf

    return Inner(tf.function)


def _branch():
    import tensorflow as tf

    def wrap(run):
        return lambda x: tf.cond(x[0, 0] > 0, lambda: run(x), lambda: x)

    return Inner(wrap)


def _serve(model):
    return kd.MonteCarlo(model, 100, seed=1).predict(X, verbose=0)["std"] ** 2


def _predict(model):
    return kd.mc_predict(model, X, 100, seed=1).variance


@pytest.mark.parametrize(
    ("make", "face", "variance"),
    [(_wrapped, _serve, 1), (_within, _predict, 2), (_branch, _predict, 2)],
)
def test_samples_are_noisy_and_predictions_are_not(make, face, variance):
    model = make()
    before = model.predict(X, verbose=0)

    found = face(model).mean()

    # Each number is 0 or 2, with equal chances.
    assert abs(found - variance) < 5 * variance * (2 / (ROWS * 99)) ** 0.5
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
