"""Noise that is drawn in a loop is another in each of its steps."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd

L = keras.layers
BACKEND = keras.backend.backend()
STEPS, ROWS, SAMPLES = 4, 64, 100


class Function(L.Layer):
    """Noise of a user's own."""

    def call(self, x, training=None):
        return keras.random.dropout(x, 0.5) if training else x


NOISES = {
    "ours": lambda: kd.layers.Dropout(0.5),
    "Keras's": lambda: L.Dropout(0.5),
    "own": Function,
}


class Sum(L.Layer):
    """A recurrent cell that adds up its inputs, each of them 0 or 2."""

    def __init__(self, noise):
        super().__init__()
        self.noise, self.state_size = noise, 1

    def build(self, shape, *_):
        self.noise.build(shape)

    def call(self, x, states, training=None):
        total = states[0] + self.noise(x, training=training)
        return total, [total]


class Loops(keras.Model):
    """Adds up as many as there are steps in the loops, and draws once more."""

    def __init__(self, noise, way):
        super().__init__()
        self.noise, self.way = noise, way

    def call(self, x, training=None):
        def step(_, total):
            return total + self.noise(x, training=training)

        def outer(_, total):
            return ops.fori_loop(0, STEPS, step, total)

        if self.way == "nested":
            total = outer(0, outer(0, ops.zeros_like(x)))
            return ops.fori_loop(0, 2, outer, step(0, total))
        wide = ops.repeat(x[None], STEPS, axis=0)
        parts = ops.map(lambda part: self.noise(part, training=training), wide)
        return step(0, ops.sum(parts, axis=0))


def agrees(model, expected, serve=False):
    """Whether sums of so many numbers that are 0 or 2 have the variance of each, 1."""
    x = np.ones((ROWS, *model.input_shape[1:]), "float32")
    if serve:
        std = kd.MonteCarlo(model, SAMPLES, seed=1).predict(x, verbose=0)["std"]
    else:
        std = kd.mc_predict(model, x, SAMPLES, seed=1).std
    # Such sums have a lower fourth moment than normal numbers.
    error = expected * (2 / (ROWS * (SAMPLES - 1))) ** 0.5
    return abs((std**2).mean() - expected) < 5 * error


def recurrent(noise):
    """Two sums by one layer, which runs its loop twice."""
    inputs = keras.Input((STEPS, 1))
    layer = L.RNN(Sum(NOISES[noise]()))
    return keras.Model(inputs, layer(inputs) + layer(inputs))


@pytest.mark.backend("tensorflow", "torch")
@pytest.mark.parametrize("noise", NOISES)
def test_each_step_of_a_recurrent_layer_has_its_own(noise):
    model = recurrent(noise)

    assert agrees(model, 2 * STEPS, serve=noise == "ours")


@pytest.mark.backend("jax")
@pytest.mark.parametrize("noise", NOISES)
def test_where_steps_cannot_be_told_apart_it_is_refused(noise):
    model = recurrent(noise)

    with pytest.raises(ValueError, match="in a loop that JAX compiles"):
        kd.mc_predict(model, np.ones((2, STEPS, 1), "float32"), 4)
    with pytest.raises(ValueError, match="unroll=True"):
        kd.MonteCarlo(model, 4)


@pytest.mark.backend("tensorflow", "torch")
@pytest.mark.parametrize(
    ("noise", "way", "count"),
    [("ours", "map", STEPS + 1), ("own", "nested", 4 * STEPS + 1)],
)
def test_steps_of_any_loop_have_their_own_and_so_does_what_follows(noise, way, count):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, Loops(NOISES[noise](), way)(inputs))

    assert agrees(model, count)
