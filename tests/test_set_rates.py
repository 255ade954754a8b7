"""Rates set in place, in models that nobody here wrote."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers
from keras_dropout._model import flatten_layers
from tests import fresh

K = keras.layers
X = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


@keras.saving.register_keras_serializable("set_rates")
class Block(K.Layer):
    """Makes its dropouts only if there is a rate, as Gemma's blocks do."""

    def __init__(self, dropout=0, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.attention = K.MultiHeadAttention(2, 3, dropout=dropout, name="attention")
        self.dense = K.Dense(6, name="dense")
        if dropout > 0:
            self.inner_dropout = K.Dropout(dropout)
            self.others = [K.Dropout(dropout, name="other")]

    def build(self, input_shape):
        self.attention.build(input_shape, input_shape)
        self.dense.build(input_shape)

    def call(self, x):
        x = x + self.attention(x, x)
        if self.dropout:
            x = self.inner_dropout(x)
        x = self.dense(x)
        if self.dropout:
            x = self.others[0](x)
        return x

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout}


@keras.saving.register_keras_serializable("set_rates")
class Backbone(keras.Model):
    """A functional model with a constructor of its own, as KerasHub's."""

    def __init__(self, dropout=0.0, **kwargs):
        inputs = keras.Input((5, 6), name="x")
        noise = K.SpatialDropout1D(dropout, name="embeddings_dropout")
        blocks = [Block(dropout, name=f"block_{i}") for i in range(2)]
        x = noise(inputs)
        for block in blocks:
            x = block(x)
        super().__init__(inputs, x, **kwargs)
        self.blocks = blocks
        self.dropout = dropout

    def get_config(self):
        return {"name": self.name, "dropout": self.dropout}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Subclassed(keras.Model):
    """Calls its layers by its own code, and holds them in a dictionary."""

    def __init__(self):
        super().__init__(name="own")
        self.parts = {"a": K.Dense(4, name="a"), "b": K.Dropout(0.5, name="b")}

    def call(self, x, training=None):
        return self.parts["b"](self.parts["a"](x), training=training)


def array(x):
    return ops.convert_to_numpy(x)


def is_noisy(model, x=X):
    return not np.array_equal(array(model(x, training=True)), array(model(x)))


def rates(model):
    """The rates of all dropout layers, and that all of them are ours."""
    found = [each for each in flatten_layers(model) if hasattr(each, "rate")]
    assert all(isinstance(each, layers.NoiseLayer) for each in found)
    return sorted({each.rate for each in found})


def test_a_model_built_without_noise_is_as_if_built_with_it():
    model, built = Backbone(), Backbone(0.3)
    weights = [id(v) for v in model.weights]
    expected = array(model(X))

    assert kd.set_rates(model, 0.3) is model

    assert rates(model) == [0.3]
    count = sum(isinstance(each, layers.NoiseLayer) for each in flatten_layers(model))
    assert count == sum(hasattr(each, "rate") for each in flatten_layers(built)) == 7
    assert [id(v) for v in model.weights] == weights
    assert is_noisy(model)
    np.testing.assert_allclose(array(model(X)), expected, rtol=1e-5, atol=1e-5)
    assert model.get_config()["dropout"] == 0.3

    kd.set_rates(model, 0.0)
    assert not is_noisy(model)


FRESH = """
import sys, keras, numpy as np
import tests.test_set_rates as t
model = keras.saving.load_model(sys.argv[1])
x = np.load(sys.argv[2])
found = [each for each in t.flatten_layers(model) if hasattr(each, "rate")]
print(*{each.rate for each in found})
# Another process may add in another order.
np.testing.assert_allclose(t.array(model(t.X)), x, rtol=1e-5, atol=1e-6)
assert t.is_noisy(model)
"""


def test_a_saved_model_has_its_rates_in_a_fresh_process(tmp_path):
    model = kd.set_rates(Backbone(), 0.25)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", array(model(X)))

    printed = fresh.run(FRESH, tmp_path / "model.keras", tmp_path / "x.npy")

    assert printed.split() == ["0.25"]


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        ("block_1", "block_1"),
        ("block_1/attention", "attention"),
        ("attention", "attention"),
        ("*attention*", "attention"),
        ("blocks/1/inner_dropout", "inner"),
        ("inner_dropout", "inner"),
        ("other", "other"),
        ("embeddings_dropout", "embeddings"),
    ],
)
def test_patterns_ask_for_names_paths_and_globs(pattern, where):
    model = Backbone(0.1)

    with np.testing.suppress_warnings() as quiet:
        quiet.filter(UserWarning)
        kd.set_rates(model, {"*": 0.1, pattern: 0.4})

    last = model.blocks[1]
    expected = {
        "embeddings": model.get_layer("embeddings_dropout"),
        "inner": last.inner_dropout,
        "other": last.others[0],
        "attention": last.attention._dropout_layer,
    }
    asked = list(expected)[1:] if where == "block_1" else [where]
    found = [name for name, layer in expected.items() if layer.rate == 0.4]
    assert found == asked
    assert rates(model) == [0.1, 0.4]


