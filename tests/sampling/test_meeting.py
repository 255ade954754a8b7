"""What is known of a graph, and what is seen of a model, is what trying out finds."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.sampling import meeting, noise, sizes
from keras_dropout.sampling.engine import Engine
from keras_dropout.sampling.member import Member
from keras_dropout.sampling.settings import Settings
from tests.catalogue import ROWS

L = keras.layers


def _learned(model, x, is_known=True):
    engine = Engine(model, noise.find(model, x), "independent", "values", False)
    known = engine.plan.is_rowwise
    engine.plan.is_rowwise = known and is_known
    return engine.learn(x), known


def _models():
    for row in ROWS:
        x = row.batch()
        i = keras.Input(x.shape[1:], dtype=str(x.dtype))
        layer = row.build(seed=0)
        yield row.name, keras.Model(i, row.call(layer, i)), x
    i = keras.Input((6, 4))
    h = L.TimeDistributed(L.Dropout(0.5))(i)
    h = L.Bidirectional(L.LSTM(3, dropout=0.2, return_sequences=True))(h)
    h = L.GRU(4, recurrent_dropout=0.2, return_sequences=True)(h)
    h = L.MultiHeadAttention(2, 2, dropout=0.5)(h, h)
    h = L.SpatialDropout1D(0.5)(L.Reshape((3, 8))(h))
    yield "keras", keras.Model(i, h), np.ones((2, 6, 4), "float32")


@pytest.mark.backend("torch")
def test_layers_that_leave_rows_alone_need_no_trying_out():
    known = 0
    for name, model, x in _models():
        if not noise.find(model):
            continue
        short, is_known = _learned(model, x)
        assert short == _learned(model, x, is_known=False)[0], name
        known += is_known

    assert known > 30


@pytest.mark.backend("torch")
def test_a_known_graph_is_run_through_once_to_meet_it(monkeypatch):
    probed, own = [], meeting._probe
    monkeypatch.setattr(
        meeting, "_probe", lambda *args: probed.append(args[2]) or own(*args)
    )
    known = keras.Sequential([keras.Input((3,)), L.Dropout(0.5), L.Dense(2)])
    i = keras.Input((3,))
    unknown = keras.Model(i, ops.flip(L.Dropout(0.5)(i), axis=1))

    for model, expected in ((known, [1]), (unknown, [1, 1])):
        probed.clear()
        kd.mc_predict(model, np.ones((4, 3), "float32"), 2)
        assert probed == expected


class Wide(keras.Model):
    def __init__(self, attends=False):
        super().__init__()
        self.inner, self.drop = L.Dense(96), kd.layers.Dropout(0.5)
        self.attention = L.MultiHeadAttention(4, 2) if attends else None

    def call(self, x, training=False):
        h = self.drop(self.inner(x), training=training)
        return h if self.attention is None else self.attention(h, h)


@pytest.mark.parametrize(
    ("attends", "shape", "times"), [(False, (6,), 16), (True, (40, 32), 5)]
)
def test_the_width_of_a_model_that_runs_whole_is_seen(attends, shape, times):
    model, x = Wide(attends), np.ones((4, *shape), "float32")
    model(x)

    member = Member(model, Settings(samples=2), rows=x)
    member.learn(x)

    learned, plan = member.engine.learned, member.engine.plan
    assert learned.why_single is None
    assert learned.wider == times
    widest = times * np.prod(shape) * 4
    assert sizes.max_rows(plan, x, learned.wider) == sizes._rows_of(int(widest))
    assert sizes.batch_size([plan], x, [learned.wider]) == 32
