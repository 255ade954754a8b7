"""Dropped branches and skipped layers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers, schedules
from tests.bounds import near
from tests.test_contract import array

PAIR = [np.full((4000, 2), 10.0, "float32"), np.full((4000, 2), 4.0, "float32")]


def test_drop_path_keeps_or_drops_whole_rows_with_the_mean():
    layer = layers.DropPath(0.25, seed=1)

    y = array(layer(np.ones((4000, 3, 2), "float32"), training=True))

    assert np.all(y == y[:, :1, :1])
    assert set(np.unique(y)) == {0.0, np.float32(4 / 3)}
    assert near(y[:, 0, 0], 1.0, 0.25 / 0.75)


def test_drop_path_by_batch_keeps_or_drops_all_rows():
    layer = layers.DropPath(0.5, per="batch", seed=1)
    x = np.ones((3, 2), "float32")

    calls = [array(layer(x, training=True)) for _ in range(64)]

    assert all(len(np.unique(y)) == 1 for y in calls)
    assert {y[0, 0] for y in calls} == {0.0, 2.0}


def test_drop_path_without_scale_has_the_mean_of_what_is_kept():
    layer = layers.DropPath(0.25, scale_by_keep=False, seed=1)

    y = array(layer(np.ones((4000, 2), "float32"), training=True))

    assert set(np.unique(y)) == {0.0, 1.0}
    assert near(y[:, 0], 0.75, 0.75 * 0.25)


@pytest.mark.parametrize("scale_by_keep", [True, False])
def test_drop_path_at_rate_one_is_zero(scale_by_keep):
    layer = layers.DropPath(1.0, scale_by_keep=scale_by_keep)

    assert not array(layer(np.ones((9, 2), "float32"), training=True)).any()


@pytest.mark.parametrize("rate", [0.25, 0.0, 1.0])
def test_stochastic_depth_at_inference_is_the_mean_of_training(rate):
    layer = layers.StochasticDepth(rate, per="row", seed=1)

    y = array(layer(PAIR, training=True))

    assert set(np.unique(y)) <= {10.0, 14.0}
    assert near(y[:, 0], 10 + 4 * (1 - rate), 16 * rate * (1 - rate))
    assert np.all(array(layer(PAIR)) == 10 + 4 * (1 - rate))


def test_stochastic_depth_draws_once_for_the_batch():
    layer = layers.StochasticDepth(0.25, seed=1)
    pair = [x[:3] for x in PAIR]

    calls = [array(layer(pair, training=True)) for _ in range(64)]

    assert all(len(np.unique(y)) == 1 for y in calls)
    assert {y[0, 0] for y in calls} == {10.0, 14.0}


@pytest.mark.parametrize("join", [layers.StochasticDepth, layers.ShakeShake])
def test_joins_refuse_what_is_no_pair(join):
    layer = join()
    x = np.ones((2, 3), "float32")

    for inputs in (x, [x], [x, x, x], [x, x[:, :2]], [x, x[0]]):
        with pytest.raises(
            ValueError, match=r"needs a list of two inputs of one shape"
        ):
            layer(inputs)


@pytest.mark.parametrize("layer", [layers.StochasticDepth, layers.ShakeShake])
def test_joins_stand_in_a_model_and_pass_the_mask(layer):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    join = layer(seed=1)
    model = keras.Model(ids, join([x, keras.layers.Dense(4)(x)]))

    y = model(np.array([[1, 2, 0]]))

    assert model.output_shape == (None, None, 4)
    assert join.compute_output_shape([(None, 3), (None, 3)]) == (None, 3)
    assert array(keras.src.backend.get_keras_mask(y)).tolist() == [[True, True, False]]


def test_layer_drop_skips_or_runs_and_always_runs_at_inference():
    add = keras.layers.Rescaling(1.0, offset=3.0)
    layer = layers.LayerDrop(add, 0.25, seed=1)
    x = np.full((2, 1), 2.0, "float32")

    calls = np.array([array(layer(x, training=True)) for _ in range(400)])

    assert np.all(calls[:, 0] == calls[:, 1])
    assert set(np.unique(calls)) == {2.0, 5.0}
    assert near(calls[:, 0] == 2, 0.25, 0.25 * 0.75)
    assert np.all(array(layer(x)) == 5)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 5.0), (1.0, 2.0)])
def test_layer_drop_at_the_ends(rate, expected):
    layer = layers.LayerDrop(keras.layers.Rescaling(1.0, offset=3.0), rate)

    assert np.all(array(layer(np.full((2, 1), 2.0), training=True)) == expected)


def test_layer_drop_tells_the_layer_whether_it_trains():
    layer = layers.LayerDrop(keras.layers.Dropout(0.5, seed=1), 0.0)
    x = np.ones((8, 8), "float32")

    assert (array(layer(x, training=True)) == 0).any()
    assert np.array_equal(array(layer(x, training=False)), x)


def test_layer_drop_trains_and_reloads_with_the_layer(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.LayerDrop(
                keras.Sequential(
                    [keras.layers.Dense(4), keras.layers.BatchNormalization()]
                ),
                0.5,
                seed=1,
            ),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    before = [array(w).copy() for w in model.weights]

    model.fit(x, x, epochs=4, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert len(model.weights) == 6
    assert all(
        not np.array_equal(old, array(new))
        for old, new in zip(before, model.weights, strict=True)
    )
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert np.array_equal(
        array(model(x, training=True)), array(loaded(x, training=True))
    )


def test_layer_drop_refuses_a_layer_that_changes_the_shape():
    layer = layers.LayerDrop(keras.layers.Dense(3))

    with pytest.raises(ValueError, match=r"from \(2, 4\) to \(2, 3\)"):
        layer(np.ones((2, 4), "float32"))
    with pytest.raises(TypeError, match=r"`layer`.*a Keras layer.*layer=3"):
        layers.LayerDrop(3)


def test_branches_refuse_unknown_modes():
    for layer in (layers.DropPath, layers.StochasticDepth):
        with pytest.raises(ValueError, match=r"`per`.*'row', 'batch'.*per='all'"):
            layer(0.1, per="all")


def test_nan_in_a_dropped_branch_does_not_come_through():
    shortcut, residual = ops.ones((2, 3)), ops.full((2, 3), np.nan)

    dropped = layers.DropPath(1.0)(residual, training=True)
    joined = layers.StochasticDepth(1.0)([shortcut, residual], training=True)

    assert not array(dropped).any()
    assert np.all(array(joined) == 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("paper", [0.05, 0.1, 0.15, 0.2]),
        ("linspace", [0, 0.2 / 3, 0.4 / 3, 0.2]),
        ("efficientnet", [0, 0.05, 0.1, 0.15]),
    ],
)
def test_linear_decay_follows_its_rule(rule, expected):
    rates = schedules.linear_decay_rates(0.2, 4, rule)

    assert np.allclose(rates, expected, rtol=1e-12)
    assert len(schedules.linear_decay_rates(0.2, 1, rule)) == 1


def test_linear_decay_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"`rule`.*'linspace'.*rule='cosine'"):
        schedules.linear_decay_rates(0.2, 4, "cosine")
    with pytest.raises(ValueError, match=r"`depth`.*at least 1"):
        schedules.linear_decay_rates(0.2, 0)
    with pytest.raises(TypeError, match=r"`rate`"):
        schedules.linear_decay_rates(True, 2)