def test_a_later_pattern_holds_over_an_earlier_one():
    model = kd.set_rates(Backbone(0.1), {"block_0": 0.5, "*": 0.2})

    assert rates(model) == [0.2]


def test_rates_that_cannot_be_saved_are_named():
    with pytest.warns(UserWarning, match=r"not saved with .*'block_0/inner_dropout"):
        model = kd.set_rates(Backbone(0.1), {"inner_dropout": 0.4})

    # The block must not pass over its noise.
    assert model.blocks[0].dropout == 0.4


def test_rates_without_noise_to_act_on_are_named():
    class Unused(K.Layer):
        def __init__(self):
            super().__init__(name="unused")
            self.dropout = 0.0

        def build(self, shape):
            pass

        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((6,)), Unused(), K.Dropout(0.5)])

    with pytest.warns(UserWarning, match=r"no effect.*\['unused/dropout'\]"):
        kd.set_rates(model, 0.1)
    assert model.layers[0].dropout == 0.0


def test_schedules_follow_the_steps_of_training():
    model = keras.Sequential([keras.Input((6,)), K.Dense(3), K.Dropout(0.5)])
    model.compile("sgd", "mse")
    x, y = X[:, 0], np.zeros((4, 3))
    model.fit(x, y, verbose=0)

    kd.set_rates(model, kd.schedules.Linear(0.0, 0.4, steps=4))
    model.fit(x, y, batch_size=2, epochs=2, verbose=0)

    assert model.layers[-1].rate == pytest.approx(0.4)
    kd.set_rates(model, 0.1)
    model.fit(x, y, verbose=0)
    assert model.layers[-1].rate == 0.1


def test_compiled_functions_learn_of_the_new_layers():
    model = keras.Sequential([keras.Input((6,)), K.Dropout(0.0), K.Dense(3)])
    model.compile("sgd", "mse")
    x, zeros = X[:, 0], np.zeros((4, 3))
    model.layers[1].kernel.assign(np.zeros((6, 3)))
    model.fit(x, zeros, verbose=0)

    kd.set_rates(model, 1.0)
    before = array(model.layers[1].kernel)
    model.fit(x, zeros + 1.0, verbose=0)

    # Nothing reaches the kernel, so it does not learn.
    assert np.array_equal(array(model.layers[1].kernel), before)
    live = model.layers[0]
    kd.set_rates(model, 0.0)
    assert model.layers[0] is live
    model.fit(x, zeros + 1.0, verbose=0)
    assert not np.array_equal(array(model.layers[1].kernel), before)


def test_subclassed_models_and_single_layers_are_changed():
    model = Subclassed()
    model(X)

    with pytest.warns(UserWarning, match=r"not saved with 'own'.*\['b/rate'\]"):
        kd.set_rates(model, 0.2)
    dropout = kd.set_rates(K.Dropout(0.5, name="alone"), 0.1)

    assert rates(model) == [0.2]
    assert is_noisy(model)
    assert type(dropout) is layers.Dropout
    assert (dropout.name, dropout.rate) == ("alone", 0.1)


WRAPPED = {
    "bidirectional": lambda: K.Bidirectional(K.LSTM(3, dropout=0.1), name="rnn"),
    "stacked": lambda: K.RNN([K.GRUCell(3), K.SimpleRNNCell(3)], name="rnn"),
    "distributed": lambda: K.TimeDistributed(K.Dropout(0.0), name="rnn"),
    "nested": lambda: keras.Sequential([keras.Input((5, 6)), K.LSTM(3)], name="rnn"),
    "attention": lambda: K.Attention(name="rnn"),
}


@pytest.mark.parametrize("build", WRAPPED.values(), ids=WRAPPED)
def test_wrappers_cells_and_attention_are_reached(build):
    inputs = keras.Input((5, 6))
    layer = build()
    paired = isinstance(layer, K.Attention)
    model = keras.Model(inputs, layer([inputs, inputs] if paired else inputs))

    kd.set_rates(model, {"rnn": 0.5})

    assert is_noisy(model)
    config = model.get_config()
    again = keras.Model.from_config(config)
    again.set_weights(model.get_weights())
    assert is_noisy(again)
    np.testing.assert_array_equal(array(again(X)), array(model(X)))


def test_recurrent_dropout_is_set_only_where_it_is_on_or_named():
    off = K.LSTM(3, name="off")
    on = K.GRU(3, recurrent_dropout=0.1, name="on")
    for layer in (off, on):
        layer.build((None, 5, 6))
    model = keras.Sequential([keras.Input((5, 6)), K.LSTM(3, name="off")])

    kd.set_rates(model, 0.5)
    kd.set_rates(on, 0.5)
    assert (model.layers[0].dropout, model.layers[0].recurrent_dropout) == (0.5, 0.0)
    assert (on.dropout, on.recurrent_dropout) == (0.5, 0.5)

    kd.set_rates(model, {"off/*/recurrent_dropout": 0.25})
    assert model.layers[0].recurrent_dropout == 0.25
    assert is_noisy(model)


