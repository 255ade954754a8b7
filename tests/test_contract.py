"""What every layer keeps, whatever it does."""

import functools
import inspect
import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout._layers._base import direct_call
from keras_dropout._layers._families import family_of
from tests.catalogue import ROWS, every_layer

BACKEND = keras.backend.backend()
HALF = ["float32", "mixed_float16", "mixed_bfloat16"]


def array(x):
    """A NumPy array of float32 for any float tensor, as it is for others."""
    x = keras.tree.map_structure(ops.convert_to_tensor, x)
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        x = ops.cast(x, "float32")
    return ops.convert_to_numpy(x)


def state(layer):
    return [ops.convert_to_numpy(v).copy() for v in layer.variables]


def same(a, b):
    return np.array_equal(array(a), array(b), equal_nan=True)


def test_catalogue_has_every_public_layer():
    noise = {
        name
        for name in kd.layers.__all__
        # One decision a call cannot differ from call to call for sure.
        if name not in ("NoiseLayer", "LayerDrop")
        and issubclass(getattr(kd.layers, name), kd.layers.NoiseLayer)
    }

    assert noise <= {row.name for row in ROWS}


@pytest.mark.everywhere
@every_layer
def test_inference_draws_nothing_and_is_deterministic(row):
    layer = row.build(seed=1, monte_carlo=False)
    x = row.batch()
    row.call(layer, x, training=False)
    before = state(layer)

    first, second = row.call(layer, x, training=False), row.call(layer, x)

    assert same(first, second)
    for old, new in zip(before, state(layer), strict=True):
        assert np.array_equal(old, new)


@every_layer(identity=True)
@pytest.mark.parametrize("dtype", HALF)
def test_inference_is_the_bit_exact_identity(row, dtype):
    layer = row.build(seed=1, dtype=dtype, monte_carlo=False)
    x = ops.cast(row.batch(), layer.compute_dtype)

    y = row.call(layer, x, training=False)

    assert same(x, y)


@functools.cache
def drawn(row):
    """Three draws of each of some seeds: numbers by seed, and what replays one."""
    x = row.batch()
    draws = {}
    for seed in (0, 1, 2, 3, 2**31 - 1):
        layer = row.build(seed=seed)
        first = array(row.call(layer, x, training=True))
        before = state(layer)
        others = [array(row.call(layer, x, training=True)) for _ in range(2)]
        draws[seed] = [first, *others]
    return draws, layer, before


@pytest.mark.everywhere
@every_layer(draws=True)
def test_draws_anew_on_each_call_and_for_each_seed(row):
    """Also not shifted by a call, as seeds that are added to a counter would."""
    draws, _, _ = drawn(row)

    for a, b in itertools.combinations(itertools.chain(*draws.values()), 2):
        assert not np.array_equal(a, b)


@pytest.mark.everywhere
@every_layer
def test_same_seed_gives_the_same_noise(row):
    draws, _, _ = drawn(row)
    layer = row.build(seed=1)

    for expected in draws[1][:2]:
        assert same(row.call(layer, row.batch(), training=True), expected)


@pytest.mark.everywhere
@every_layer(draws=True)
def test_state_replays(row):
    draws, layer, before = drawn(row)

    for variable, value in zip(layer.variables, before, strict=True):
        variable.assign(value)

    for expected in draws[2**31 - 1][1:]:
        assert same(row.call(layer, row.batch(), training=True), expected)


@every_layer(draws=True)
def test_layers_without_a_seed_differ(row):
    x = row.batch()

    assert not same(
        row.call(row.build(), x, training=True), row.call(row.build(), x, training=True)
    )


@pytest.mark.everywhere
@every_layer(draws=True)
def test_monte_carlo_layer_is_noisy_at_inference(row):
    layer = row.build(seed=1, monte_carlo=True)
    x = row.batch()

    assert not same(
        row.call(layer, x, training=False), row.call(layer, x, training=False)
    )
    assert not same(row.call(layer, x), row.call(layer, x))


