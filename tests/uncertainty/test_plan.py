"""Layers before the noise run once, and the search for them does not change a model."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import _keras
from keras_dropout.sampling import noise
from keras_dropout.sampling.plan import Plan
from tests.uncertainty import models

L = keras.layers
BACKEND = keras.backend.backend()


def _plan(model):
    return Plan(model, noise.find(model))


def _skip():
    i = keras.Input((6,))
    a = L.Dense(6, activation="relu")(i)
    b = L.Dropout(0.5)(L.Dense(6)(a))
    return keras.Model(i, L.Dense(2)(L.Add()([a, b])))


def _several():
    i, j = keras.Input((6,), name="i"), keras.Input((6,), name="j")
    shared = L.Dense(4)
    before, h = shared(i), L.Dropout(0.5)(shared(j))
    return keras.Model({"i": i, "j": j}, {"sure": before, "noisy": L.Dense(2)(h)})


def _deep():
    inner = keras.Sequential(
        [keras.Input((5,)), L.Dense(5), L.Dense(5), L.Dropout(0.5), L.Dense(3)]
    )
    i = keras.Input((6,))
    return keras.Model(i, L.Dense(2)(inner(L.Dense(5)(i))))


def _shared_noise():
    drop, i = L.Dropout(0.5), keras.Input((6,))
    a = drop(L.Dense(4)(i))
    return keras.Model(i, L.Add()([a, drop(L.Dense(4)(a))]))


def _masked():
    i = keras.Input((None,), dtype="int32")
    h = L.Embedding(9, 4, mask_zero=True)(i)
    return keras.Model(i, L.LSTM(3)(L.Dropout(0.5)(h)))


@pytest.mark.keras
@pytest.mark.parametrize("make", [_skip, _several, _deep, _shared_noise, models.mlp])
def test_the_two_parts_give_what_the_model_gives(make):
    model, x = make(), ops.convert_to_tensor(models.x_of(3, 6))
    inputs = {"i": x, "j": 2 * x} if make is _several else x
    plan = _plan(model)

    features, masks = plan.prefix(inputs)
    outputs = plan.suffix(features, masks, 2)

    assert plan.has_prefix
    expected = keras.tree.flatten(model(inputs))
    for found, exact in zip(keras.tree.flatten(outputs), expected, strict=True):
        found, exact = ops.convert_to_numpy(found), ops.convert_to_numpy(exact)
        np.testing.assert_allclose(found, np.concatenate([exact, exact]), atol=1e-6)


@pytest.mark.keras
def test_masks_of_keras_reach_the_suffix():
    model = _masked()
    tokens = np.array([[1, 2, 0, 0], [3, 4, 5, 6]])

    prediction = kd.mc_predict(model, tokens, samples=400, seed=0)

    # Only noise before the mask's end can act: row 0 equals its own short form.
    short = kd.mc_predict(model, tokens[:1, :2], samples=400, seed=1)
    error = np.hypot(prediction.standard_error[0], short.standard_error[0])
    assert (np.abs(prediction.mean[0] - short.mean[0]) < 5 * error).all()


def test_a_nested_model_is_opened_where_its_noise_is():
    plan = _plan(_deep())

    # Entering, and the noise with the two layers after it.
    assert len(plan._after) == 3
    assert len(plan._before) == 4


def test_layers_before_the_noise_run_once_a_batch():
    calls = []

    class Counted(L.Layer):
        def call(self, x):
            calls.append(x.shape[0])
            return x

    model = keras.Sequential(
        [keras.Input((6,)), Counted(), L.Dropout(0.5), Counted(), L.Dense(2)]
    )
    x = models.x_of(4, 6)
    # When a model is first met, layers that are not known run a few times more.
    noise.find(model, x)
    calls.clear()

    kd.mc_predict(model, x, samples=8, max_rows=1000)

    # Before that, two rows are tried with one sample and with two. TensorFlow leaves
    # the number of rows open.
    rows, tiled = (None, None) if BACKEND == "tensorflow" else (4, 32)
    assert calls[-2:] == [rows, tiled]
    assert tiled is None or calls.count(tiled) == 1


def test_an_output_before_all_noise_has_no_variance_at_all():
    x = models.x_of(5, 6)
    model = _several()

    prediction = kd.mc_predict(model, {"i": x, "j": x}, samples=7, seed=0)

    assert not prediction["sure"].variance.any()
    assert prediction["noisy"].variance.all()
    expected = model.predict({"i": x, "j": x}, verbose=0)["sure"]
    np.testing.assert_allclose(prediction["sure"].mean, expected, rtol=1e-5, atol=1e-6)


def _folded():
    i = keras.Input((4, 3))
    h = L.Dense(2)(L.Dropout(0.5)(ops.reshape(L.Dense(3)(i), (-1, 3))))
    return keras.Model(i, ops.reshape(h, (-1, 4, 2)))


def test_rows_that_a_model_folds_with_other_axes_come_back():
    model, x = _folded(), models.x_of(5, 4, 3)

    prediction = kd.mc_predict(model, x, samples=400, seed=0)

    expected = model.predict(x, verbose=0)
    error = np.maximum(prediction.standard_error, 1e-6)
    assert prediction.mean.shape == (5, 4, 2)
    # The last layer is linear in the noise.
    assert (np.abs(prediction.mean - expected) < 5 * error).all()


def test_outputs_with_several_rows_for_each_row_come_as_predict_gives_them():
    i = keras.Input((4, 3))
    model = keras.Model(i, ops.reshape(L.Dropout(0.5)(i), (-1, 3)))
    x = np.ones((5, 4, 3), "float32")

    prediction = kd.mc_predict(model, x, samples=400, seed=0, batch_size=2)

    assert prediction.mean.shape == model.predict(x, verbose=0).shape == (20, 3)
    # Each element is 0 or 2.
    assert (np.abs(prediction.mean - 1) < 5 / np.sqrt(400)).all()


@pytest.mark.keras
def test_reading_a_model_adds_no_nodes_to_its_layers():
    model = _skip()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]

    kd.mc_predict(model, models.x_of(2, 6), samples=2)

    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes


@pytest.mark.parametrize("make", [_skip, _deep, models.mlp])
def test_a_sampled_model_can_be_forgotten(make):
    model = make()
    kd.mc_predict(model, models.x_of(2, 6), samples=2)
    gone = weakref.ref(model)

    del model
    gc.collect()

    assert gone() is None


def test_a_graph_that_cannot_be_read_runs_whole(monkeypatch):
    model, x = models.mlp(), models.x_of(4, 6)

    def missing(graph):
        raise _keras.PrivateNameError("no nodes")

    monkeypatch.setattr("keras_dropout.graph.reader.nodes_of", missing)

    with pytest.warns(UserWarning, match="runs whole for every sample.*no nodes"):
        prediction = kd.mc_predict(model, x, samples=4, seed=0)

    assert prediction.mutual_information.all()


def test_weights_are_constants_of_no_compiled_function():
    model, x = models.mlp(rate=1e-5), models.x_of(4, 6)
    kd.mc_predict(model, x, samples=2, seed=0)

    model.set_weights([0.5 * weight for weight in model.get_weights()])
    after = kd.mc_predict(model, x, samples=2, seed=0)

    np.testing.assert_allclose(after.mean, model.predict(x, verbose=0), atol=1e-3)


def test_variables_that_replace_others_act_in_the_next_call():
    model = keras.Sequential([keras.Input((6,)), L.Dense(8), L.Dropout(0.5)])
    x = models.x_of(4, 6)
    before = kd.mc_predict(model, x, samples=4, seed=0).mean

    layer = model.layers[0]
    layer.enable_lora(1)
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))

    after = kd.mc_predict(model, x, samples=4, seed=0).mean
    assert not np.allclose(after, before)
    fresh = keras.Sequential([keras.Input((6,)), L.Dense(8), L.Dropout(0.5)])
    fresh.layers[0].set_weights([layer.kernel, layer.bias])
    expected = kd.mc_predict(fresh, x, samples=4, seed=0).mean
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="torch compiles nothing here")
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (L.Dropout(0.5), "rate"),
        (L.SpatialDropout1D(0.5), "rate"),
        (L.AlphaDropout(0.5), "rate"),
        (L.GaussianDropout(0.5), "rate"),
        (L.GaussianNoise(0.5), "stddev"),
        (L.GRU(4, dropout=0.5, return_sequences=True), "cell.dropout"),
        (kd.layers.Dropout(0.5), "rate"),
    ],
    ids=lambda each: getattr(each, "name", None),
)
def test_a_new_rate_compiles_nothing(layer, name):
    traced = []

    class Traced(L.Layer):
        def call(self, x):
            traced.append(x.shape)
            return x

    model = keras.Sequential([keras.Input((5, 4)), layer, Traced(), L.Dense(1)])
    *path, name = name.split(".")
    owner = getattr(layer, path[0]) if path else layer
    x = np.repeat(models.x_of(1, 5, 4), 200, axis=0)

    def spread():
        found = kd.mc_predict(model, x, samples=10, seed=0, batch_size=200)
        return found.variance.mean()

    high = spread()
    traced.clear()
    setattr(owner, name, 0.05)

    assert spread() < 0.5 * high
    assert not traced


@pytest.mark.parametrize("dropout", [L.Dropout, kd.layers.Dropout])
def test_a_new_rate_acts_in_the_next_call(dropout):
    layer = dropout(0.1)
    model = keras.Sequential([keras.Input((400,)), layer])
    x = np.ones((20, 400), "float32")

    def dropped():
        kept = kd.mc_predict(model, x, samples=5, seed=0, return_samples=True)
        return (kept.samples == 0).mean()

    low = dropped()
    layer.rate = 0.6

    bound = 5 * np.sqrt(0.24 / (5 * 20 * 400))
    assert abs(low - 0.1) < bound
    assert abs(dropped() - 0.6) < bound
