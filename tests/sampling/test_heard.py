"""What is told that it is training, for its noise, does not tell the layers after it.

Keras hands what one layer was told on to all that come later and are told nothing.
"""

import keras
import numpy as np
import pytest

import keras_dropout as kd

L = keras.layers
# Without statistics of the batch the outputs are far from 0.
FAR = 1000.0


class Inner(L.Layer):
    """Tells a dropout within, and one beside it nothing, as KerasHub's Gemma does."""

    def __init__(self):
        super().__init__()
        self.told, self.untold = L.Dropout(0.3, seed=1), L.Dropout(0.3, seed=2)

    def call(self, x, training=False):
        return self.told(x, training=training)


class Block(L.Layer):
    """Does not know of `training`, as those within do."""

    def __init__(self, first):
        super().__init__()
        self.first, self.norm = first, L.BatchNormalization()

    def call(self, x):
        x = self.first(x)
        if isinstance(self.first, Inner):
            x = self.first.untold(x)
        return self.norm(x)


class Own(keras.Model):
    """A model of a class of its own, which does not pass `training` on."""

    def __init__(self, first):
        super().__init__()
        self.block = Block(first)

    def call(self, x):
        return self.block(x)


def built(make, shape):
    keras.utils.set_random_seed(0)
    model = Own(make())
    model(np.zeros((1, *shape), "float32"))
    norm = model.block.norm
    norm.moving_mean.assign(np.full(norm.moving_mean.shape, -FAR))
    return model, norm


CASES = {
    "recurrent": (lambda: L.LSTM(4, recurrent_dropout=0.3, seed=0), (3, 4)),
    "unknown": (Inner, (4,)),
}


@pytest.mark.parametrize("case", CASES)
def test_layers_behind_noise_are_not_training(case):
    make, shape = CASES[case]
    model, norm = built(make, shape)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")

    prediction = kd.mc_predict(model, x, samples=3, seed=0, outputs="values")

    assert prediction.std.max() > 0
    assert prediction.mean.min() > FAR / 2
    assert float(keras.ops.max(norm.moving_mean)) == -FAR


def test_what_runs_to_be_known_tells_nobody():
    """Looked at as the parts of a layer that is not told, and draws nothing itself."""
    model, _ = built(Inner, (4,))
    x = np.ones((4, 4), "float32")

    rows = kd.noise_report(model, x)

    assert {row.kind for row in rows} == {"Dropout"}
    assert len(rows) == 2