@pytest.mark.keras
@every_layer
@pytest.mark.parametrize("dtype", HALF)
def test_keeps_the_compute_dtype(row, dtype):
    layer = row.build(seed=1, dtype=dtype)
    x = row.batch()

    for training in (True, False):
        y = traced(row, layer, x, training)
        expected = str(x.dtype) if row.integers else layer.compute_dtype
        assert keras.backend.standardize_dtype(y.dtype) == expected


def traced(row, layer, x, training):
    """The result of a call; on JAX its trace, because each dtype needs a recompile."""
    if BACKEND != "jax":
        return row.call(layer, x, training=training)
    import jax

    def stateless(x):
        with keras.StatelessScope():
            return row.call(layer, x, training=training)

    # Builds the layer, outside of the trace.
    row.call(layer, keras.Input(row.shape[1:], dtype=str(x.dtype)))
    return jax.eval_shape(stateless, x)


@pytest.mark.backend("jax")
@every_layer
def test_keeps_no_tracer(row):
    import jax

    layer = row.build(seed=1)

    with jax.checking_leaks():
        traced(row, layer, row.batch(), True)


@every_layer(weights=False)
def test_has_no_weights(row):
    layer = row.build(seed=1)
    row.call(layer, row.batch(), training=True)

    assert layer.weights == []
    assert layer.trainable_variables == []


@every_layer
def test_config_round_trip_keeps_everything(row):
    layer = row.build(
        seed=3, monte_carlo=True, name="noise", dtype="mixed_float16", trainable=False
    )

    config = layer.get_config()
    again = type(layer).from_config(config)
    serialised = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )

    for other in (again, serialised):
        assert other.get_config() == config
        assert other.name == "noise"
        assert other.trainable is False
        assert other.monte_carlo is True
        assert other.dtype_policy.name == "mixed_float16"


@every_layer
def test_config_holds_every_argument(row):
    arguments = set()
    for cls in type(row.build()).__mro__:
        if cls.__module__.startswith("keras."):
            break
        arguments |= set(inspect.signature(cls.__init__).parameters)

    # `cell`: made of the other arguments, or a part of them.
    own = arguments - {"self", "kwargs", "args", "cell"}
    assert own <= set(row.build().get_config())


@pytest.mark.everywhere
@every_layer(live=True)
def test_live_value_acts_from_the_next_call_on(row):
    layer = row.build(seed=1)
    x = row.batch()
    setattr(layer, row.live, 0.0)

    still = [row.call(layer, x, training=True) for _ in range(2)]
    setattr(layer, row.live, 0.5)
    noisy = [row.call(layer, x, training=True) for _ in range(2)]

    assert same(*still)
    assert not same(*noisy)
    assert getattr(layer, row.live) == 0.5
    assert layer.get_config()[row.live] == 0.5


@every_layer(live=True)
@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), 1.1])
def test_live_value_refuses_bad_numbers(row, bad):
    layer = row.build()
    if row.live in ("stddev", "beta") and bad == 1.1:
        setattr(layer, row.live, bad)
        return

    with pytest.raises(ValueError, match=f"`{row.live}`.*Received: {row.live}="):
        setattr(layer, row.live, bad)


@every_layer(live=True)
@pytest.mark.parametrize("bad", [True, "0.5", None, [0.5]])
def test_live_value_refuses_what_is_no_number(row, bad):
    with pytest.raises(TypeError, match=f"`{row.live}`.*Received: {row.live}="):
        setattr(row.build(), row.live, bad)


@every_layer(zeroes=True)
@pytest.mark.parametrize(
    "dtype", [pytest.param(HALF[0], marks=pytest.mark.everywhere), *HALF[1:]]
)
def test_a_dropped_unit_hides_nan_and_inf(row, dtype):
    """Forward and backward: whatever was dropped is 0, and so is its gradient."""
    x = row.batch()
    keep = array(row.call(row.build(seed=1, dtype=dtype), x, training=True)) != 0
    poison = np.resize([np.nan, np.inf, -np.inf], x.shape)
    poisoned = np.where(keep, x, poison).astype("float32")
    layer = row.build(seed=1, dtype=dtype)

    y, gradient = value_and_gradient(layer, poisoned)

    assert np.all(np.isfinite(y))
    assert np.all(y[~keep] == 0)
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[~keep] == 0)


