"""Noise on the weights of wrapped layers, whatever the layer."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import _model, layers
from keras_dropout._layers.weights._weight_noise import call_with, raw
from tests.gradients import slope, weight_gradients

K = keras.layers
BACKEND = keras.backend.backend()


def array(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def _nested():
    inner = keras.Sequential([K.Dense(5, activation="relu"), K.BatchNormalization()])
    return keras.Sequential([inner, layers.Dropout(0.3, seed=3), K.Dense(3)])


# What to wrap, its inputs, and the weights to perturb.
WRAPPED = {
    "dense": (lambda: K.Dense(4, activation="tanh"), floats(6, 5), ("kernel",)),
    "strided": (
        lambda: K.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
        floats(6, 7, 6, 2),
        ("kernel",),
    ),
    "grouped": (lambda: K.Conv2D(4, 3, groups=2), floats(6, 5, 5, 4), ("kernel",)),
    "depthwise": (lambda: K.DepthwiseConv2D(3), floats(6, 5, 5, 2), ("kernel",)),
    "embedding": (
        lambda: K.Embedding(7, 4),
        np.arange(12).reshape(6, 2) % 7,
        ("embeddings",),
    ),
    "lstm": (
        lambda: K.LSTM(4, return_sequences=True),
        floats(6, 5, 3),
        ("recurrent_kernel",),
    ),
    "gru": (lambda: K.GRU(4), floats(6, 5, 3), ("kernel", "recurrent_kernel")),
    "nested": (_nested, floats(6, 5), ("kernel",)),
    "tied": (
        lambda: K.Dense(
            4,
            kernel_constraint=keras.constraints.NonNeg(),
            kernel_regularizer=keras.regularizers.L2(0.5),
            activity_regularizer=keras.regularizers.L2(0.1),
        ),
        floats(6, 5),
        ("kernel",),
    ),
}
WRAPPERS = [layers.DropConnect, layers.WeightDrop, layers.Mixout]


@pytest.fixture(params=WRAPPED)
def case(request):
    build, x, names = WRAPPED[request.param]
    layer = build()
    layer.build(x.shape)
    return layer, x, names


def wrapped(wrapper, case, rate=0.5, **kwargs):
    layer, x, names = case
    noisy = wrapper(layer, rate, weights=names, seed=1, **kwargs)
    noisy.build(x.shape)
    if wrapper is layers.Mixout:
        # From an anchor of its own, so that the mixture shows.
        for anchor in noisy.anchors:
            anchor.assign(0.5 * ops.convert_to_tensor(anchor) + 0.1)
    return noisy


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_inference_is_the_bare_layers_bit_for_bit(wrapper, case):
    layer, x, _ = case
    noisy = wrapped(wrapper, case)

    assert np.array_equal(array(noisy(x)), array(layer(x)))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_training_is_noisy_and_leaves_the_raw_weights_alone(wrapper, case):
    layer, x, _ = case
    noisy = wrapped(wrapper, case)
    before = [array(v).copy() for v in layer.trainable_variables]

    first, second = noisy(x, training=True), noisy(x, training=True)

    assert not np.array_equal(array(first), array(second))
    for old, new in zip(before, layer.trainable_variables, strict=True):
        assert np.array_equal(old, array(new))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_at_rate_zero_training_is_the_bare_layers_bit_for_bit(wrapper, case):
    layer, x, _ = case
    noisy = wrapped(wrapper, case, rate=0.0)
    generators = _model.seed_generators(layer)
    starts = [array(g.state).copy() for g in generators]

    plain = layer(x, training=True)
    for generator, start in zip(generators, starts, strict=True):
        generator.state.assign(start)

    assert np.array_equal(array(noisy(x, training=True)), array(plain))


@pytest.mark.parametrize("wrapper", [layers.DropConnect, layers.WeightDrop])
def test_weights_are_counted_once(wrapper, case):
    layer, _, _ = case
    noisy = wrapped(wrapper, case)

    assert [id(v) for v in noisy.weights] == [id(v) for v in layer.weights]
    assert noisy.count_params() == layer.count_params()


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_gradients_are_those_of_finite_differences(wrapper, case):
    layer, x, _ = case
    noisy = wrapped(wrapper, case)
    # The same noise each time, and statistics that do not move.
    state = [(v, array(v).copy()) for v in noisy.non_trainable_variables]
    shape = noisy(x, training=True).shape
    target = np.random.default_rng(1).normal(size=tuple(shape)).astype("float32")

    def loss():
        for variable, value in state:
            variable.assign(value)
        return ops.sum(noisy(x, training=True) * ops.convert_to_tensor(target))

    variables = layer.trainable_variables
    gradients = weight_gradients(loss, variables)

    assert any(np.any(gradient != 0) for gradient in gradients)
    for variable, gradient in zip(variables, gradients, strict=True):
        direction = np.sign(gradient).astype("float32") / gradient.size**0.5
        exact = np.sum(gradient * direction)
        # Second order in the step, and the rounding of float32 over the step.
        assert slope(loss, variable, direction, 2e-3) == pytest.approx(
            exact, rel=2e-2, abs=2e-2
        )


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_regularisers_count_once_and_on_raw_weights(wrapper):
    build, x, names = WRAPPED["tied"]
    layer = build()
    noisy = wrapper(layer, 0.5, weights=names, seed=1)

    bare = layer(x)
    weight = 0.5 * np.sum(array(layer.kernel) ** 2)
    # What Keras makes of the activity has changed with its version.
    share = float(array(layer.losses[0])) / np.sum(array(bare) ** 2)

    y = array(noisy(x, training=True))

    activity = share * np.sum(y**2)
    assert sorted(float(array(loss)) for loss in noisy.losses) == pytest.approx(
        sorted([weight, activity]), rel=1e-5
    )


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_regularisers_and_constraints_act_in_fit(wrapper):
    build, x, names = WRAPPED["tied"]
    noisy = wrapper(build(), 0.5, weights=names, seed=1)
    model = keras.Sequential([keras.Input(x.shape[1:]), noisy])
    model.compile(keras.optimizers.SGD(0.0), lambda y, p: 0.0 * ops.mean(p, axis=-1))
    kernel = array(noisy.layer.kernel).copy()

    history = model.fit(x, floats(6, 4), batch_size=6, verbose=0)
    clipped = np.maximum(kernel, 0.0)

    # The loss of the one step was that of the raw weights before it.
    assert history.history["loss"][0] > 0.5 * np.sum(kernel**2) * 0.999
    assert np.array_equal(array(noisy.layer.kernel), clipped)


def test_state_within_the_wrapped_layer_is_kept():
    layer, x = _nested(), floats(6, 5)
    noisy = layers.DropConnect(layer, 0.5, seed=1)
    noisy.build(x.shape)
    frozen = {v.path: array(v).copy() for v in layer.non_trainable_variables}

    noisy(x, training=True)

    moved = {
        v.path.rpartition("/")[-1]
        for v in layer.non_trainable_variables
        if not np.array_equal(array(v), frozen[v.path])
    }
    assert {"moving_mean", "moving_variance"} <= moved
    assert any("seed" in name for name in moved)


def test_a_layer_that_assigns_its_own_weights_leaves_the_raw_ones_alone():
    class Halving(K.Dense):
        def call(self, inputs, training=None):
            self.kernel.assign(0.5 * self.kernel)
            return super().call(inputs)

    noisy = layers.DropConnect(Halving(4), 0.0, seed=1)
    noisy.build((None, 5))
    kernel = array(noisy.layer.kernel).copy()

    y = array(noisy(np.eye(5, dtype="float32"), training=True))

    assert np.array_equal(y, 0.5 * kernel)
    assert np.array_equal(array(noisy.layer.kernel), kernel)


def test_stateful_recurrent_layer_carries_its_state_on():
    layer = K.LSTM(3, stateful=True)
    noisy = layers.WeightDrop(layer, 0.5, seed=1)
    x = floats(2, 4, 3)

    noisy(x, training=True)

    assert all(np.any(array(state) != 0) for state in layer.states)


def test_trains_evaluates_and_trains_again():
    """The reference loses the raw weights at this."""
    noisy = layers.WeightDrop(K.LSTM(4), 0.5, seed=1)
    model = keras.Sequential([keras.Input((5, 3)), noisy, K.Dense(1)])
    model.compile("adam", "mse")
    x, y = floats(8, 5, 3), floats(8, 1)
    kernel = noisy.layer.cell.recurrent_kernel
    seen = [array(kernel).copy()]

    for _ in range(2):
        model.fit(x, y, epochs=2, verbose=0)
        seen.append(array(kernel).copy())
        first, second = (model.evaluate(x, y, verbose=0) for _ in range(2))
        assert first == second
        assert np.array_equal(array(kernel), seen[-1])

    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])


def test_masks_and_initial_states_pass_through():
    layer = K.LSTM(4, return_sequences=True, return_state=True)
    noisy = layers.WeightDrop(layer, 0.5, seed=1)
    x, start = floats(2, 5, 3), [floats(2, 4), floats(2, 4)]
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], "bool")

    outputs = noisy(x, mask=mask, initial_state=start)

    for ours, bare in zip(outputs, layer(x, mask=mask, initial_state=start)):  # noqa: B905
        assert np.array_equal(array(ours), array(bare))
    inputs = keras.Input((None,), dtype="int32")
    embedding = layers.DropConnect(
        K.Embedding(7, 3, mask_zero=True), 0.5, weights="embeddings"
    )
    model = keras.Model(inputs, layers.WeightDrop(K.GRU(4), 0.5)(embedding(inputs)))
    padded = np.array([[1, 2, 0, 0], [1, 2, 3, 4]])
    short = array(model(padded[:1, :2]))
    assert array(model(padded))[:1] == pytest.approx(short, abs=1e-6)


def test_mixed_precision_draws_and_keeps_weights_in_float32():
    layer = K.Dense(4, dtype="mixed_float16")
    noisy = layers.DropConnect(layer, 0.3, seed=1)
    noisy.build((None, 5))
    third = np.float32(1 / 3)
    layer.kernel.assign(np.full((5, 4), third))
    seen = []

    class Spy(layers.DropConnect):
        def perturb_weight(self, variable, value):
            value = super().perturb_weight(variable, value)
            seen.append(array(value))
            return value

    y = Spy(layer, 0.3, seed=1)(np.ones((2, 5), "float32"), training=True)

    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert seen[0].dtype == np.float32
    assert np.max(seen[0]) == pytest.approx(third / 0.7, rel=1e-4)
    assert np.array_equal(array(raw(layer.kernel)), np.full((5, 4), third))


def test_call_with_returns_what_the_values_give():
    layer = K.Dense(2, use_bias=False)
    layer.build((None, 2))

    y, losses = call_with(layer, [(layer.kernel, ops.eye(2))], ops.ones((1, 2)))

    assert array(y).tolist() == [[1.0, 1.0]]
    assert losses == []


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_refuses_names_that_no_weight_has(wrapper):
    noisy = wrapper(K.Embedding(7, 3), 0.5, weights=("kernel",))

    with pytest.raises(ValueError, match=r"weights of 'embedding.*': 'embeddings'"):
        noisy.build((None, 2))


def test_refuses_weights_of_integers():
    """They have no noise to scale."""

    class Counting(K.Dense):
        def build(self, shape):
            self.add_weight(shape=(), dtype="int32", name="count", trainable=False)
            super().build(shape)

    noisy = layers.DropConnect(Counting(3), 0.5, weights=("count",))

    with pytest.raises(ValueError, match=r"float weights of 'counting.*': 'bias'"):
        noisy.build((None, 2))


def test_refuses_to_be_noisy_on_weights_that_were_quantized_before():
    inner = K.Dense(3, dtype="mixed_bfloat16")
    inner.build((None, 2))
    inner.quantize("int8")
    noisy = layers.DropConnect(inner, 0.5)
    x = np.ones((1, 2), "float32")

    assert noisy.dtype_policy.name == "mixed_bfloat16"
    assert np.array_equal(array(noisy(x)), array(inner(x)))
    with pytest.raises(ValueError, match=r"those of 'dense.*' are quantized"):
        noisy(x, training=True)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("bad", [3, None, ("kernel", 1)])
def test_refuses_weights_that_are_no_names(wrapper, bad):
    with pytest.raises(TypeError, match=r"`weights`.*names of weights"):
        wrapper(K.Dense(3), 0.5, weights=bad)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_refuses_what_is_no_layer(wrapper):
    with pytest.raises(TypeError, match=r"`layer`.*Expected a Keras layer"):
        wrapper("dense", 0.5)
