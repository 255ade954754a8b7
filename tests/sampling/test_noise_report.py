"""The report names all noise, how it is sampled, and what is known to hurt."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.graph import placement
from tests.sampling.test_assumptions import Graph
from tests.uncertainty import models

L = keras.layers


def _by_name(report):
    return {row.path.split("/")[-1]: row for row in report}


def _all_kinds():
    ramp = kd.schedules.Linear(0.1, 0.5, steps=10)
    i = keras.Input((8, 8, 3))
    h = L.Conv2D(4, 3)(i)
    h = L.SpatialDropout2D(0.2, name="maps")(h)
    h = L.Reshape((36, 4))(h)
    h = kd.layers.Dropout(ramp, name="ramp")(h)
    h = L.GRU(5, dropout=0.3, name="steps")(h)
    h = L.Dropout(0.0, name="off")(h)
    h = kd.layers.DropConnect(L.Dense(6), 0.4, name="weights")(h)
    h = kd.layers.ConcreteDropout(L.Dense(6), 0.25, name="learned")(h)
    return keras.Model(i, L.Dense(3, activation="softmax")(h))


def test_each_noise_has_a_row():
    rows = _by_name(kd.noise_report(_all_kinds()))

    found = {name: (r.strength, r.source, r.shares) for name, r in rows.items()}
    assert found == {
        "maps": ("rate=0.2", "number", "channel"),
        "ramp": ("rate=0.1", "schedule", "element"),
        "steps": ("dropout=0.3, recurrent_dropout=0", "number", "row"),
        "off": ("rate=0", "number", "element"),
        "weights": ("rate=0.4", "number", "batch"),
        "learned": ("rate=0.25", "learned", "learned"),
    }
    assert rows["off"].sampled == "no"
    assert "strength is 0" in rows["off"].advice
    # One noise of weights makes each call compute one sample.
    assert {rows[n].sampled for n in rows if n != "off"} == {"one a call"}
    assert "share the noise" in rows["maps"].why


def test_it_says_why_a_model_is_sampled_one_by_one():
    model = Graph(drop=kd.layers.Dropout(0.5, name="drop"))
    model(np.arange(4))

    (row,) = kd.noise_report(model, np.arange(4))

    assert row.sampled == "one a call"
    assert "does not have a row for each row of the data" in row.why
    assert kd.noise_report(model)[0].sampled == "not tried"


def test_noise_that_cannot_be_sampled_is_named():
    class Raw(L.Layer):
        def call(self, x):
            noise = np.random.default_rng().normal(size=4).astype("float32")
            return x + ops.convert_to_tensor(noise)

    i = keras.Input((4,))
    model = keras.Model(i, L.Dense(2)(Raw(name="raw")(L.Dropout(0.5)(i))))

    rows = _by_name(kd.noise_report(model, models.x_of(4, 4)))

    assert rows["raw"].sampled == "no"
    assert rows["raw"].why


def _convolutions(noise):
    return [keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.ReLU(), noise, L.Conv2D(4, 3)]


ADVICE = {
    placement.BETWEEN_CONVOLUTIONS: lambda n: _convolutions(n),
    placement.BEFORE_NORMALIZATION: lambda n: [
        *(keras.Input((4,)), n, L.Dense(3), L.BatchNormalization(), L.Dense(2))
    ],
    placement.AFTER_SOFTMAX: lambda n: [
        *(keras.Input((4,)), L.Dense(3, activation="softmax"), n, L.Dense(2))
    ],
    placement.AT_THE_END: lambda n: [keras.Input((4,)), L.Dense(3), n, L.ReLU()],
}


@pytest.mark.parametrize("text", ADVICE, ids=lambda text: text[:20])
@pytest.mark.parametrize("make", [L.Dropout, kd.layers.Dropout])
def test_placements_that_hurt_get_advice(text, make):
    model = keras.Sequential(ADVICE[text](make(0.5, name="noise")))

    (row,) = kd.noise_report(model)

    assert row.advice == text
    assert text in str(kd.noise_report(model))


def test_a_call_with_training_gets_advice():
    i = keras.Input((4,))
    inert = keras.Model(i, L.Dense(2)(L.Dropout(0.5)(i, training=True)))
    always = keras.Model(i, L.Dense(2)(kd.layers.MCDropout(0.5)(i, training=True)))

    assert kd.noise_report(inert)[0].advice == placement.INERT
    assert kd.noise_report(always)[0].advice is None


def test_recurrent_dropout_and_slivers_of_max_norm_get_advice():
    limit = keras.constraints.MaxNorm(2.0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            L.Conv2D(3, 3, kernel_constraint=limit, name="conv"),
            L.Reshape((16, 3)),
            L.LSTM(4, recurrent_dropout=0.2, name="lstm"),
            L.Dense(2, kernel_constraint=limit),
        ]
    )

    sliver, steps = kd.noise_report(model)

    assert "axes (0, 1, 2)" in sliver.advice
    assert "fused kernel" in steps.advice


@pytest.mark.parametrize(
    "make",
    [
        models.mlp,
        lambda: models.regression_oracle(kd.layers.Dropout)[0],
        lambda: models.classes_oracle(L.Dropout)[0],
        lambda: keras.Sequential(_convolutions(L.SpatialDropout2D(0.5))),
        lambda: keras.Sequential(_convolutions(kd.layers.DropBlock2D(0.1, 3))),
    ],
)
def test_good_placements_get_no_advice(make):
    report = kd.noise_report(make())

    assert report
    assert not [row.advice for row in report if row.advice]
    assert len({row.sampled for row in report}) == 1


def test_a_report_on_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="a Keras model"):
        kd.noise_report("model")
