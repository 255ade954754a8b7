"""Dropout that suits each layer, and rows that are trained on several times."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import _keras

K, D = keras.layers, kd.layers


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def image_model():
    """A convolution with what belongs to it, a shortcut, and a head."""
    inputs = keras.Input((8, 8, 3))
    x = K.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = K.ReLU(name="stem_relu")(K.BatchNormalization(name="stem_norm")(x))
    branch = K.SeparableConv2D(4, 3, padding="same", name="branch")(x)
    x = K.GlobalAveragePooling2D()(K.Add()([x, branch]))
    x = K.Dense(6, activation="relu", name="hidden")(x)
    return keras.Model(inputs, K.Dense(2, name="head")(x))


@pytest.mark.once
def test_matching_dropout_stands_behind_what_belongs_to_a_layer():
    noisy = kd.insert_dropout(image_model(), kd.matching_dropout(0.3, rule="paper"))

    found = [(x.name, type(x).__name__, x.rate) for x in noisy.layers if is_drop(x)]
    before = {
        layer.name: _keras.history_of(layer.input)[0].name
        for layer in noisy.layers
        if is_drop(layer)
    }

    assert found == [
        ("dropout_stem", "SpatialDropout2D", pytest.approx(0.1)),
        ("dropout_branch", "SpatialDropout2D", pytest.approx(0.2)),
        ("dropout_hidden", "Dropout", pytest.approx(0.3)),
    ]
    assert before == {
        "dropout_stem": "stem_relu",
        "dropout_branch": "branch",
        "dropout_hidden": "hidden",
    }


def is_drop(layer):
    return isinstance(layer, D.NoiseLayer)


@pytest.mark.once
@pytest.mark.parametrize(
    ("shape", "layers", "expected"),
    [
        (
            (6, 3),
            [lambda: K.Conv1D(2, 2, data_format="channels_last")],
            "SpatialDropout1D",
        ),
        (
            (3, 6),
            [lambda: K.Conv1D(2, 2, data_format="channels_first")],
            "SpatialDropout1D",
        ),
        ((4, 4, 4, 1), [lambda: K.Conv3D(2, 2)], "SpatialDropout3D"),
        ((4, 4, 2), [lambda: K.DepthwiseConv2D(2)], "SpatialDropout2D"),
        ((4, 4, 2), [lambda: K.Conv2DTranspose(2, 2)], "SpatialDropout2D"),
        ((6, 3), [lambda: K.LSTM(2, return_sequences=True)], "LockedDropout"),
        ((6, 3), [lambda: K.Bidirectional(K.GRU(2))], "Dropout"),
        (
            (3, 4, 4, 1),
            [lambda: K.ConvLSTM2D(2, 2, return_sequences=True)],
            "ChannelDropout",
        ),
        ((6, 3), [lambda: K.EinsumDense("btf,fo->bto", (6, 2))], "Dropout"),
    ],
)
def test_matching_dropout_chooses_by_the_kind_of_the_layer(shape, layers, expected):
    parts = [keras.Input(shape), *(make() for make in layers), K.Flatten(), K.Dense(1)]
    noisy = kd.insert_dropout(keras.Sequential(parts), kd.matching_dropout(0.2, seed=1))

    (drop,) = [layer for layer in noisy.layers if is_drop(layer)]
    assert type(drop).__name__ == expected
    assert getattr(drop, "data_format", None) == getattr(
        noisy.layers[0], "data_format", None
    ) or expected in ("Dropout", "ChannelDropout", "LockedDropout")


@pytest.mark.once
def test_matching_dropout_leaves_out_what_is_noisy_already_and_what_is_last():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            K.Conv2D(2, 3),
            K.MaxPooling2D(),
            K.Dropout(0.1),
            K.Flatten(),
            K.Dense(4),
            K.Dense(2),
            K.Softmax(),
        ]
    )

    noisy = kd.insert_dropout(model, kd.matching_dropout(0.2))

    assert kinds(noisy) == [
        *("Conv2D", "MaxPooling2D", "Dropout", "Flatten", "Dense", "Dropout"),
        *("Dense", "Softmax"),
    ]


@pytest.mark.once
def test_matching_dropout_enters_nested_models_and_takes_a_choice_of_layers():
    inner = keras.Sequential(
        [keras.Input((4,)), K.Dense(3, name="in"), K.ReLU()], name="inner"
    )
    model = keras.Sequential(
        [keras.Input((4,)), inner, K.Dense(5, name="b"), K.Dense(1)]
    )

    every = kd.insert_dropout(model, kd.matching_dropout(0.2, seed=3))
    chosen = kd.insert_dropout(model, kd.matching_dropout(0.2), "b")

    assert kinds(every.layers[0]) == ["Dense", "ReLU", "Dropout"]
    assert kinds(every)[1:] == ["Dense", "Dropout", "Dense"]
    assert every.layers[0].layers[-1].seed != every.layers[2].seed
    assert kinds(chosen.layers[0]) == ["Dense", "ReLU"]
    assert kinds(chosen)[1:] == ["Dense", "Dropout", "Dense"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda m: kd.matching_dropout(1.5), ValueError, "`rate`"),
        (lambda m: kd.matching_dropout(0.5, rule="steps"), ValueError, "`rule`"),
        (lambda m: kd.matching_dropout(0.5, seed=1.0), TypeError, "`seed`"),
        (lambda m: kd.insert_dropout(m, D.Dropout(0.5)), ValueError, "`where`"),
        (
            lambda m: kd.insert_dropout(m, kd.matching_dropout(0.5), "head"),
            ValueError,
            "with further weights after it",
        ),
        (
            lambda m: kd.insert_dropout(m, kd.matching_dropout(0.5), "nothing"),
            ValueError,
            "`where`",
        ),
        (
            lambda m: kd.insert_dropout(m, kd.matching_dropout(0.5), position="before"),
            ValueError,
            "`position`",
        ),
    ],
)
def test_the_recipe_refuses_in_words(call, error, match):
    with pytest.raises(error, match=match):
        call(image_model())


class Counted(K.Layer):
    """Adds a loss, and counts its calls."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, x):
        self.calls += 1
        self.add_loss(ops.mean(ops.square(x)))
        return x


