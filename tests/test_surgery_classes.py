"""Surgery on models whose class is more than a graph of layers."""

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
Y = np.zeros((4, 3), "float32")


class Counting:
    """Counts its steps of training, and scales what it predicts."""

    def train_step(self, *args):
        self.steps += 1
        return super().train_step(*args)

    def predict_step(self, *args):
        if keras.backend.backend() == "jax":
            outputs, state = super().predict_step(*args)
            return self.scale * outputs, state
        return self.scale * super().predict_step(*args)


@keras.saving.register_keras_serializable("surgery_classes")
class Own(Counting, keras.Model):
    """Has a constructor of its own, and its own configuration."""

    def __init__(self, units, rate=0.5, **kwargs):
        inputs = keras.Input((6,), name="x")
        hidden, noise = K.Dense(units, name="hidden"), K.Dropout(rate, name="drop")
        outputs = K.Dense(3, name="out")(noise(hidden(inputs)))
        super().__init__(inputs, outputs, **kwargs)
        self.hidden = hidden
        self.noises = [noise]
        self.units = units
        self.rate = rate
        self.scale = 2.0
        self.steps = 0

    def get_config(self):
        return {"name": self.name, "units": self.units, "rate": self.rate}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def head(self, x):
        return self.noises[0](self.hidden(x))


@keras.saving.register_keras_serializable("surgery_classes")
class Plain(Counting, keras.Model):
    """Takes a graph, as `keras.Model` does."""

    scale = 2.0
    steps = 0


@keras.saving.register_keras_serializable("surgery_classes")
class Stack(Counting, keras.Sequential):
    """A sequential model with steps of its own."""

    scale = 2.0
    steps = 0


def plain():
    inputs = keras.Input((6,))
    x = K.Dropout(0.5, name="drop")(K.Dense(5, name="hidden")(inputs))
    return Plain(inputs, K.Dense(3)(x))


def stack():
    hidden = K.Dense(5, name="hidden")
    return Stack([keras.Input((6,)), hidden, K.Dropout(0.5, name="drop"), K.Dense(3)])


OPERATIONS = {
    "strip": kd.strip_dropout,
    "replace": kd.replace_dropout,
    "insert": lambda m: kd.insert_dropout(m, layers.Dropout(0.5, name="d"), "hidden"),
}


@pytest.mark.parametrize("build", [plain, stack, lambda: Own(5)])
@pytest.mark.parametrize("operate", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.filterwarnings("ignore:The class of")
def test_the_class_is_kept_with_its_steps(build, operate):
    model = build()
    model.compile("sgd", "mse", jit_compile=False)

    new = operate(model)
    new.fit(X, Y, verbose=0)

    assert type(new) is type(model)
    assert new.steps > 0
    assert {id(v) for v in new.weights} == {id(v) for v in model.weights}
    expected = 2.0 * ops.convert_to_numpy(model(X))
    np.testing.assert_array_equal(new.predict(X, verbose=0), expected)


@pytest.mark.parametrize("build", [plain, stack])
def test_a_class_that_is_saved_by_its_graph_saves_the_change(build, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        new = kd.replace_dropout(build())

    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded) is type(new)
    assert type(loaded.get_layer("drop")) is layers.Dropout
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), new.predict(X, verbose=0)
    )


def test_a_class_that_saves_itself_warns_and_saves_its_weights(tmp_path):
    with pytest.warns(UserWarning, match=r"\['own.*will not contain the changed"):
        new = kd.insert_dropout(Own(5), layers.Dropout(0.5), "hidden")

    new.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded) is Own
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), new.predict(X, verbose=0)
    )


@pytest.mark.filterwarnings("ignore:The class of")
def test_attributes_hold_the_layers_that_stand_there_now():
    model = Own(5)

    ours, bare = kd.replace_dropout(model), kd.strip_dropout(model)

    assert ours.noises[0] is ours.get_layer("drop")
    assert type(ours.noises[0]) is layers.Dropout
    assert ours.hidden is model.hidden
    assert K.Dropout not in map(type, flatten_layers(bare))
    expected = ops.convert_to_numpy(model.head(X))
    np.testing.assert_array_equal(ops.convert_to_numpy(bare.head(X)), expected)


def test_a_class_that_calls_its_layers_by_itself_is_refused():
    class Calls(Own):
        def call(self, x, training=None):
            return 2.0 * super().call(x, training=training)

    with pytest.raises(TypeError, match="called by its own code"):
        kd.strip_dropout(Calls(5))


def test_a_compile_of_its_own_is_left_to_the_user():
    class Compiles(Plain):
        def compile(self, second, **kwargs):
            super().compile(**kwargs)
            self.second = second

    built = plain()
    model = Compiles(built.inputs, built.outputs)
    model.compile(keras.optimizers.SGD(), loss="mse")

    with pytest.warns(UserWarning, match=r"'Compiles' has a `compile` of its own"):
        new = kd.replace_dropout(model)

    assert not new.compiled
    assert not hasattr(new, "second")


def test_a_frozen_model_stays_frozen():
    model = plain()
    model.trainable = False

    assert not kd.replace_dropout(model).trainable
