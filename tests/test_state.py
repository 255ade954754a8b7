"""Rates that are live, seeds that are saved, files that load."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from tests import fresh
from tests.exports import exported
from tests.test_contract import array

BACKEND = keras.backend.backend()


@keras.saving.register_keras_serializable(package="keras_dropout_tests")
class Zeros(keras.losses.Loss):
    """The fraction of outputs that are zero: what a mask dropped."""

    def call(self, y_true, y_pred):
        zero = ops.cast(ops.equal(y_pred, 0), "float32")
        return ops.mean(zero, axis=-1) + 0 * ops.mean(y_pred, axis=-1)


def measured(rate, **kwargs):
    """A model whose training loss is the fraction that its dropout drops."""
    inputs = keras.Input((50,))
    x = keras.layers.Dense(50, kernel_initializer="identity")(inputs)
    model = keras.Model(inputs, kd.layers.Dropout(rate, name="drop", **kwargs)(x))
    model.compile(keras.optimizers.SGD(0.0), Zeros())
    return model


ONES = np.ones((400, 50), "float32")


def dropped(model, epochs=1):
    history = model.fit(ONES, ONES, epochs=epochs, batch_size=100, verbose=0)
    return history.history["loss"][-1]


def within(fraction, rate):
    return abs(fraction - rate) <= 5 * (rate * (1 - rate) / ONES.size) ** 0.5


def test_rate_acts_in_the_next_fit_without_a_recompile():
    model = measured(0.0, seed=1)

    fractions = []
    for rate in (0.0, 0.5, 0.9, 0.0, 1.0):
        model.get_layer("drop").rate = rate
        fractions.append(dropped(model))

    assert fractions[0] == fractions[3] == 0
    assert fractions[4] == 1
    assert within(fractions[1], 0.5)
    assert within(fractions[2], 0.9)


def test_rate_acts_between_the_epochs_of_one_fit():
    model = measured(0.0, seed=1)

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("drop").rate = 0.4 * epoch

    history = model.fit(
        ONES, ONES, epochs=3, batch_size=100, verbose=0, callbacks=[Raise()]
    )

    for fraction, rate in zip(history.history["loss"], (0, 0.4, 0.8), strict=True):
        assert within(fraction, rate)


def test_refused_rate_leaves_the_old_one():
    layer = kd.layers.Dropout(0.3)

    with pytest.raises(ValueError, match="rate"):
        layer.rate = 1.5

    assert layer.rate == 0.3


def test_rate_acts_in_predict_of_a_monte_carlo_layer():
    model = keras.Sequential([keras.Input((50,)), kd.layers.MCDropout(0.2, seed=1)])
    before = np.mean(model.predict(ONES, verbose=0) == 0)

    model.layers[-1].rate = 0.7

    assert within(before, 0.2)
    assert within(np.mean(model.predict(ONES, verbose=0) == 0), 0.7)


def test_resumed_run_draws_the_masks_of_the_uninterrupted_one(tmp_path):
    """Saved after epoch 2; epoch 3 is the same, to the last bit of the weights."""

    def model():
        keras.utils.set_random_seed(7)
        layers = [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="relu"),
            kd.layers.Dropout(0.5, seed=3),
            kd.layers.GaussianNoise(0.1, seed=4),
            keras.layers.Dense(1),
        ]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.01), "mse")
        return model

    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 8)).astype("float32")
    y = x[:, :1] * 2

    whole, stopped = model(), model()
    whole.fit(x, y, epochs=3, shuffle=False, verbose=0)
    stopped.fit(x, y, epochs=2, shuffle=False, verbose=0)
    stopped.save(tmp_path / "run.keras")
    resumed = keras.saving.load_model(tmp_path / "run.keras")
    resumed.fit(x, y, epochs=1, shuffle=False, verbose=0)

    for a, b in zip(whole.variables, resumed.variables, strict=True):
        assert np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b)), a.path


@pytest.mark.keras
def test_checkpoint_callback_keeps_rate_and_seed(tmp_path):
    model = measured(0.2, seed=1)
    path = tmp_path / "last.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    model.fit(ONES, ONES, verbose=0, callbacks=[checkpoint], batch_size=100)
    model.get_layer("drop").rate = 0.6
    model.save_weights(path)

    other = measured(0.2, seed=2)
    other.load_weights(path)

    assert other.get_layer("drop").rate == pytest.approx(0.6, abs=1e-7)
    for a, b in zip(model.variables, other.variables, strict=True):
        assert np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


TWINS = [
    ("Dropout", (0.5,)),
    ("SpatialDropout1D", (0.5,)),
    ("GaussianDropout", (0.5,)),
    ("GaussianNoise", (0.5,)),
    ("AlphaDropout", (0.5,)),
]


@pytest.mark.keras
@pytest.mark.parametrize(("name", "arguments"), TWINS)
def test_weight_files_load_both_ways(name, arguments, tmp_path):
    def model(module):
        return keras.Sequential(
            [
                keras.Input((4, 8)),
                keras.layers.Dense(3),
                getattr(module, name)(*arguments),
                keras.layers.Dense(2),
            ]
        )

    keras_model, ours = model(keras.layers), model(kd.layers)
    noise = ours.layers[1]
    noise(np.ones((1, 4, 3), "float32"), training=True)
    seed = ops.convert_to_numpy(noise.seed_generator.state).copy()

    keras_model.save_weights(tmp_path / "keras.weights.h5")
    ours.load_weights(tmp_path / "keras.weights.h5")
    x = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
    assert np.array_equal(array(ours(x)), array(keras_model(x)))
    assert np.array_equal(ops.convert_to_numpy(noise.seed_generator.state), seed)

    ours.layers[0].kernel.assign(ours.layers[0].kernel + 1)
    ours.save_weights(tmp_path / "ours.weights.h5")
    keras_model.load_weights(tmp_path / "ours.weights.h5")
    assert np.array_equal(array(ours(x)), array(keras_model(x)))


@pytest.mark.keras
def test_whole_model_hdf5_file_loads(tmp_path):
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(3), kd.layers.MCDropout(0.25)]
    )
    with _quiet():  # Keras says that the format is legacy
        model.save(tmp_path / "model.h5")

    loaded = keras.saving.load_model(
        tmp_path / "model.h5", custom_objects=kd.custom_objects()
    )

    assert loaded.layers[-1].rate == 0.25
    assert isinstance(loaded.layers[-1], kd.layers.MCDropout)


def _quiet():
    import warnings

    return warnings.catch_warnings(action="ignore")


def test_custom_objects_name_every_registered_class():
    names = kd.custom_objects()

    assert names["Dropout"] is kd.layers.Dropout
    assert set(kd.layers.__all__) - {"NoiseLayer"} <= set(names)


FRESH = """
import sys, numpy as np, keras
model = keras.saving.load_model(sys.argv[1])
x = np.ones((4, 8), "float32")
draws = [np.asarray(model.predict(x, verbose=0)) for _ in range(2)]
assert not np.array_equal(*draws), "a Monte Carlo layer must vary after reload"
np.save(sys.argv[2], draws[0])
"""


def test_fresh_process_needs_no_custom_objects(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16),
            kd.layers.MCDropout(0.5, seed=1),
            kd.layers.AlphaDropout(0.2, seed=2, monte_carlo=True),
        ]
    )
    model.save(tmp_path / "model.keras")
    expected = model.predict(np.ones((4, 8), "float32"), verbose=0)

    fresh.run(FRESH, tmp_path / "model.keras", tmp_path / "y.npy")

    assert np.allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)


def test_reseed_makes_a_model_repeatable():
    def model():
        inner = keras.Sequential([kd.layers.MCDropout(0.5), keras.layers.Dense(8)])
        wrapped = keras.layers.TimeDistributed(kd.layers.MCDropout(0.5))
        layers = [keras.Input((6, 8)), inner, wrapped, keras.layers.Dropout(0.5)]
        return keras.Sequential(layers)

    a, b = model(), model()
    b.set_weights(a.get_weights())
    x = np.ones((4, 6, 8), "float32")
    draws = []
    for each, seed in ((a, 3), (b, 3), (a, 3), (a, 4)):
        kd.reseed(each, seed)
        draws.append(array(each(x, training=True)))

    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[3])


def test_reseed_gives_every_layer_its_own_noise():
    model = keras.Sequential([kd.layers.Dropout(0.5, seed=1) for _ in range(3)])
    model.build((None, 64))

    kd.reseed(model, 0)

    x = np.ones((4, 64), "float32")
    masks = [array(layer(x, training=True)) for layer in model.layers]
    assert not np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[1], masks[2])


@pytest.mark.parametrize("seed", [None, "1", -1, 1.5, True])
def test_reseed_refuses_what_is_no_seed(seed):
    with pytest.raises((TypeError, ValueError), match=r"`seed`.*Received: seed="):
        kd.reseed(keras.Sequential([kd.layers.Dropout(0.5)]), seed)


class Subclassed(keras.Model):
    def __init__(self, noise):
        super().__init__()
        self.norm = keras.layers.BatchNormalization()
        self.noise = noise

    def call(self, x):
        return self.noise(self.norm(x))


def _functional(noise):
    inputs = keras.Input((8,))
    x = keras.layers.BatchNormalization()(inputs)
    return keras.Model(inputs, noise(x))


def _nested(noise):
    inputs = keras.Input((8,))
    return keras.Model(inputs, keras.layers.Rescaling(2.0)(_functional(noise)(inputs)))


BUILDERS = {
    "sequential": lambda noise: keras.Sequential(
        [keras.Input((8,)), keras.layers.BatchNormalization(), noise]
    ),
    "functional": _functional,
    "nested": _nested,
    "subclassed": Subclassed,
}


@pytest.mark.keras
@pytest.mark.parametrize("kind", BUILDERS)
def test_monte_carlo_layer_varies_in_every_kind_of_model(kind, tmp_path):
    model = BUILDERS[kind](kd.layers.MCDropout(0.5))
    x = np.random.default_rng(0).normal(2, 3, (16, 8)).astype("float32")
    calls = {
        "predict": lambda m: m.predict(x, verbose=0),
        "call": lambda m: array(m(x)),
        "inference": lambda m: array(m(x, training=False)),
    }
    calls["call"](model)
    models = [model]
    if kind != "subclassed":
        model.save(tmp_path / "model.keras")
        models.append(keras.saving.load_model(tmp_path / "model.keras"))

    weights = [w.copy() for w in model.get_weights()]
    for each in models:
        for call in calls.values():
            assert not np.array_equal(call(each), call(each))
    for before, after in zip(weights, model.get_weights(), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.keras is TensorFlow's")
def test_models_built_through_tf_keras_work():
    import tensorflow as tf

    model = tf.keras.Sequential(
        [tf.keras.Input((8,)), tf.keras.layers.Dense(4), kd.layers.MCDropout(0.5)]
    )
    model.compile("sgd", "mse")
    x = np.ones((8, 8), "float32")
    model.fit(x, np.ones((8, 4)), verbose=0)

    assert not np.array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.skipif(BACKEND != "torch", reason="torch.distributed is PyTorch's")
def test_ranks_of_torch_distributed_draw_different_masks(monkeypatch):
    import torch

    masks = []
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        layer = kd.layers.Dropout(0.5, seed=1)
        masks.append(array(layer(np.ones((8, 64), "float32"), training=True)))

    assert not np.array_equal(*masks)


@pytest.mark.parametrize("columns", [None, 3])
def test_symbolic_space_works(columns):
    inputs = keras.Input((None, columns, 4))
    x = kd.layers.SpatialDropout2D(0.5, seed=1)(inputs)
    x = kd.layers.Dropout(0.5, noise_shape=(None, 1, None, 1), seed=1)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    model.compile("sgd", "mse")

    for rows in (3, 5):
        images = np.ones((4, rows, 3, 4), "float32")
        loss = model.train_on_batch(images, np.ones((4, 4)))
        assert np.isfinite(loss)


def test_keras_mask_reaches_the_next_layer():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(10, 4, mask_zero=True)(inputs)
    x = kd.layers.LockedDropout(0.5)(x)
    x = kd.layers.GaussianNoise(0.5)(x)
    model = keras.Model(inputs, keras.layers.LSTM(3)(x))
    padded = np.array([[1, 2, 3, 0, 0, 0]], "int32")

    cut = model(padded[:, :3])

    assert np.allclose(array(model(padded)), array(cut), atol=1e-6)


@pytest.mark.slow
@pytest.mark.newest
@pytest.mark.parametrize("name", ["MCDropout", "GaussianNoise", "DropPath"])
def test_a_monte_carlo_layer_varies_when_exported(name, tmp_path):
    layer = getattr(kd.layers, name)(0.5, seed=1, monte_carlo=True)
    served = exported(keras.Sequential([keras.Input((64,)), layer]), tmp_path)

    answers = [served(np.ones((1, 64), "float32")) for _ in range(12)]

    # `DropPath` decides once for the row, so it may repeat itself: 11 times with a
    # probability of 2^-11 if it varies.
    assert any(not np.array_equal(answers[0], each) for each in answers[1:])


def test_state_tree_takes_layers_of_one_name_in_models_within():
    """As Keras's own dropout does: it numbers its seed generators."""

    def block(name):
        inputs = keras.Input((2,))
        outputs = kd.layers.Dropout(0.5, name="drop")(inputs)
        return keras.Model(inputs, outputs, name=name)

    model = keras.Sequential([keras.Input((2,)), block("one"), block("two")])
    model.compile("sgd", "mse")
    first, second = (each.layers[-1] for each in model.layers)
    before = model.get_state_tree("numpy_array")

    first.rate, second.rate = 0.25, 0.75
    tree = model.get_state_tree("numpy_array")
    model.set_state_tree(before)
    rates = [first.rate, second.rate]
    model.set_state_tree(tree)

    assert rates == [0.5, 0.5]
    assert [first.rate, second.rate] == [0.25, 0.75]