def value_and_gradient(layer, x):
    """The noisy output for `x`, and the gradient of its sum."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y)
        return array(y), array(tape.gradient(loss, x))
    if BACKEND == "torch":
        import torch

        x = torch.tensor(x, requires_grad=True)
        y = layer(x, training=True)
        y.sum().backward()
        return array(y.detach()), array(x.grad)
    import jax

    def loss(x):
        # The key is read and advanced within the scope, not in the real state.
        with keras.StatelessScope():
            y = layer(x, training=True)
        return y.astype("float32").sum(), y

    (_, y), gradient = jax.value_and_grad(loss, has_aux=True)(jax.numpy.asarray(x))
    return array(y), array(gradient)


def in_groups(size=12):
    """The rows that train, in groups with one batch size: compiled, a model each.

    XLA takes seconds for each layer on TensorFlow, so it gets one row of a family, and
    for a release one of each class.
    """
    train = [row for row in ROWS if row.trains]
    several = [(train, "auto", ())]
    if BACKEND == "tensorflow":
        classes = {row.name: row for row in reversed(train)}
        few = {family_of(getattr(kd.layers, n)): row for n, row in classes.items()}
        rest = [row for row in classes.values() if row not in few.values()]
        release = pytest.mark.slow, pytest.mark.release
        several = [
            (train, False, ()),
            (few.values(), True, pytest.mark.slow),
            (rest, True, release),
        ]
    for number, (every, jit, marks) in enumerate(several):
        groups = {}
        for row in every:
            groups.setdefault(row.shape[0], []).append(row)
        for batch, rows in groups.items():
            for i in range(0, len(rows), size):
                name = f"{number}-{jit}-{batch}-{i}"
                yield pytest.param(rows[i : i + size], jit, id=name, marks=marks)


@pytest.mark.everywhere
@pytest.mark.keras
@pytest.mark.parametrize(("rows", "jit"), in_groups())
def test_fits_compiled_with_a_fresh_mask_each_step(rows, jit):
    layers = [row.build(seed=1) for row in rows]
    branches = [_model(row, layer) for row, layer in zip(rows, layers, strict=True)]
    inputs = [branch.input for branch in branches]
    outputs = keras.layers.Add()([branch.output for branch in branches])
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=jit)
    x, y = [row.batch() for row in rows], np.zeros((rows[0].shape[0], 1), "float32")
    before = [counter(layer) for layer in layers]

    model.fit(x, y, epochs=2, batch_size=len(y) // 2, verbose=0)

    # Four steps, four draws or more: the counter counts in compiled steps.
    for row, layer, start in zip(rows, layers, before, strict=True):
        assert counter(layer) >= start + 4 * row.draws, row


def counter(layer):
    """How many keys a layer has drawn with."""
    return int(array(layer.seed_generator.state)[1])


def _model(row, layer):
    inputs = keras.Input(row.shape[1:], dtype=str(row.batch().dtype))
    x = keras.layers.Flatten()(row.call(layer, inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


@every_layer
def test_symbolic_call_keeps_the_output_shape(row):
    layer = row.build()
    x = row.batch()
    symbolic = row.call(layer, keras.Input(row.shape[1:], dtype=str(x.dtype)))

    y = row.call(layer, x)

    assert len(symbolic.shape) == len(y.shape)
    for known, size in zip(symbolic.shape[1:], y.shape[1:], strict=True):
        assert known in (size, None if row.open else size)
    assert symbolic.shape[0] is None


@every_layer
def test_passes_the_keras_mask_on(row):
    layer = row.build()

    assert layer.supports_masking


@every_layer(trains=True)
def test_survives_keras_and_weights_files(row, tmp_path):
    """The next mask after loading is the one that the saved run would have drawn."""
    model = _model(row, row.build(seed=1))
    x = row.batch()
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    expected = array(model(x, training=True))

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    refilled = _model(row, row.build(seed=2))
    refilled.load_weights(tmp_path / "model.weights.h5")

    for other in (loaded, refilled):
        assert np.array_equal(array(other(x, training=True)), expected)


def test_keras_is_passed_by_only_where_layers_are_called_anew():
    anew = direct_call._CALLED_ANEW

    assert anew == (BACKEND == "torch")