@keras.saving.register_keras_serializable("set_rates")
class DropsByItself(K.Layer):
    """Draws with a seed of its own, as the drop paths of Keras's models do."""

    def __init__(self, drop_path_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, x, training=None):
        if not training:
            return x
        return keras.random.dropout(x, self.drop_path_rate, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "drop_path_rate": self.drop_path_rate}


def test_layers_that_draw_by_themselves_are_told():
    model = keras.Sequential([keras.Input((6,)), DropsByItself(name="own")])

    kd.set_rates(model, 0.5)

    assert model.layers[0].drop_path_rate == 0.5
    assert is_noisy(model, X[:, 0])


def test_our_own_layers_keep_their_compiled_state():
    wrapper = layers.DropConnect(K.Dense(3), 0.5, name="wrapper")
    model = keras.Sequential(
        [keras.Input((6,)), wrapper, layers.GaussianNoise(0.1, name="noise")]
    )
    model.compile("sgd", "mse")
    model.fit(X[:, 0], np.zeros((4, 3)), verbose=0)
    compiled = model.train_function

    kd.set_rates(model, {"wrapper": 0.25, "noise/stddev": 3.0})

    assert (wrapper.rate, model.layers[1].stddev) == (0.25, 3.0)
    assert model.train_function is compiled


def test_the_stream_goes_on_and_a_shared_generator_stays_shared():
    generator = keras.random.SeedGenerator(3)
    shared = [layers.Dropout(0.5, seed=generator) for _ in range(2)]
    single = K.Dropout(0.5, seed=7)
    single(ops.ones((2, 3)), training=True)
    model = keras.Sequential([keras.Input((6,)), *shared, single])
    state = array(single.seed_generator.state)

    kd.set_rates(model, kd.schedules.Linear(0.0, 0.4, steps=4))

    assert [each.rate for each in model.layers] == [0.0] * 3
    assert all(each.seed_generator is generator for each in shared)
    assert np.array_equal(array(single.seed_generator.state), state)


@pytest.mark.parametrize(
    ("rate", "error", "match"),
    [
        (-0.1, ValueError, "rate"),
        ("0.5", TypeError, "rate"),
        (None, TypeError, "rate"),
        (1.5, ValueError, "between 0 and 1"),
        ({"nothing": 0.5}, ValueError, r"fits one of the rates.*first/rate.*nothing"),
        ({3: 0.5}, TypeError, "patterns that are strings"),
        ({"first": 0.3, "gauss": 1.0}, ValueError, "below 1"),
        ({"first": 0.3, "lstm": 1.0}, ValueError, "below 1"),
        (kd.schedules.Linear(0.0, 0.4, steps=4), ValueError, "lstm/.*/dropout"),
    ],
)
def test_what_is_refused_changes_nothing(rate, error, match):
    first, gauss = (
        layers.Dropout(0.5, name="first"),
        K.GaussianDropout(0.5, name="gauss"),
    )
    model = keras.Sequential(
        [keras.Input((5, 6)), first, gauss, K.LSTM(3, name="lstm")]
    )

    with pytest.raises(error, match=match):
        kd.set_rates(model, rate)

    assert first.rate == 0.5
    assert type(gauss) is K.GaussianDropout
    assert model.layers[-1].dropout == 0


def test_a_model_without_rates_is_refused():
    with pytest.raises(ValueError, match="rates of the model: none"):
        kd.set_rates(keras.Sequential([K.Dense(3)]), 0.5)
    with pytest.raises(TypeError, match="model"):
        kd.set_rates("model", 0.5)


def test_sampling_sees_the_new_noise():
    model = Backbone()
    kd.set_rates(model, 0.5)

    prediction = kd.mc_predict(model, X, samples=4, seed=0, verbose=False)

    # A unit is dropped in all four samples one time in sixteen.
    assert np.mean(array(prediction.std) > 0) > 0.5


@pytest.mark.parametrize(
    "by", ["keras_dropout", "keras", lambda old: layers.MCDropout(0.5)]
)
def test_replacing_in_place_keeps_the_model(by):
    model = Subclassed()
    model(X)
    kept = model.parts["b"]
    if by == "keras":
        kd.replace_dropout(model, in_place=True)
        assert type(kept) is layers.Dropout

    assert kd.replace_dropout(model, by, in_place=True) is model

    kinds = {"keras_dropout": layers.Dropout, "keras": K.Dropout}
    assert type(kept) is kinds.get(by, layers.MCDropout)
    assert model.parts["b"] is kept
    assert kept.name == "b"
    assert is_noisy(model)


@pytest.mark.parametrize("new", [None, K.Dense(3), layers.DropConnect(K.Dense(3))])
def test_replacing_in_place_refuses_what_is_no_plain_noise(new):
    model = Subclassed()
    model(X)
    if new is not None:
        new.build((None, 4))

    with pytest.raises(ValueError, match="without weights and without inner layers"):
        kd.replace_dropout(model, lambda old: new, in_place=True)

    assert type(model.parts["b"]) is K.Dropout
