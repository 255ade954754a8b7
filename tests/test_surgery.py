"""Inserting, exchanging and removing noise in models that are built."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers
from keras_dropout._model import flatten_layers

K = keras.layers
X = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def sequential(noise):
    return keras.Sequential(
        [keras.Input((6,)), K.Dense(5, name="a"), noise(), K.Dense(3, name="b")]
    )


def functional(noise):
    inputs = keras.Input((6,), name="x")
    h = K.Dense(5, name="a")(inputs)
    dropped = noise()(h)
    h = K.Add(name="sum")([h, 2.0 * dropped])
    return keras.Model(inputs, {"y": K.Dense(3, name="b")(h)})


def nested(noise):
    inputs = keras.Input((6,))
    inner = functional(noise)
    return keras.Model(inputs, sequential(noise)(K.Dense(6)(inner(inputs)["y"])))


MODELS = [sequential, functional, nested]
every_model = pytest.mark.parametrize("build", MODELS)


def output(model, **kwargs):
    y = model(X, **kwargs)
    return array(y["y"] if isinstance(y, dict) else y)


def same_weights(a, b):
    return {id(v) for v in a.weights} == {id(v) for v in b.weights}


def kinds(model):
    return [type(layer) for layer in flatten_layers(model)]


@every_model
def test_strip_removes_the_noise_and_nothing_else(build):
    model = build(lambda: layers.Dropout(0.5))

    stripped = kd.strip_dropout(model)

    assert layers.Dropout not in kinds(stripped)
    assert same_weights(stripped, model)
    assert np.array_equal(output(stripped), output(model))
    assert np.array_equal(output(stripped, training=True), output(model))
    assert layers.Dropout in kinds(model)


@every_model
def test_strip_silences_monte_carlo_and_opens_wrappers(build):
    model = build(
        lambda: layers.DropConnect(
            layers.MaxNormDropout(K.Dense(5), 0.5, monte_carlo=True),
            0.5,
            monte_carlo=True,
        )
    )

    stripped = kd.strip_dropout(model)

    assert not any(issubclass(kind, layers.NoiseLayer) for kind in kinds(stripped))
    assert same_weights(stripped, model)
    assert np.array_equal(output(stripped), output(stripped))
    assert not np.array_equal(output(model), output(model))


def test_strip_keeps_what_acts_at_inference():
    model = keras.Sequential(
        [
            keras.Input((5, 6)),
            layers.Zoneout(K.LSTMCell(4), 0.3, 0.3, monte_carlo=True, seed=1),
            layers.Dropout(0.5, scaling="inference"),
        ]
    )
    x = np.stack([X] * 5, axis=1)
    zoneout = model.layers[0]
    zoneout.monte_carlo = False
    expected = array(model(x))
    zoneout.monte_carlo = True

    stripped = kd.strip_dropout(model)

    assert [type(each) for each in stripped.layers] == [layers.Zoneout, layers.Dropout]
    assert np.array_equal(array(stripped(x)), expected)
    assert not any(getattr(each, "monte_carlo", 0) for each in stripped.layers)


def test_strip_shares_the_weights_of_what_stays():
    model = keras.Sequential(
        [
            keras.Input((5, 6)),
            layers.Zoneout(
                K.LSTMCell(4), 0.3, 0.3, return_sequences=True, monte_carlo=True
            ),
            layers.StochasticPooling1D(2, monte_carlo=True, name="pool"),
        ]
    )
    model.compile("sgd", "mse")
    x = np.stack([X] * 5, axis=1)

    stripped = kd.strip_dropout(model)
    stripped.fit(x, np.ones((4, 2, 4)), verbose=0)

    assert same_weights(stripped, model)
    assert model.layers[0].monte_carlo
    assert not stripped.layers[0].monte_carlo
    model.layers[0].monte_carlo = model.layers[1].monte_carlo = False
    assert np.array_equal(array(stripped(x)), array(model(x)))


def test_strip_leaves_a_model_without_noise_as_it_is():
    model = sequential(K.ReLU)

    assert kd.strip_dropout(model) is model


def test_strip_refuses_monte_carlo_out_of_reach():
    model = keras.Sequential(
        [keras.Input((3, 6)), K.TimeDistributed(layers.MCDropout(0.5, name="hidden"))]
    )

    with pytest.raises(ValueError, match=r"'hidden' lies within another layer"):
        kd.strip_dropout(model)


@every_model
def test_insert_puts_noise_after_what_is_asked_for(build):
    model = build(K.ReLU)
    count = sum(kind is K.Dense for kind in kinds(model))

    noisy = kd.insert_dropout(model, layers.Dropout(0.5, seed=1, name="drop"), K.Dense)
    inserted = [x for x in flatten_layers(noisy) if isinstance(x, layers.Dropout)]

    assert len(inserted) == count
    assert len({layer.seed for layer in inserted}) == count
    assert {layer.name.partition("_")[0] for layer in inserted} == {"drop"}
    assert same_weights(noisy, model)
    assert np.array_equal(output(noisy), output(model))
    assert not np.array_equal(output(noisy, training=True), output(model))
    assert np.array_equal(output(model, training=True), output(model))


@pytest.mark.parametrize("build", [sequential, functional])
@pytest.mark.parametrize("where", ["b", ("b",), lambda layer: layer.name == "b"])
def test_insert_before_drops_from_the_input(build, where):
    model = build(K.ReLU)
    for variable in model.get_layer("b").weights:
        variable.assign(np.ones(variable.shape))

    noisy = kd.insert_dropout(
        model,
        lambda b: layers.Dropout(1.0, name=f"x{b.name}"),
        where,
        position="before",
    )

    # Nothing reaches the last layer but its bias.
    assert np.array_equal(output(noisy, training=True), np.ones((4, 3)))
    assert noisy.get_layer("xb").rate == 1.0


def test_inserted_layers_share_a_generator_that_is_given():
    generator = keras.random.SeedGenerator(3)
    inputs = keras.Input((6,))
    y = [K.Identity(name=name)(inputs) for name in ("a", "b")]
    model = keras.Model(inputs, y)

    noisy = kd.insert_dropout(model, layers.Dropout(0.5, seed=generator), ("a", "b"))

    inserted = [x for x in noisy.layers if isinstance(x, layers.Dropout)]
    assert [each.seed_generator for each in inserted] == [generator] * 2
    first, second = noisy(np.ones((8, 6), "float32"), training=True)
    assert not np.array_equal(array(first), array(second))


def test_a_function_may_put_nothing():
    model = sequential(K.ReLU)

    noisy = kd.insert_dropout(
        model,
        lambda each: layers.Dropout(0.5) if each.units == 5 else None,
        K.Dense,
    )

    assert [type(each) for each in noisy.layers].count(layers.Dropout) == 1
    assert kd.insert_dropout(model, lambda each: None, K.Dense) is model
    with pytest.raises(TypeError, match="a function that returns layers, or None"):
        kd.insert_dropout(model, lambda each: 0.5, K.Dense)


@pytest.mark.keras
@every_model
def test_replace_turns_keras_layers_into_ours_and_back(build):
    model = build(lambda: K.Dropout(0.5, seed=3))

    ours = kd.replace_dropout(model)
    back = kd.replace_dropout(ours, by="keras")

    assert K.Dropout not in kinds(ours)
    assert layers.Dropout in kinds(ours)
    assert layers.Dropout not in kinds(back)
    assert K.Dropout in kinds(back)
    for each in (ours, back):
        assert same_weights(each, model)
        assert np.array_equal(output(each), output(model))
    (rates,) = {x.rate for x in flatten_layers(back) if isinstance(x, K.Dropout)}
    assert rates == 0.5


@pytest.mark.parametrize(
    "theirs",
    [
        K.AlphaDropout(0.2, noise_shape=(None, 1, 4), seed=1),
        K.Dropout(0.2, noise_shape=(None, 1, None), seed=1, trainable=False),
        K.GaussianDropout(0.2, seed=1),
        K.GaussianNoise(0.2, seed=1),
        K.SpatialDropout1D(0.2, seed=1, dtype="mixed_float16"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_twins_keep_every_argument(theirs):
    model = keras.Sequential([keras.Input((3, 4)), theirs])

    ours = kd.replace_dropout(model)
    (back,) = kd.replace_dropout(ours, by="keras").layers

    assert type(ours.layers[0]).__name__ == type(theirs).__name__
    assert ours.layers[0].dtype_policy == theirs.dtype_policy
    assert ours.layers[0].trainable == theirs.trainable
    assert back.get_config() == theirs.get_config()


def test_replace_by_a_function():
    model = sequential(lambda: K.Dropout(0.3))

    mc = kd.replace_dropout(model, lambda old: layers.MCDropout(old.rate))
    none = kd.replace_dropout(model, lambda old: None)

    assert not np.array_equal(output(mc), output(mc))
    assert [layer.name for layer in none.layers] == ["a", "b"]


@pytest.mark.parametrize(
    "noise",
    [
        layers.LockedDropout(0.2),
        layers.Dropout(0.2, scaling="inference"),
        layers.GaussianNoise(0.2, monte_carlo=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_replace_refuses_what_keras_has_not(noise):
    model = keras.Sequential([keras.Input((3, 4)), noise])

    with pytest.raises(ValueError, match=r"Keras has no layer that does the same"):
        kd.replace_dropout(model, by="keras")


def test_embeddings_masks_and_extra_arguments_survive():
    inputs = keras.Input((5,), dtype="int32")
    h = K.Embedding(9, 4, mask_zero=True)(inputs)
    h = layers.Dropout(0.5)(h)
    h = layers.WeightDrop(K.LSTM(3), 0.5)(h)
    model = keras.Model(inputs, K.Dense(2)(h))
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])

    stripped = kd.strip_dropout(model)
    noisy = kd.insert_dropout(stripped, layers.LockedDropout(0.3), K.Embedding)

    for each in (stripped, noisy):
        assert np.array_equal(array(each(x)), array(model(x)))


@pytest.mark.keras
# Older Keras takes a loaded model of one input for one of a list of inputs.
@pytest.mark.filterwarnings("ignore::UserWarning")
@every_model
def test_the_new_model_trains_saves_and_loads(build, tmp_path):
    model = build(lambda: K.Dropout(0.5))
    changed = kd.insert_dropout(
        kd.replace_dropout(model), layers.DropPath(0.2), lambda each: each.name == "a"
    )
    changed.compile("sgd", "mse")
    y = output(changed)

    changed.fit(X, {"y": y} if build is functional else y, verbose=0)
    changed.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert np.array_equal(output(loaded), output(changed))
    assert same_weights(changed, model)


def test_a_compiled_model_stays_compiled():
    for build in (sequential, functional):
        model = build(lambda: K.Dropout(0.5))
        model.compile("adam", "mse")

        stripped = kd.strip_dropout(model)

        assert stripped.compiled
        assert stripped.optimizer is not model.optimizer


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dropout = K.Dropout(0.5)

    def call(self, x):
        return self.dropout(x)


OPERATIONS = [
    kd.strip_dropout,
    kd.replace_dropout,
    lambda model: kd.insert_dropout(model, layers.Dropout(0.5), K.Dropout),
]


@pytest.mark.parametrize("operate", OPERATIONS)
def test_subclassed_models_are_refused(operate):
    inner = Subclassed()
    outer = keras.Sequential([keras.Input((6,)), inner])

    for model in (inner, outer):
        with pytest.raises(TypeError, match=r"subclassed model.*Received: 'own'"):
            operate(model)


@pytest.mark.parametrize("operate", OPERATIONS)
def test_what_is_no_model_is_refused(operate):
    with pytest.raises(TypeError, match=r"`model`.*Expected a Keras model"):
        operate(K.Dense(3))


def test_insert_refuses_what_it_cannot_find_or_make():
    model = sequential(K.ReLU)

    with pytest.raises(ValueError, match=r"`where`.*true of one of 'a', 'b'"):
        kd.insert_dropout(model, layers.Dropout(0.5), "c")
    with pytest.raises(TypeError, match=r"`where`.*names, classes"):
        kd.insert_dropout(model, layers.Dropout(0.5), 3)
    with pytest.raises(TypeError, match=r"`layer`.*Expected a layer"):
        kd.insert_dropout(model, layers.Dropout, "a")
    with pytest.raises(ValueError, match="`position`"):
        kd.insert_dropout(model, layers.Dropout(0.5), "a", position="beside")
