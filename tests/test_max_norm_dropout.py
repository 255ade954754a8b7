"""The wrapper: a layer as it is, a limit that stays, and dropout on either side."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.constraints.max_norm import rounding

MaxNormDropout = kd.layers.MaxNormDropout


def largest_norm(kernel):
    kernel = ops.convert_to_numpy(kernel).astype("float64")
    return np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0).max()


def small_model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            MaxNormDropout(keras.layers.Conv2D(4, 3), rate=0.2, max_value=0.5),
            keras.layers.Flatten(),
            MaxNormDropout(keras.layers.Dense(3), rate=0.5, max_value=0.5),
        ]
    )


def train(model, learning_rate=10.0, **kwargs):
    model.compile(keras.optimizers.SGD(learning_rate), "mae", **kwargs)
    random = np.random.default_rng(0)
    x = random.normal(size=(32, 6, 6, 2)).astype("float32")
    model.fit(x, 100 * random.normal(size=(32, 3)), epochs=2, verbose=0)


def assert_at_the_limit(model, limit=0.5):
    for layer in (model.layers[0], model.layers[2]):
        kernel = layer.layer.kernel
        count = np.prod(kernel.shape[:-1])
        bound = limit * rounding("float32", count)
        assert abs(largest_norm(kernel) - limit) <= bound


def test_keeps_the_limit_in_training():
    model = small_model()

    train(model)

    assert_at_the_limit(model)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="jit_compile is not XLA")
def test_keeps_the_limit_under_xla():
    model = small_model()

    train(model, jit_compile=True)

    assert_at_the_limit(model)


def test_keeps_the_limit_after_reload_and_another_compile(tmp_path):
    model = small_model()
    model.save(tmp_path / "model.keras")

    model = keras.saving.load_model(tmp_path / "model.keras")
    train(model)

    assert_at_the_limit(model)


def test_computes_the_same_after_reload(tmp_path):
    model = small_model()
    train(model)
    x = np.random.default_rng(1).normal(size=(5, 6, 6, 2))
    model.save(tmp_path / "model.keras")

    copy = keras.saving.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(
        copy.predict(x, verbose=0), model.predict(x, verbose=0)
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_keeps_the_limit_in_lower_precision(policy):
    dense = keras.layers.Dense(4, dtype=policy)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            MaxNormDropout(dense, rate=0.0, max_value=1.0, dtype=policy),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), "mae")

    model.fit(np.ones((8, 16)), np.full((8, 4), 100.0), epochs=8, verbose=0)

    norm = largest_norm(ops.cast(dense.kernel, "float32"))
    dtype = keras.backend.standardize_dtype(dense.kernel.dtype)
    assert abs(norm - 1.0) <= rounding(dtype, 16)


def test_drops_units_of_the_output():
    dense = keras.layers.Dense(64, kernel_initializer="ones")
    layer = MaxNormDropout(dense, rate=0.5, max_value=3.0, seed=0)

    y = ops.convert_to_numpy(layer(np.ones((64, 2), "float32"), training=True))

    assert sorted(set(y.ravel().tolist())) == [0.0, 4.0]


def test_drops_units_of_the_input_before():
    dense = keras.layers.Dense(64, kernel_initializer="ones")
    layer = MaxNormDropout(dense, rate=0.5, position="before", seed=0)

    y = ops.convert_to_numpy(layer(np.ones((64, 2), "float32"), training=True))

    assert sorted(set(y.ravel().tolist())) == [0.0, 2.0, 4.0]
    assert np.all(y == y[:, :1])


@pytest.mark.parametrize("position", ["after", "before"])
def test_is_the_wrapped_layer_at_inference(position):
    dense = keras.layers.Dense(4)
    layer = MaxNormDropout(dense, rate=0.5, position=position)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")

    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(dense(x))
    )


@pytest.mark.parametrize("position", ["after", "before"])
def test_passes_masks_on(position):
    inputs = keras.Input((None,))
    x = keras.layers.Embedding(7, 4, mask_zero=True)(inputs)
    x = MaxNormDropout(keras.layers.LSTM(3), rate=0.5, position=position)(x)
    model = keras.Model(inputs, x)

    long = model.predict(np.array([[1, 2, 0, 0, 0]]), verbose=0)
    longer = model.predict(np.array([[1, 2, 0, 0, 0, 0, 0, 0]]), verbose=0)

    np.testing.assert_array_equal(long, longer)


def test_drops_only_from_the_first_of_several_outputs():
    lstm = keras.layers.LSTM(64, return_state=True)
    layer = MaxNormDropout(lstm, rate=1.0)

    y, h, c = layer(np.ones((2, 3, 4), "float32"), training=True)

    assert np.all(ops.convert_to_numpy(y) == 0)
    assert np.all(ops.convert_to_numpy(h) != 0)
    assert np.all(ops.convert_to_numpy(c) != 0)


def test_wraps_a_layer_of_several_inputs():
    inputs = keras.Input((5, 8))
    attention = keras.layers.MultiHeadAttention(2, 4)
    model = keras.Model(
        inputs, MaxNormDropout(attention, max_value=0.1)(inputs, inputs)
    )
    model.compile(keras.optimizers.SGD(1.0), "mae")

    model.fit(np.ones((4, 5, 8)), np.ones((4, 5, 8)), verbose=0)

    kernel = ops.convert_to_numpy(attention.output_dense.kernel)
    norms = np.linalg.norm(kernel.reshape(8, 8).astype("float64"), axis=0)
    assert norms.max() <= 0.1 * (1 + rounding("float32", 8))


def test_wraps_the_layer_that_is_given():
    dense = keras.layers.Dense(4)
    dense.build((None, 3))
    kernel = ops.convert_to_numpy(dense.kernel)

    layer = MaxNormDropout(dense)
    layer.build((None, 3))

    assert layer.layer is dense
    np.testing.assert_array_equal(ops.convert_to_numpy(dense.kernel), kernel)


def test_sharing_a_layer_does_not_limit_it_twice():
    dense = keras.layers.Dense(4)

    first, second = MaxNormDropout(dense), MaxNormDropout(dense, position="before")
    second(first(np.ones((2, 4), "float32")))

    assert dense.kernel.constraint.max_value == 3.0


def test_refuses_a_layer_that_has_another_limit():
    dense = keras.layers.Dense(4)
    MaxNormDropout(dense, max_value=2.0)

    with pytest.raises(ValueError, match=r"another limit already: \[2.0\]"):
        MaxNormDropout(dense, max_value=3.0)


def test_refuses_a_layer_that_has_another_constraint():
    with pytest.raises(ValueError, match="another constraint"):
        MaxNormDropout(keras.layers.Dense(4, kernel_constraint="non_neg"))


def test_refuses_what_is_no_layer():
    with pytest.raises(TypeError, match="layer"):
        MaxNormDropout(0.5)


@pytest.mark.parametrize(
    ("name", "value"), [("max_value", 0.0), ("rate", 1.5), ("position", "around")]
)
def test_refuses_bad_values(name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        MaxNormDropout(keras.layers.Dense(4), **{name: value})


def test_comes_back_from_its_configuration():
    layer = MaxNormDropout(
        keras.layers.Dense(4, name="wrapped"),
        rate=0.25,
        max_value=2.0,
        position="before",
        noise_shape=(None, 1),
        seed=3,
        monte_carlo=True,
        name="limited",
        dtype="mixed_bfloat16",
        trainable=False,
    )

    copy = MaxNormDropout.from_config(layer.get_config())

    assert copy.get_config() == layer.get_config()
    assert copy.layer.name == "wrapped"