def classifier(noise):
    inputs = keras.Input((6,))
    x = K.BatchNormalization(momentum=0.5)(inputs)
    x = K.Dense(3, activation="softmax", kernel_regularizer="l2")(Counted()(noise(x)))
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    "noise", [lambda: D.Dropout(0.5, seed=1), lambda: D.DropConnect(K.Dense(6), 0.5)]
)
def test_batch_repetition_has_the_mean_loss_of_its_passes(noise):
    model = classifier(noise())
    trainer = kd.BatchRepetition(model, times=3)
    trainer.compile("sgd", "sparse_categorical_crossentropy")
    x, y = floats(8, 6), np.arange(8) % 3
    weight = np.linspace(0, 1, 8, dtype="float32")
    trainer(x)
    moving = model.layers[1].moving_mean
    model.layers[3].calls, before = 0, array(moving).copy()

    y_pred = trainer(x, training=True)
    loss = float(array(trainer.compute_loss(x, y, y_pred, weight)))

    passes = y_pred["passes"]
    ce = keras.losses.SparseCategoricalCrossentropy()
    each = [float(array(ce(y, one, sample_weight=weight))) for one in passes]
    assert len({round(value, 6) for value in each}) == 3
    regularizer = 0.01 * float(np.sum(array(model.layers[-1].kernel) ** 2))
    added = float(array(sum(model.losses))) - regularizer
    assert loss == pytest.approx(np.mean(each) + added / 3 + regularizer, rel=1e-5)
    # Layers before the noise run once, all others three times.
    assert np.allclose(array(moving), 0.5 * before + 0.5 * x.mean(axis=0), atol=1e-6)
    assert model.layers[3].calls == 3


def test_batch_repetition_fits_with_metrics_of_one_pass_and_is_saved(tmp_path):
    noise = D.Dropout(0.5, seed=1)
    trainer = kd.BatchRepetition(
        keras.Sequential([keras.Input((6,)), noise, K.Dense(3, activation="softmax")]),
        times=2,
    )
    trainer.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = floats(8, 6), np.arange(8) % 3
    before = int(array(noise.seed_generator.state)[1])

    history = trainer.fit(x, y, batch_size=4, verbose=0, sample_weight=np.ones(8))
    told = trainer.evaluate(x, y, verbose=0)
    trainer.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert int(array(noise.seed_generator.state)[1]) == before + 2 * 2
    assert history.history["accuracy"][0] in np.arange(9) / 8
    assert told == pytest.approx(loaded.evaluate(x, y, verbose=0))
    assert np.array_equal(array(loaded(x)), array(trainer.model(x)))
    assert loaded.times == 2


def test_batch_repetition_takes_several_outputs_masks_and_models_without_a_graph():
    inputs = keras.Input((5,), dtype="int32")
    x = D.LockedDropout(0.5)(K.Embedding(7, 4, mask_zero=True)(inputs))
    model = keras.Model(inputs, {"a": K.Dense(1)(x), "b": K.Dense(2)(x)})
    trainer = kd.BatchRepetition(model, times=2)
    trainer.compile("sgd", {"a": "mse", "b": "mse"}, run_eagerly=True)
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]])
    y = {"a": floats(2, 5, 1), "b": floats(2, 5, 2)}

    first, second = trainer(ids, training=True)["passes"]
    loss = float(array(trainer.compute_loss(ids, y, {"passes": [first, second]})))
    real = ids != 0
    expected = sum(
        np.mean(np.square(array(each[name]) - y[name]), axis=-1)[real].sum()
        for each in (first, second)
        for name in y
    ) / (2 * real.sum())

    assert loss == pytest.approx(expected, rel=1e-5)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop, self.head = D.Dropout(0.5), K.Dense(1)

        def call(self, x, training=False):
            return self.head(self.drop(x, training=training))

    trainer = kd.BatchRepetition(Own(), times=3)
    passes = trainer(floats(2, 4), training=True)["passes"]
    assert len({array(each).tobytes() for each in passes}) == 3


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((D.Dropout(0.5),), TypeError, "`model`"),
        ((keras.Sequential(), 0), ValueError, "`times`"),
        ((keras.Sequential(), 1.5), TypeError, "`times`"),
    ],
)
def test_batch_repetition_refuses_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        kd.BatchRepetition(*arguments)
