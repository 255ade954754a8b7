"""Masksembles: members keep their masks, and samples are members."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers

K = keras.layers


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def members_of(layer, y):
    """The member of each row, by its mask, which the output for ones shows."""
    masks = array(layer.masks)
    return [int(np.flatnonzero((masks == row).all(axis=1))[0]) for row in array(y)]


@pytest.mark.parametrize(
    ("layout", "rows", "expected"),
    [
        ("block", 8, [0, 0, 1, 1, 2, 2, 3, 3]),
        ("block", 6, [0, 0, 1, 2, 2, 3]),
        ("interleave", 6, [0, 1, 2, 3, 0, 1]),
    ],
)
def test_training_gives_each_member_its_share_of_any_batch(layout, rows, expected):
    layer = layers.Masksembles(4, 2.0, layout=layout, seed=0)

    for _ in range(2):
        y = layer(np.ones((rows, 16)), training=True)
        assert members_of(layer, y) == expected


def test_all_members_are_trained_by_batches_of_one_row():
    layer = layers.Masksembles(4, 2.0, seed=0)
    x = np.ones((1, 16))

    seen = [members_of(layer, layer(x, training=True))[0] for _ in range(8)]

    assert seen == [0, 1, 2, 3] * 2


def test_masks_belong_to_the_seed():
    x = np.ones((4, 16))
    one, same, other, free, another = (
        layers.Masksembles(seed=seed) for seed in (0, 0, 1, None, None)
    )
    generator = keras.random.SeedGenerator(3)
    shared = [layers.Masksembles(seed=generator) for _ in range(2)]
    for layer in (one, same, other, free, another, *shared):
        layer(x)
    drawn = [array(layer.masks) for layer in (one, other, free, another, *shared)]

    assert np.array_equal(array(one.masks), array(same.masks))
    for i, a in enumerate(drawn):
        assert not any(np.array_equal(a, b) for b in drawn[i + 1 :])


@pytest.mark.parametrize("axis", [1, -1])
def test_channels_may_stand_on_any_axis_but_that_of_the_rows(axis):
    x = np.ones((4, 6, 3, 6), "float32")
    layer = layers.Masksembles(4, 2.0, axis=axis, seed=0)

    y = np.moveaxis(array(layer(x, training=True)), axis, -1)

    expected = np.broadcast_to(array(layer.masks)[:, None, None], y.shape)
    assert np.array_equal(y, expected)
    mean = np.moveaxis(array(layer(x)), axis, -1)
    np.testing.assert_allclose(mean[0, 0, 0], array(layer.masks).mean(axis=0))


def model():
    stack = [
        K.Dense(16, "relu", name="before"),
        layers.Masksembles(4, 2.0, seed=1, name="first"),
        K.Dense(12, "relu"),
        layers.Masksembles(4, 1.5, seed=2, name="second"),
        K.Dense(3),
    ]
    return keras.Sequential([keras.Input((5,)), *stack])


X = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")


def by_hand(net):
    """The outputs of each member: the same mask number in all layers."""
    before, first, between, second, head = net.layers
    outputs = []
    for member in range(4):
        hidden = array(before(X)) * array(first.masks)[member]
        hidden = array(between(hidden)) * array(second.masks)[member]
        outputs.append(array(head(hidden)))
    return np.stack(outputs)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 0},
        {"seed": 5, "max_rows": 7},
        {"seed": 6, "max_rows": 21},
        {"masks": "shared"},
        {"masks": "antithetic"},
        {"batch_size": 3},
    ],
    ids=str,
)
def test_each_member_is_sampled_exactly_once(options):
    net = model()

    prediction = kd.mc_predict(net, X, samples=4, return_samples=True, **options)

    # Products of float32 in another order.
    np.testing.assert_allclose(prediction.samples, by_hand(net), rtol=1e-4, atol=1e-5)


def test_further_samples_begin_again():
    net = model()

    samples = kd.mc_predict(net, X, samples=6, seed=0, return_samples=True).samples

    expected = by_hand(net)[[0, 1, 2, 3, 0, 1]]
    np.testing.assert_allclose(samples, expected, rtol=1e-4, atol=1e-5)


def test_a_server_answers_with_the_members():
    net = model()
    server = kd.MonteCarlo(net, samples=4)

    answer = server.predict(X, verbose=0)

    expected = by_hand(net)
    np.testing.assert_allclose(answer["mean"], expected.mean(0), rtol=1e-4, atol=1e-5)


def test_the_masks_are_saved_and_checked(tmp_path):
    net = model()
    net.save(tmp_path / "model.keras")
    net.save_weights(tmp_path / "model.weights.h5")
    other = model()
    other.layers[1].masks.assign(np.ones((4, 16)))

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    other.load_weights(tmp_path / "model.weights.h5")

    for each in (loaded, other):
        assert np.array_equal(by_hand(each), by_hand(net))
    net.layers[1].masks.assign(np.full((4, 16), 0.5))
    net.save_weights(tmp_path / "bad.weights.h5")
    with pytest.raises(ValueError, match=r"'first' in the file .*bad\.weights\.h5"):
        other.load_weights(tmp_path / "bad.weights.h5")
    assert np.isin(array(other.layers[1].masks), (0, 1)).all()


@pytest.mark.parametrize(
    "bad",
    [{"members": 0}, {"scale": 0.5}, {"axis": 0}, {"layout": "rows"}],
    ids=str,
)
def test_arguments_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="Received"):
        layers.Masksembles(**bad)
    with pytest.raises(ValueError, match="known number of channels"):
        layers.Masksembles()(keras.Input((4, None)))
    with pytest.raises(ValueError, match="`axis`"):
        layers.Masksembles(axis=2)(keras.Input((4,)))


def test_a_model_that_keras_builds_in_a_trace_has_the_masks_of_its_seed():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.noise = kd.layers.Masksembles(4, 2.0, seed=1)

        def call(self, inputs, training=False):
            return self.noise(inputs[0])

    alone, within = kd.layers.Masksembles(4, 2.0, seed=1), Model()
    alone.build((8, 40))

    within([keras.ops.ones((8, 40))])

    assert np.array_equal(*map(array, (within.noise.masks, alone.masks)))
