"""Surgery on layers that are called in every way that Keras allows."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers

K = keras.layers
X = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


def array(y):
    flat = keras.tree.flatten(y)
    return [ops.convert_to_numpy(each) for each in flat]


def same(a, b):
    return all(np.array_equal(*each) for each in zip(array(a), array(b), strict=True))


@keras.saving.register_keras_serializable("surgery_calls")
class Mix(K.Layer):
    """Takes tensors by position, by name, in lists and dictionaries, and numbers."""

    def call(self, parts, other=None, *, extra=None, scale=1.0):
        first, *rest = keras.tree.flatten(parts)
        for each in (*rest, *keras.tree.flatten(other), *keras.tree.flatten(extra)):
            first = first + scale * each if each is not None else first
        return first

    def compute_output_spec(self, parts, *args, **kwargs):
        return keras.KerasTensor(keras.tree.flatten(parts)[0].shape)


def named_attention(x):
    return K.MultiHeadAttention(2, 3, name="target")(query=x, value=x)


def crossed_attention(x):
    return K.MultiHeadAttention(2, 3, name="target")(x, value=2.0 * x, key=x)


def with_scores(x):
    y, scores = K.MultiHeadAttention(2, 3, name="target")(
        x, x, return_attention_scores=True
    )
    return y + ops.mean(scores)


def several_places(x):
    return Mix(name="target")(x, 2.0 * x, extra={"a": x, "b": [x, x]}, scale=0.5)


def nested(x):
    return Mix(name="target")({"a": x, "b": [x, 3.0 * x]}, other=[x])


def states(x):
    y, h, c = K.LSTM(6, return_sequences=True, return_state=True, name="target")(x)
    return y + ops.expand_dims(h + c, 1)


def shared(x):
    layer = K.Dense(6, name="target")
    return layer(layer(x)) + layer(inputs=x)


CALLS = [
    named_attention,
    crossed_attention,
    with_scores,
    several_places,
    nested,
    states,
    shared,
]


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def model(request):
    inputs = keras.Input((5, 6), name="x")
    x = K.Dropout(0.5, name="keras_s")(inputs=inputs, training=True)
    x = layers.Dropout(0.5, name="ours")(inputs=x)
    return keras.Model(inputs, {"y": request.param(x), "x": x})


def test_noise_is_taken_out_and_exchanged(model):
    stripped = kd.strip_dropout(model)
    exchanged = kd.replace_dropout(model)

    names = [layer.name for layer in stripped.layers]
    assert not {"ours", "keras_s"} & {*names}
    assert isinstance(exchanged.get_layer("keras_s"), layers.Dropout)
    assert same(stripped(X, training=True), model(X, training=False))
    assert same(exchanged(X, training=False), model(X, training=False))


@pytest.mark.parametrize("position", ["before", "after"])
def test_noise_is_put_next_to_the_layer(model, position):
    stripped = kd.strip_dropout(model)

    noisy = kd.insert_dropout(
        stripped, layers.Dropout(1.0, name="d"), "target", position=position
    )

    assert same(noisy(X, training=False), model(X, training=False))
    assert not same(noisy(X, training=True)["y"], model(X, training=False)["y"])
    assert same(noisy(X, training=True)["x"], model(X, training=False)["x"])


def test_noise_before_is_one_for_a_tensor_that_comes_in_twice():
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, K.Subtract(name="target")([inputs, inputs]))

    noisy = kd.insert_dropout(
        model, layers.Dropout(0.5, name="d"), "target", position="before"
    )

    assert not np.any(array(noisy(X, training=True))[0])


def test_noise_after_a_nested_model_is_on_all_its_outputs():
    inner_input = keras.Input((6,))
    inner = keras.Model(
        inner_input, [inner_input + 1.0, inner_input + 2.0], name="inner"
    )
    inputs = keras.Input((6,))
    model = keras.Model(inputs, inner(inputs))

    noisy = kd.insert_dropout(model, layers.Dropout(1.0), "inner")

    assert not any(map(np.any, array(noisy(X[:, 0], training=True))))


def test_optional_inputs_stay_optional():
    inputs = [keras.Input((6,), name="a"), keras.Input((6,), optional=True, name="b")]
    model = keras.Model(inputs, Mix()(K.Dropout(0.5)(inputs[0]), other=inputs[1]))

    stripped = kd.strip_dropout(model)

    assert same(stripped([X[:, 0], None]), X[:, 0])
    assert same(stripped([X[:, 0], X[:, 0]]), 2.0 * X[:, 0])
