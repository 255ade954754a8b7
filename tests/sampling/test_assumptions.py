"""What the sampler assumes of a model is tried out, and done without where it fails."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.sampling.member import Member
from keras_dropout.sampling.settings import Settings

L = keras.layers
SAMPLES = 200


def x_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Graph(keras.Model):
    """Holds all nodes of a graph, and answers for the nodes that are asked for."""

    def __init__(self, nodes=10, drop=None):
        super().__init__()
        self.feat = ops.convert_to_tensor(x_of(nodes, 5))
        near = np.eye(nodes) + np.eye(nodes, k=1)
        self.adj = ops.convert_to_tensor(near.astype("float32"))
        self.first, self.second = L.Dense(6), L.Dense(2)
        self.drop = drop or L.Dropout(0.5)

    def call(self, ids, training=False):
        h = self.drop(self.first(self.feat), training=training)
        h = self.second(ops.matmul(self.adj, h))
        return ops.take(h, ops.cast(ops.reshape(ids, (-1,)), "int32"), axis=0)


def _graph_as_input():
    x, adjacency = keras.Input((5,)), keras.Input((None,))
    h = L.Dropout(0.5)(L.Dense(6)(x))
    h = ops.matmul(adjacency, h)
    return keras.Model([x, adjacency], L.Dense(2)(h))


def _batch_attention():
    i = keras.Input((5,))
    h = L.Dropout(0.5)(L.Dense(6)(i))
    weights = ops.softmax(ops.matmul(h, ops.transpose(h)), axis=-1)
    return keras.Model(i, L.Dense(2)(ops.matmul(weights, h)))


def _batch_statistics():
    i = keras.Input((5,))
    h = L.Dropout(0.5)(L.Dense(6)(i))
    return keras.Model(i, L.Dense(2)(h - ops.mean(h, axis=0, keepdims=True)))


def _similarities():
    i = keras.Input((5,))
    h = L.Dropout(0.5)(L.Dense(6)(i))
    return keras.Model(i, ops.matmul(h, ops.transpose(h)))


def _time_first(back):
    i = keras.Input((4, 5))
    h = ops.transpose(L.Dense(6)(i), (1, 0, 2))
    h = L.Dense(2)(L.Dropout(0.5)(h))
    return keras.Model(i, ops.transpose(h, (1, 0, 2)) if back else h)


class Positions(keras.Model):
    """Noise on a table of positions that is added to all rows."""

    def __init__(self):
        super().__init__()
        self.table = ops.convert_to_tensor(x_of(4, 5, seed=3))
        self.drop, self.out = kd.layers.Dropout(0.5), L.Dense(2)

    def call(self, x, training=False):
        return self.out(x + self.drop(self.table, training=training))


MODELS = {
    "nodes": (Graph, lambda rows: np.arange(rows)),
    "graph": (_graph_as_input, lambda rows: [x_of(rows, 5), np.eye(rows, k=1) + 1.0]),
    "attention": (_batch_attention, lambda rows: x_of(rows, 5)),
    "statistics": (_batch_statistics, lambda rows: x_of(rows, 5)),
    "similarities": (_similarities, lambda rows: x_of(rows, 5)),
    "time first": (lambda: _time_first(False), lambda rows: x_of(rows, 4, 5)),
    "time first within": (lambda: _time_first(True), lambda rows: x_of(rows, 4, 5)),
    "positions": (Positions, lambda rows: x_of(rows, 4, 5)),
}


def _as_input(x):
    return keras.tree.map_structure(ops.convert_to_tensor, x)


def _looped(model, x):
    """A plain loop: the model is called again and again with its noise on."""
    x = _as_input(x)
    calls = [model(x, training=True) for _ in range(SAMPLES)]
    return np.stack([ops.convert_to_numpy(each) for each in calls])


@functools.cache
def looped(name):
    """A model, six rows, and what a plain loop gives."""
    make, data = MODELS[name]
    model, x = make(), data(6)
    return model, x, _looped(model, x)


def _agrees(mean, std, samples):
    """Whether mean and spread are those of samples of a loop, within their error."""
    count = len(samples)
    error = samples.std(axis=0) * np.sqrt(2 / count)
    assert (np.abs(mean - samples.mean(axis=0)) < 5.5 * error + 1e-6).all()
    # Of a variance from few values of a mask: four times that of a normal.
    spread = np.abs(std**2 - samples.var(axis=0)).mean()
    assert spread < 0.35 * samples.var(axis=0).mean() + 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_a_model_whose_rows_are_not_apart_agrees_with_a_loop(name):
    model, x, samples = looped(name)

    prediction = kd.mc_predict(model, x, SAMPLES, seed=0, return_samples=True)

    _agrees(prediction.mean, prediction.std, samples)
    assert len(np.unique(prediction.samples.reshape(SAMPLES, -1), axis=0)) > 150


@pytest.mark.parametrize("masks", ["shared", "antithetic"])
@pytest.mark.parametrize("name", ["nodes", "time first"])
def test_it_does_so_with_joined_samples(name, masks):
    model, x, samples = looped(name)

    prediction = kd.mc_predict(model, x, SAMPLES, seed=0, masks=masks)

    _agrees(prediction.mean, prediction.std, samples)


@pytest.mark.parametrize("name", ["nodes", "graph", "attention", "time first within"])
def test_a_model_that_answers_with_its_uncertainty_does_so_too(name):
    model, x, samples = looped(name)

    answer = kd.MonteCarlo(model, SAMPLES, seed=0).predict(x, verbose=0)

    _agrees(answer["mean"], answer["std"], samples)


def test_shared_noise_of_nodes_is_one_function_whatever_the_rows():
    model = Graph()
    arguments = {"samples": 20, "seed": 0, "masks": "shared", "return_samples": True}

    whole = kd.mc_predict(model, np.arange(10), **arguments).samples
    some = kd.mc_predict(model, np.array([7, 2, 5]), **arguments).samples

    np.testing.assert_allclose(some, whole[:, [7, 2, 5]], rtol=1e-5, atol=1e-6)
    # Each node has a mask of its own.
    assert not np.allclose(whole.std(axis=0)[0], whole.std(axis=0)[1], rtol=0.01)


def test_stratified_samples_of_such_a_model_are_refused():
    with pytest.raises(ValueError, match=r"does not have a row.*masks='antithetic'"):
        kd.mc_predict(Graph(), np.arange(10), 20, masks="stratified")


def test_a_batch_whose_rows_look_at_each_other_is_not_filled_up():
    i = keras.Input((5,))
    h = i - ops.mean(i, axis=0, keepdims=True)
    model = keras.Model(i, L.Dropout(1e-4)(h))
    x = x_of(5, 5)

    prediction = kd.mc_predict(model, x, 2, seed=0)

    np.testing.assert_allclose(prediction.mean, x - x.mean(axis=0), atol=1e-2)


def test_a_single_row_is_enough_to_see_that_rows_look_at_each_other():
    model, x = _batch_attention(), x_of(1, 5)

    prediction = kd.mc_predict(model, x, SAMPLES, seed=0)

    _agrees(prediction.mean, prediction.std, _looped(model, x))


def test_outputs_with_rows_on_another_axis_are_joined_along_it():
    model, x = _time_first(False), x_of(6, 4, 5)

    prediction = kd.mc_predict(model, x, SAMPLES, seed=0, batch_size=2)

    assert prediction.mean.shape == (4, 6, 2)
    _agrees(prediction.mean, prediction.std, _looped(model, x))


def _reason(model, x):
    if not model.built:
        model(_as_input(x))
    member = Member(model, Settings(samples=2), rows=x)
    member.learn(x)
    return member.engine.learned.why_single


def test_models_that_leave_rows_alone_are_sampled_many_at_a_time():
    i = keras.Input((8, 8, 3))
    h = L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(i))
    h = L.LayerNormalization()(L.ReLU()(h) + h)
    h = L.SpatialDropout2D(0.5)(h)
    h = L.Reshape((64, 4))(h)
    h = L.MultiHeadAttention(2, 2, dropout=0.1)(h, h)
    model = keras.Model(i, L.Dense(2)(L.GRU(3, dropout=0.1)(h)))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.drop = L.Dense(4), kd.layers.Dropout(0.5)

        def call(self, x, training=False):
            return self.drop(ops.tanh(self.inner(x)), training=training)

    assert _reason(model, x_of(4, 8, 8, 3)) is None
    assert _reason(Own(), x_of(4, 5)) is None
    assert _reason(Own(), x_of(1, 5)) is None


@pytest.mark.parametrize(
    "layer",
    [
        L.Concatenate(axis=0),
        L.LayerNormalization(axis=0),
        L.Softmax(axis=0),
        L.Dense(3, activation=lambda x: x / ops.sum(x, axis=0, keepdims=True)),
        L.Lambda(lambda x: x - ops.max(x, axis=0), output_shape=lambda shape: shape),
    ],
    ids=lambda each: each.name,
)
def test_layers_of_keras_that_look_at_other_rows_are_seen(layer):
    i = keras.Input((4,))
    h = L.Dropout(0.5)(i)
    inputs = [h, h] if isinstance(layer, L.Concatenate) else h
    try:
        model = keras.Model(i, layer(inputs))
    except (ValueError, TypeError):
        pytest.skip("this Keras refuses to build it")

    assert _reason(model, x_of(4, 4))


def test_predict_of_a_class_of_its_own_is_honoured():
    class Scaled(keras.Model):
        def predict_step(self, *arguments):
            found = super().predict_step(*arguments)
            if isinstance(found, tuple):
                return (100 * found[0], *found[1:])
            return 100 * found

    i = keras.Input((5,))
    model = Scaled(i, L.Dense(2)(kd.layers.Dropout(0.5)(i)))
    x = x_of(6, 5)

    prediction = kd.mc_predict(model, x, SAMPLES, seed=0)

    error = 5.5 * np.maximum(prediction.standard_error, 1e-3)
    # The model is linear in the noise.
    assert (np.abs(prediction.mean - model.predict(x, verbose=0)) < error).all()
    assert prediction.std.mean() > 10


def test_a_changed_attribute_of_a_layer_acts_in_the_next_call():
    model = keras.Sequential(
        [keras.Input((5,)), L.Dense(4), L.Dropout(0.5), L.Dense(2, name="last")]
    )
    x = x_of(6, 5)
    before = kd.mc_predict(model, x, 10, seed=0).mean

    model.get_layer("last").activation = keras.activations.exponential
    model.compile()

    found = kd.mc_predict(model, x, 10, seed=0, return_samples=True)
    assert not np.allclose(found.mean, before)
    assert (found.samples > 0).all()


def test_a_layer_that_counts_its_calls_is_compiled_once():
    traced = []

    class Counting(L.Layer):
        calls = 0

        def call(self, x):
            self.calls += 1
            traced.append(self.calls)
            return x

    model = keras.Sequential([keras.Input((5,)), L.Dropout(0.5), Counting()])
    for _ in range(2):
        kd.mc_predict(model, x_of(4, 5), 4, seed=0)
    traced.clear()

    kd.mc_predict(model, x_of(4, 5), 4, seed=0)

    assert len(traced) == (1 if keras.backend.backend() == "torch" else 0)


def test_parts_of_the_data_draw_noise_of_their_own():
    model = keras.Sequential([keras.Input((40,)), kd.layers.Dropout(0.5)])
    x = np.ones((4, 40), "float32")

    def samples(masks="independent", **part):
        arguments = {"samples": 4, "seed": 0, "masks": masks, "return_samples": True}
        return kd.mc_predict(model, x, **arguments, **part).samples

    np.testing.assert_array_equal(samples(), samples(part=0))
    np.testing.assert_array_equal(samples(part=2), samples(part=2))
    # Of 640 masks half agree.
    agree = (samples(part=1) == samples(part=2)).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(640)
    np.testing.assert_array_equal(samples("shared"), samples("shared", part=3))
    with pytest.raises(ValueError, match="part=-1"):
        samples(part=-1)
