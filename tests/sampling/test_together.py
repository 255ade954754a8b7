"""Samples of one call are those of several calls, whoever wrote the model."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.sampling.member import Member
from keras_dropout.sampling.settings import Settings
from tests.sampling import unknown

L = keras.layers
ROWS = 6


def x_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def learned(model, x, masks="independent"):
    if not model.built:
        model(ops.convert_to_tensor(x))
    member = Member(model, Settings(samples=2, masks=masks), rows=x)
    member.learn(x)
    return member.engine.learned


class Model(keras.Model):
    """Two layers around a noise, and a function between them."""

    def __init__(self, function, drop=None):
        super().__init__()
        self.first, self.last = L.Dense(4), L.Dense(2)
        self.drop, self.function = drop or L.Dropout(0.5), function

    def call(self, x, training=False):
        def noisy(h):
            return self.drop(h, training=training)

        return self.last(self.function(self.first(x), noisy, x))


def _rows_before(h, noisy, x):
    return ops.cumsum(noisy(h), axis=0)


def _near(h, noisy, x):
    apart = ops.sum((x[:, None] - x[None]) ** 2, axis=-1)
    weights = ops.exp(-apart / 4)
    return ops.matmul(weights / ops.sum(weights, -1, keepdims=True), noisy(h))


def _segments(h, noisy, x):
    # Each row is an edge, from the first of its columns to the second.
    to = ops.cast(x[:, 1], "int32")
    return ops.take(ops.segment_sum(noisy(h), to, num_segments=9), to, axis=0)


def _places(h, noisy, x):
    table = ops.convert_to_tensor(x_of(1000, 4, seed=2))
    return noisy(h + table[: ops.shape(h)[0]])


def _noisy_neighbours(h, noisy, x):
    h = noisy(h)
    return h + 0.1 * ops.exp(-ops.abs(h - ops.roll(h, 1, axis=0)))


def _table(h, noisy, x):
    return ops.tanh(h + noisy(ops.convert_to_tensor(x_of(3, 4))))


def _twice(h, noisy, x):
    return ops.tanh(noisy(h) + noisy(ops.convert_to_tensor(x_of(3, 4))))


def _time_first(h, noisy, x):
    return ops.transpose(noisy(ops.transpose(h, (1, 0, 2))), (1, 0, 2))


def _leading(h, noisy, x):
    return ops.squeeze(noisy(ops.expand_dims(h, 0)), 0)


def _steps_folded(h, noisy, x):
    return ops.sum(ops.reshape(noisy(ops.reshape(h, (-1, 4))), (-1, 3, 4)), axis=1)


def _time_folded(h, noisy, x):
    h = noisy(ops.reshape(ops.transpose(h, (1, 0, 2)), (-1, 4)))
    return ops.sum(ops.reshape(h, (3, -1, 4)), axis=0)


EDGES = np.array([[0, 1], [1, 2], [2, 0], [3, 4], [4, 1], [5, 3]])
SINGLE = {
    "rows before": (_rows_before, None, x_of(ROWS, 20)),
    "near rows": (_near, None, x_of(ROWS, 20)),
    "near rows of one row": (_near, None, x_of(1, 20)),
    "segments": (_segments, None, EDGES),
    "places in the batch": (_places, None, x_of(ROWS, 5)),
    "neighbours": (_noisy_neighbours, None, x_of(ROWS, 5)),
    "leading axis": (_leading, None, x_of(ROWS, 5)),
    "table, own noise": (_table, unknown.Functions, x_of(ROWS, 3, 5)),
    "table, own paths": (_table, unknown.Path, x_of(ROWS, 3, 5)),
    "rows and a table, own noise": (_twice, unknown.Functions, x_of(ROWS, 3, 5)),
    "time first, own paths": (_time_first, unknown.Path, x_of(ROWS, 3, 5)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_one_call_would_get_wrong_is_drawn_one_sample_a_call(name):
    function, drop, x = SINGLE[name]
    model = Model(function, drop and drop())

    assert learned(model, x).why_single is not None
    # What copies of a row change must not be filled up with them.
    assert not learned(model, x).fills


@pytest.mark.parametrize("name", ["rows before", "table, own paths", "leading axis"])
def test_it_agrees_with_a_plain_loop(name):
    function, drop, x = SINGLE[name]
    model, count = Model(function, drop and drop()), 150
    x = x[:3]

    prediction = kd.mc_predict(model, x, count, seed=1)

    tensor = ops.convert_to_tensor(x)
    calls = [ops.convert_to_numpy(model(tensor, training=True)) for _ in range(count)]
    error = np.std(calls, axis=0) * np.sqrt(2 / count)
    assert (np.abs(prediction.mean - np.mean(calls, axis=0)) < 5 * error + 1e-6).all()
    spread, expected = prediction.variance.mean(), np.var(calls, axis=0).mean()
    # A variance of so many samples of a mask is off by a quarter at most.
    assert abs(spread / expected - 1) < 0.6


@pytest.mark.parametrize(
    "layer", [unknown.Latent("list"), unknown.Functions(), unknown.Path()]
)
def test_rows_of_a_users_own_noise_are_drawn_many_samples_a_call(layer):
    model = keras.Sequential([keras.Input((4,)), L.Dropout(0.5), layer, L.Dense(2)])

    found = learned(model, x_of(ROWS, 4))

    assert (found.why_single, found.fills) == (None, True)


@pytest.mark.parametrize("function", [_steps_folded, _time_folded])
def test_independent_noise_may_lie_in_any_order(function):
    assert learned(Model(function), x_of(ROWS, 3, 5)).why_single is None


def test_joined_samples_must_know_the_order_of_folded_axes():
    x = x_of(ROWS, 3, 5)

    for masks in ("shared", "antithetic", "stratified"):
        assert learned(Model(_steps_folded), x, masks).why_single is None
    assert learned(Model(_time_folded), x, "antithetic").why_single is not None
    with pytest.raises(ValueError, match=r"shared.*join the axes with the rows first"):
        kd.mc_predict(Model(_time_folded), x, 4, masks="shared")
    with pytest.raises(ValueError, match=r"masks='antithetic'"):
        kd.mc_predict(Model(_time_folded), x, 4, masks="stratified")


def test_rows_share_their_noise_but_the_steps_of_a_row_do_not():
    model, count = Model(_steps_folded), 400
    x = np.repeat(x_of(1, 3, 5), 2, axis=0)

    prediction = kd.mc_predict(
        model, x, count, seed=1, masks="shared", return_samples=True
    )

    samples = prediction.samples
    np.testing.assert_allclose(samples[:, 0], samples[:, 1], rtol=1e-5, atol=1e-5)
    # Each step drops its units by itself: with a rate of 0.5 a unit h has variance h^2.
    h = ops.convert_to_numpy(model.first(x[:1]))[0]
    kernel = ops.convert_to_numpy(model.last.kernel)
    expected = (h**2).sum(axis=0) @ kernel**2
    # The kurtosis of a sum of two-valued numbers is below that of normals, 3.
    error = 5 * np.sqrt(2 / count)
    assert (np.abs(prediction.variance[0] / expected - 1) < error).all()


def test_attention_over_the_rows_of_a_matrix_is_seen():
    i = keras.Input((5,))
    h = L.Dropout(0.5)(i)
    model = keras.Model(i, L.AdditiveAttention()([h, h]))

    assert learned(model, x_of(ROWS, 5)).why_single is not None


class Shuffled(L.Layer):
    """Mixes each row with another one in training."""

    def call(self, x, training=None):
        return 0.5 * (x + keras.random.shuffle(x, axis=0)) if training else x


def test_rows_are_shuffled_among_their_own_sample_only():
    model = keras.Sequential([keras.Input((1,)), Shuffled()])
    # Of this batch others have no row, and no row counts twice.
    x = 2.0 ** np.arange(5, dtype="float32")[:, None]

    samples = kd.mc_predict(model, x, 20, seed=0, return_samples=True).samples

    others = np.sort(2 * samples - x, axis=1)
    np.testing.assert_allclose(others, np.broadcast_to(x, others.shape), rtol=1e-6)


def test_a_method_put_over_that_of_one_layer_is_tried_out():
    layer = L.Dense(3)
    model = keras.Sequential([keras.Input((5,)), L.Dropout(0.5), layer])
    own = layer.call
    layer.call = lambda x, training=None: own(x - ops.mean(x, axis=0))

    assert learned(model, x_of(ROWS, 5)).why_single is not None
