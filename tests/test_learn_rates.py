"""Dropouts of built models whose rates become learned ones."""

import warnings

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


def learned_of(model):
    every = flatten_layers(model)
    return {x.name: x for x in every if isinstance(x, layers.ConcreteDropout)}


def quietly(model, **options):
    """`learn_rates` of a model, without a warning: all its dropouts can learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return kd.learn_rates(model, **options)


def sequential():
    return keras.Sequential(
        [
            keras.Input((6,)),
            K.Dropout(0.2, seed=3, name="visible"),
            K.Dense(5, "relu", name="a"),
            layers.Dropout(0.4, name="hidden"),
            K.Dense(3, name="b"),
        ]
    )


def functional():
    inputs = keras.Input((6,), name="x")
    a = K.Dense(5, "relu", name="a")
    h = a(K.Dropout(0.2, seed=3, name="visible")(inputs))
    dropped = layers.MCDropout(0.4, monte_carlo=False, name="hidden")(h)
    y = K.Dense(3, name="b")(dropped)
    return keras.Model(inputs, {"y": K.Add()([y, 2.0 * y])})


@keras.saving.register_keras_serializable("learn_rates")
class Own(keras.Model):
    """A class that is saved by its graph."""


def own():
    model = functional()
    model = Own(model.inputs, model.output)
    model.noise, model.out = model.get_layer("hidden"), model.get_layer("b")
    return model


def nested():
    inputs = keras.Input((6,))
    return keras.Model(inputs, sequential()(inputs))


@pytest.mark.parametrize("build", [sequential, functional, nested, own])
def test_every_dropout_before_a_kernel_learns_its_rate(build, tmp_path):
    model = build()

    learned = quietly(model, dropout_regularizer=0.25)

    found = learned_of(learned)
    assert {n: (x.rate, x.layer.name) for n, x in found.items()} == {
        "visible": (pytest.approx(0.2), "a"),
        "hidden": (pytest.approx(0.4), "b"),
    }
    assert found["visible"].seed == 3
    assert found["hidden"].dropout_regularizer == 0.25
    assert {id(v) for v in model.weights} < {id(v) for v in learned.weights}
    assert len(learned.weights) == len(model.weights) + 2
    assert type(learned) is type(model)
    if isinstance(model, Own):
        assert learned.out is found["hidden"]
        assert learned.get_layer("hidden") is found["hidden"]
    assert np.array_equal(output(model), output(learned))
    assert learned_of(model) == {}

    found["hidden"].rate = 0.25
    learned.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert learned_of(again)["hidden"].rate == 0.25
    stripped = kd.strip_dropout(learned)
    assert learned_of(stripped) == {}
    assert np.array_equal(output(stripped), output(learned))


def output(model):
    return array(keras.tree.flatten(model(X))[0])


def test_trains_and_samples_what_it_gives():
    model = nested()
    model.compile("sgd", "mse")

    # So strong that the loss, which pulls towards 0, has no say.
    learned = quietly(model, dropout_regularizer=20.0)
    learned.fit(X, np.zeros((4, 3)), verbose=0)

    rates = {name: each.rate for name, each in learned_of(learned).items()}
    assert 0.2 < rates["visible"] < 0.5
    assert 0.4 < rates["hidden"] < 0.5
    assert np.all(kd.mc_predict(learned, X, samples=8, seed=0).std > 0)


def across_the_end():
    """A body that ends in dropout, and a head."""
    body = keras.Sequential([keras.Input((6,)), K.Dense(6), drop()], name="body")
    return chain(body, dense())


def across_the_start():
    """A head that starts with a layer, behind dropout, two models deep."""
    head = chain(chain(dense()), K.ReLU())
    return chain(K.Dense(6), drop(), head)


@pytest.mark.parametrize("build", [across_the_end, across_the_start])
def test_finds_the_layer_behind_in_another_model(build):
    model = build()

    learned = quietly(model)

    (found,) = learned_of(learned).values()
    assert (found.rate, found.layer.name) == (pytest.approx(0.3), "dense")
    names = [each.name for each in flatten_layers(learned)]
    assert names.count("drop") == 1
    assert np.array_equal(output(model), output(learned))


def test_a_model_that_is_called_twice_is_not_looked_into():
    body = chain(K.Dense(6), drop())
    inputs = keras.Input((6,))
    model = keras.Model(inputs, [dense(name="a")(body(inputs)), body(body(inputs))])

    with pytest.raises(ValueError, match="its output is one of the model"):
        kd.learn_rates(model)


def test_masks_of_units_become_those_of_channels_before_a_convolution():
    # What each convolution gives is what it gets.
    plain = {"use_bias": False, "depthwise_initializer": "ones"}
    inputs = keras.Input((5, 4))
    h = K.DepthwiseConv1D(1, **plain)(K.Dropout(0.5, name="units")(inputs))
    h = K.DepthwiseConv1D(1, **plain)(K.SpatialDropout1D(0.5, name="channels")(h))
    model = quietly(keras.Model(inputs, h), temperature=0.5)

    y = array(model(np.ones((64, 5, 4), "float32"), training=True))

    assert np.ptp(y, axis=1).max() == 0
    assert len(np.unique(y[:, 0])) == 64 * 4


def chain(*parts, shape=(6,)):
    """A model of these, each on what the one before it gives."""
    inputs = x = keras.Input(shape)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, x)


def drop(rate=0.3, cls=K.Dropout, **kwargs):
    return cls(rate, name="drop", **kwargs)


def dense(**kwargs):
    return K.Dense(6, **{"name": "dense", **kwargs})


def frozen(layer):
    layer.trainable = False
    return layer


def twice(x):
    h = drop()(x)
    return K.Add()([dense(name="a")(h), dense(name="b")(h)])


def one_for_both(x):
    noise = drop()
    return dense(name="b")(noise(dense(name="a")(noise(x))))


def layer_called_elsewhere(x):
    shared = dense()
    return shared(shared(drop()(x)))


def read_and_given_out(x):
    h = drop()(x)
    return [h, dense()(h)]


REASONS = {
    "an activation": ([drop(), K.ReLU(name="relu"), dense()], "'relu', of the class"),
    "an operation": ([drop(), ops.square, dense()], "of the class Square"),
    "a reshape": ([drop(), K.Reshape((2, 3), name="r")], "'r', of the class Reshape"),
    "a sum": ([lambda x: K.Add(name="s")([x, drop()(x)])], "'s', of the class Add"),
    "two layers": ([twice], "before more than one layer: 'a', 'b'"),
    "two calls": ([one_for_both], "called several times"),
    "a layer called elsewhere": ([layer_called_elsewhere], "called elsewhere"),
    "an output": ([dense(), drop()], "its output is one of the model"),
    "a layer and an output": ([read_and_given_out], "its output is one of the model"),
    "a regularizer": (
        [drop(), dense(kernel_regularizer="l2")],
        "'dense', after it, has a `kernel_regularizer`",
    ),
    "a rate of 0": ([drop(0.0), dense()], "its rate is 0, .* pass `rate`"),
    "a schedule": (
        [
            drop(kd.schedules.Linear(0.1, 0.5, steps=9), layers.Dropout),
            dense(),
        ],
        "follows a schedule: pass `rate`",
    ),
    "at inference": (
        [drop(cls=layers.Dropout, scaling="inference"), dense()],
        "acts at inference",
    ),
    "other noise": ([drop(cls=layers.AlphaDropout), dense()], "AlphaDropout does not"),
    "a wrapper": (
        [layers.DropConnect(dense(), 0.3, name="drop")],
        "DropConnect does not",
    ),
    "frozen": ([frozen(drop()), dense()], "frozen"),
    "shared": ([drop(noise_shape=(None, 1)), dense()], r"masks have the shape"),
}


@pytest.mark.parametrize("why", REASONS)
def test_says_which_dropouts_cannot_learn_and_why(why):
    parts, reason = REASONS[why]
    # A first one that can, for the model to change.
    model = chain(K.Dropout(0.5, name="fine"), K.Dense(6, name="first"), *parts)

    with pytest.warns(
        UserWarning, match=rf"(?s)keep their rates.*'drop[^']*': .*{reason}"
    ):
        learned = kd.learn_rates(model)

    assert set(learned_of(learned)) == {"fine"}
    with pytest.raises(ValueError, match=rf"(?s)these cannot.*{reason}"):
        kd.learn_rates(model, layers=["fine", "drop"])


def test_says_which_dropouts_lie_within_other_layers():
    inputs = keras.Input((5, 6))
    h = K.Dense(6)(K.Dropout(0.5, name="fine")(inputs))
    h = K.MultiHeadAttention(1, 6, dropout=0.2, name="attention")(h, h)
    h = K.LSTM(6, dropout=0.1, recurrent_dropout=0.2, name="lstm")(h)
    model = keras.Model(inputs, K.Dense(2)(layers.ConcreteDropout(K.Dense(3))(h)))

    with pytest.warns(UserWarning, match="keep their rates") as caught:
        kd.learn_rates(model)

    (text,) = (str(w.message) for w in caught if w.category is UserWarning)
    assert "'attention/_dropout_layer': it lies within a layer" in text
    assert "'lstm/cell/dropout': it lies within a layer" in text
    assert "'lstm/cell/recurrent_dropout': it lies" in text
    assert text.count("\n") == 3


def test_a_rate_is_given_to_those_that_have_none():
    model = chain(drop(0.0), dense(), K.Dropout(0.5, name="other"), K.Dense(2))

    learned = quietly(model, rate=0.1)

    rates = {name: each.rate for name, each in learned_of(learned).items()}
    assert rates == {"drop": pytest.approx(0.1), "other": pytest.approx(0.1)}


def test_picks_the_dropouts_that_are_to_learn():
    model = nested()

    learned = quietly(model, layers="hidden")

    assert set(learned_of(learned)) == {"hidden"}
    assert any(type(each) is K.Dropout for each in flatten_layers(learned))


def test_keeps_monte_carlo_and_a_shared_generator():
    generator = keras.random.SeedGenerator(1)
    noise = layers.MCDropout(0.5, seed=generator, name="drop")

    wrapper = learned_of(quietly(chain(noise, dense())))["drop"]

    assert wrapper.monte_carlo
    assert wrapper.seed_generator is generator


def test_refuses_what_has_nothing_to_learn():
    with pytest.raises(ValueError, match="which has no dropout"):
        kd.learn_rates(chain(dense()))
    with pytest.raises(TypeError, match="`model`"):
        kd.learn_rates(K.Dense(2))
    for bad in (1.5, 0.0, 1.0):
        with pytest.raises(ValueError, match="`rate`"):
            kd.learn_rates(sequential(), rate=bad)
    with pytest.raises(ValueError, match="`layers`"):
        kd.learn_rates(sequential(), layers="a")

    class Subclass(keras.Model):
        def __init__(self):
            super().__init__()
            self.noise, self.out = drop(), dense()

        def call(self, x):
            return self.out(self.noise(x))

    model = Subclass()
    model(X)
    with pytest.raises(TypeError, match="Functional API"):
        kd.learn_rates(model)
