"""A forward pass that is run twice sees one noise, and advances the state once."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers
from keras_dropout.random import replay
from tests.catalogue import ROWS

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
WAYS = {"tensorflow": ["eager", "graph"], "jax": ["jit"], "torch": ["new", "reentrant"]}
# The others differ in their formulas, and draw as these do.
SOME = {
    "Dropout",
    "GaussianDropout",
    "AlphaDropout",
    "DropBlock2D",
    "DropConnect",
    "Zoneout",
    "RecurrentDropoutGRU",
    "ShakeDrop",
    "MaxPoolingDropout1D",
}
rows = [
    row
    for row in ROWS
    if row.trains and row.inputs is None and (BACKEND == "torch" or row.name in SOME)
]


def numpy(x):
    return ops.convert_to_numpy(x)


def state(layer):
    return [numpy(v).copy() for v in layer.non_trainable_variables]


def remat(function, way):
    if way == "plain":
        return function
    if way == "reentrant":
        from torch.utils.checkpoint import checkpoint

        return lambda x: checkpoint(function, x, use_reentrant=True)
    return keras.remat(function)


def step(layer, row, x, way):
    """The output of one step and the gradient of its sum, run twice by `remat`."""

    def function(x):
        return row.call(layer, x, training=True)

    if BACKEND == "torch":
        import torch

        x = torch.tensor(x, requires_grad=True)
        y = remat(function, way)(x)
        y.sum().backward()
        return numpy(y), numpy(x.grad)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = remat(function, way)(x)
            return y, tape.gradient(y, x)

        run = tf.function(run) if way == "graph" else run
        return tuple(map(numpy, run(tf.constant(x))))
    import jax

    variables = layer.non_trainable_variables

    @jax.jit
    def run(x, values):
        def loss(x):
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as now:
                y = remat(function, way)(x)
            after = [now.get_current_value(v) for v in variables]
            return y.sum(), (
                y,
                [v if a is None else a for a, v in zip(after, values, strict=True)],
            )

        (_, found), gradient = jax.value_and_grad(loss, has_aux=True)(x)
        return *found, gradient

    y, after, gradient = run(x, [v.value for v in variables])
    for variable, value in zip(variables, after, strict=True):
        variable.assign(value)
    return numpy(y), numpy(gradient)


@pytest.mark.skipif(BACKEND != "jax", reason="checkpoints of JAX")
def test_a_state_may_be_an_input_of_what_is_checkpointed():
    import jax

    layer = layers.Dropout(kd.schedules.Linear(0.5, 0.1, steps=4), seed=1)
    x = np.ones((8, 16), "float32")
    layer(x)
    values = [v.value for v in layer.non_trainable_variables]

    def step(again):
        def call(x, values):
            return layer.stateless_call([], values, x, training=True)

        @jax.jit
        def run(x, values):
            def loss(x):
                y, after = (jax.checkpoint(call) if again else call)(x, values)
                return y.sum(), (y, after)

            (_, found), gradient = jax.value_and_grad(loss, has_aux=True)(x)
            return *found, gradient

        return run(x, values)

    y, after, gradient = step(again=True)

    assert np.array_equal(y, gradient)
    for a, b in zip([y, *after], [step(False)[0], *step(False)[1]], strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("way", WAYS[BACKEND])
@pytest.mark.parametrize("row", rows, ids=str)
def test_the_gradient_belongs_to_the_output(row, way):
    layer = row.build(seed=1)
    x = np.random.default_rng(0).uniform(0.5, 1.5, row.shape).astype("float32")
    row.call(layer, x, training=True)
    start = [numpy(v).copy() for v in layer.variables]

    once = step(layer, row, x, "plain")
    after = state(layer)
    for variable, value in zip(layer.variables, start, strict=True):
        variable.assign(value)
    twice = step(layer, row, x, way)

    np.testing.assert_allclose(twice[0], once[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(twice[1], once[1], rtol=1e-5, atol=1e-5)
    for value, other in zip(state(layer), after, strict=True):
        np.testing.assert_array_equal(value, other)


class Block(keras.layers.Layer):
    """A part of a model that is run again if it is told so."""

    def __init__(self, noise, again):
        super().__init__()
        self.dense = keras.layers.Dense(
            8, kernel_initializer=keras.initializers.GlorotUniform(seed=3)
        )
        self.noise, self.again = noise, again

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x, training=False):
        def part(x):
            return self.noise(self.dense(x), training=training)

        return keras.remat(part)(x) if self.again else part(x)


def test_a_fit_that_runs_its_parts_twice_learns_the_same():
    x = np.random.default_rng(0).normal(size=(24, 8)).astype("float32")
    found = []
    for again in (False, True):
        rate = kd.schedules.Linear(0.1, 0.9, steps=8)
        noises = [layers.Dropout(rate, seed=1), layers.GaussianNoise(0.5, seed=2)]
        blocks = [Block(noise, again) for noise in noises]
        model = keras.Sequential([keras.Input((8,)), *blocks])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, x[:, ::-1], batch_size=4, epochs=1, shuffle=False, verbose=0)
        found.append([*model.get_weights(), *state(noises[0]), *state(noises[1])])

    assert int(noises[0].seed_generator.state[1]) == 6
    for first, second in zip(*found, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-6)


SCOPED = {
    "weights": lambda: layers.DropConnect(dense(), 0.4, seed=1),
    "model": lambda: layers.WeightDrop(
        keras.Sequential([dense(), dense()]), 0.4, weights="kernel", seed=1
    ),
    "weights lent": lambda: around(dense()),
    "kernel": lambda: layers.TargetedDropout(dense(), seed=1),
    "recurrent": lambda: layers.Zoneout(keras.layers.SimpleRNNCell(8), 0.4, seed=1),
    "units": lambda: layers.GaussianDropout(0.4, seed=1),
    "loss": lambda: layers.InformationDropout(dense(), seed=1),
    "loss within": lambda: layers.DropConnect(
        dense(activity_regularizer="l2"), 0.4, seed=1
    ),
}


def dense(**options):
    return keras.layers.Dense(8, activation="tanh", **options)


def around(layer):
    """Noise that is made outside of the scope, on the weights of a layer within."""
    with keras.RematScope(mode=None):
        return layers.DropConnect(layer, 0.4, seed=1)


def weights_after_fit(build, mode):
    keras.utils.set_random_seed(3)
    with keras.RematScope(mode=mode):
        layer = build()
    model = keras.Sequential([keras.Input((3, 8)), keras.layers.Dense(8), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.random.default_rng(0).normal(size=(8, 3, 8)).astype("float32")
    y = np.zeros((8, *model.output_shape[1:]))
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("name", SCOPED)
def test_a_layer_made_in_a_scope_of_rematerialisation_learns_the_same(name):
    build = SCOPED[name]

    once, twice = (weights_after_fit(build, mode) for mode in (None, "full"))

    for first, second in zip(once, twice, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="checkpoints of PyTorch")
class TestOnTorch:
    @staticmethod
    def run(function, x, again=True):
        import torch
        from torch.utils.checkpoint import checkpoint

        x = torch.tensor(x, requires_grad=True)
        y = checkpoint(function, x, use_reentrant=False) if again else function(x)
        return x, y

    def test_several_passes_may_wait_for_their_gradients(self):
        layer = layers.Dropout(0.5, seed=1)
        x = np.ones((20, 30), "float32")

        passes = [self.run(lambda v: layer(v, training=True), x) for _ in range(3)]

        for given, y in passes[::-1]:
            y.sum().backward()
            np.testing.assert_array_equal(given.grad, y.detach())
        assert int(layer.seed_generator.state[1]) == 3

    def test_parts_may_be_nested_and_run_back_more_than_once(self):
        layer = layers.Dropout(0.5, seed=1)

        def noisy(x):
            return layer(x, training=True)

        def outer(x):
            return noisy(self.again(noisy, noisy(x) * 2.0) * 3.0)

        for again in (False, True):
            layer.seed_generator.state.assign(np.array([1, 0], "int32"))
            self.again = self.checkpointed if again else lambda f, v: f(v)
            x, y = self.run(outer, np.ones((40, 30), "float32"), again)
            for _ in range(2):
                y.sum().backward(retain_graph=True)
                np.testing.assert_array_equal(x.grad, y.detach())
                x.grad = None
            assert int(layer.seed_generator.state[1]) == 3

    @staticmethod
    def checkpointed(function, x):
        from torch.utils.checkpoint import checkpoint

        return checkpoint(function, x, use_reentrant=False)

    def test_a_part_that_draws_otherwise_the_second_time_is_an_error(self):
        noises = [layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=2)]

        def part(x):
            return noises.pop(0)(x, training=True)

        _, y = self.run(part, np.ones((4, 5), "float32"))

        with pytest.raises(RuntimeError, match="must do what it did at first"):
            y.sum().backward()

    def test_without_a_way_to_ask_for_hooks_all_callers_are_looked_at(
        self, monkeypatch
    ):
        from keras_dropout.random import _torch_replay

        monkeypatch.setattr(_torch_replay, "_hooks", _torch_replay._some_hooks)
        self.test_several_passes_may_wait_for_their_gradients()


@pytest.mark.once
def test_a_log_gives_each_run_what_the_first_one_drew():
    log = replay.Log()
    first = [
        replay.once([(log, None)], "a", iter([value]).__next__) for value in (5, 6)
    ]

    for run in (1, 2):
        assert [replay.once([(log, run)], "a", None) for _ in range(2)] == first
    with pytest.raises(RuntimeError, match="draw 3 of 'a', for 2 in the first run"):
        replay.once([(log, 2)], "a", None)
    with pytest.raises(RuntimeError, match="draw 1 of 'b', for 0 in the first run"):
        replay.once([(log, 2)], "b", None)
