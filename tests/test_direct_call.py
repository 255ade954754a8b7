"""A call past Keras's bookkeeping gives what a call through it gives."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout._layers._base import direct_call
from tests.catalogue import every_layer

# Only there is Keras's own way passed by.
pytestmark = [pytest.mark.keras, pytest.mark.backend("torch")]


def through_keras(monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(direct_call, "is_enough", lambda *arguments: False)
        return call()


def goes_past_keras(monkeypatch, call):
    def refuse(*args, **kwargs):
        raise AssertionError("Keras's own way was taken")

    with monkeypatch.context() as patch:
        patch.setattr(keras.layers.Layer, "__call__", refuse)
        try:
            call()
        except AssertionError:
            return False
    return True


@every_layer
@pytest.mark.parametrize("training", [True, False])
def test_both_ways_give_the_same(row, training, monkeypatch):
    x = keras.tree.map_structure(ops.convert_to_tensor, row.batch())
    one, other = row.build(seed=1), row.build(seed=1)
    for layer in (one, other):
        row.call(layer, x, training=False)
    if row.weights:
        other.set_weights(one.get_weights())

    for _ in range(2):
        expected = through_keras(
            monkeypatch, lambda: row.call(one, x, training=training)
        )
        found = row.call(other, x, training=training)
        for a, b in zip(*map(keras.tree.flatten, (expected, found)), strict=True):
            assert keras.backend.standardize_dtype(
                a.dtype
            ) == keras.backend.standardize_dtype(b.dtype)
            np.testing.assert_array_equal(*map(ops.convert_to_numpy, (a, b)))


@pytest.mark.parametrize("name", ["Dropout", "GaussianDropout", "AlphaDropout"])
def test_models_of_keras_call_directly(name, monkeypatch):
    model = keras.Sequential([keras.Input((8,)), getattr(kd.layers, name)(0.5)])
    x = ops.ones((4, 8))
    model(x, training=True)
    is_enough, found = direct_call.is_enough, []
    monkeypatch.setattr(
        direct_call, "is_enough", lambda *a: found.append(is_enough(*a)) or found[-1]
    )

    model(x, training=True)
    model(x, training=False)

    assert found == [True, True]


def test_the_first_call_goes_through_keras(monkeypatch):
    layer = kd.layers.Dropout(0.5)
    x = ops.ones((4, 8))

    assert not goes_past_keras(monkeypatch, lambda: layer(x, training=True))
    layer(x, training=True)
    assert goes_past_keras(monkeypatch, lambda: layer(x, training=True))


@pytest.mark.parametrize(
    "call",
    [
        lambda layer, x: layer(x),
        lambda layer, x: layer(x, training=None),
        lambda layer, x: layer(inputs=x, training=True),
        lambda layer, x: layer(ops.convert_to_numpy(x), training=True),
        lambda layer, x: layer(ops.cast(x, "float16"), training=True),
        lambda layer, x: layer(keras.Input((8,)), training=True),
    ],
    ids=["no training", "None", "by name", "NumPy", "another dtype", "symbolic"],
)
def test_what_keras_would_change_goes_through_it(call, monkeypatch):
    layer = kd.layers.Dropout(0.5)
    x = ops.ones((4, 8))
    layer(x, training=True)

    assert not goes_past_keras(monkeypatch, lambda: call(layer, x))


def test_masks_are_propagated():
    layer = kd.layers.Dropout(0.5)
    embedded = keras.layers.Embedding(5, 8, mask_zero=True)(np.array([[1, 0]]))
    layer(ops.ones((1, 2, 8)), training=True)

    y = layer(embedded, training=True)

    np.testing.assert_array_equal(ops.convert_to_numpy(y._keras_mask), [[True, False]])


def test_activity_is_regularized():
    layer = kd.layers.Dropout(0.0, activity_regularizer=keras.regularizers.L1(1.0))
    x = ops.ones((4, 8))
    layer(x, training=True)
    (first,) = map(float, layer.losses)

    layer(2 * x, training=True)

    assert float(layer.losses[-1]) == 2 * first > 0


def test_a_subclass_with_weights_goes_through_keras(monkeypatch):
    class Scaled(kd.layers.NoiseLayer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

        def perturb(self, x):
            return x * self.scale

    layer = Scaled(dtype="mixed_float16")
    x = ops.ones((4, 8), "float16")

    for _ in range(2):
        y = layer(x, training=True)

    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert not goes_past_keras(monkeypatch, lambda: layer(x, training=True))


def test_hooks_of_pytorch_are_run():
    layer = kd.layers.Dropout(0.5)
    x = ops.ones((4, 8))
    layer(x, training=True)
    seen = []
    layer.register_forward_hook(lambda module, args, output: seen.append(output))

    y = layer(x, training=True)

    assert len(seen) == 1
    assert seen[0] is y
