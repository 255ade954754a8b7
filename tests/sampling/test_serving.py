"""What other runtimes get: answers in the model's structure, or a refusal."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_dropout as kd

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
# PyTorch's export holds for one number of rows.
ROWS = 1 if BACKEND == "torch" else 3


class Either(L.Layer):
    """The sum, where the second is there."""

    def call(self, a, b=None):
        return a if b is None else a + b

    def compute_output_spec(self, a, b=None):
        return keras.KerasTensor(a.shape, a.dtype)


class Asked(keras.Model):
    """A model that is called by code of its own."""

    def __init__(self):
        super().__init__()
        self.drop, self.dense = kd.layers.Dropout(0.5, seed=1), L.Dense(2)

    def call(self, inputs, training=None):
        x = self.drop(inputs["a"] + inputs["b"][0], training=training)
        return [self.dense(x), x]


def served(server, folder, **options):
    """The exported and reloaded server, from NumPy arrays to NumPy arrays."""
    if BACKEND == "torch":
        import torch

        path = folder / "served.pt2"
        server.export(path, format="torch", verbose=False, **options)
        call = torch.export.load(path).module()
        convert = torch.from_numpy
    else:
        import tensorflow as tf

        server.export(folder / "served", verbose=False, **options)
        loaded = tf.saved_model.load(str(folder / "served"))
        # The function alone would not keep its variables alive.
        call = lambda x: loaded.serve(x)  # noqa: E731
        convert = tf.convert_to_tensor
    return lambda x: keras.tree.map_structure(
        keras.ops.convert_to_numpy, call(keras.tree.map_structure(convert, x))
    )


def flat(answer):
    """An answer under the names that a SavedModel has for it."""
    found = keras.tree.flatten_with_path(answer)
    return {"_".join(map(str, path)): x for path, x in found}


def alike(answer, expected, samples):
    """The same names and shapes, and means within what the samples scatter."""
    answer, expected = flat(answer), flat(expected)
    assert answer.keys() == expected.keys()
    for name, value in expected.items():
        assert np.shape(answer[name]) == np.shape(value), name
        if name.endswith("mean"):
            # Two means, each of so many samples. A spread is itself estimated.
            error = (2 / samples) ** 0.5 * expected[name.replace("mean", "std")].max()
            assert np.abs(answer[name] - value).max() < 8 * error, name


@pytest.mark.slow
@pytest.mark.newest
def test_inputs_and_outputs_keep_their_structure(tmp_path):
    one, two = keras.Input((4,), name="b"), keras.Input((3,), name="a")
    h = kd.layers.Dropout(0.5, seed=1)(L.Concatenate()([one, two]))
    outputs = {"p": L.Dense(2)(h), "q": [L.Dense(3, activation="softmax")(h)]}
    model = keras.Model({"b": [one], "a": two}, outputs)
    numbers = np.random.default_rng(0)
    x = {
        "b": [numbers.normal(size=(ROWS, 4)).astype("float32")],
        "a": numbers.normal(size=(ROWS, 3)).astype("float32"),
    }
    # What such a server traces must know what was tested of the model.
    server = kd.MonteCarlo(model, 4, masks="stratified", seed=1)

    call = served(server, tmp_path)

    alike(call(x), server.predict(x, verbose=0), 4)


@pytest.mark.slow
@pytest.mark.newest
def test_a_model_with_code_of_its_own_is_exported_from_a_signature(tmp_path):
    x = np.ones((ROWS, 4), "float32")
    x = {"a": x, "b": [x]}
    server = kd.MonteCarlo(Asked(), 4, seed=1)
    server.predict(x, verbose=0)
    if BACKEND != "torch":
        with pytest.raises(ValueError, match="needs an `input_signature`"):
            server.export(tmp_path / "served", verbose=False)
    spec = keras.InputSpec(shape=(ROWS, 4), dtype="float32")

    call = served(server, tmp_path, input_signature=[{"a": spec, "b": [spec]}])

    alike(call(x), server.predict(x, verbose=0), 4)


# `predict` of Keras 3.10 takes no `None`.
@pytest.mark.newest
@pytest.mark.parametrize("names", ["list", "dict"])
def test_an_optional_input_may_be_none(names):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b", optional=True)
    h = Either()(kd.layers.Dropout(0.5)(a), b)
    inputs = [b, a] if names == "list" else {"a": a, "b": b}
    model = keras.Model(inputs, L.Dense(2, kernel_initializer="ones")(h))
    x = np.ones((40, 4), "float32")
    data = [None, x] if names == "list" else {"a": x, "b": None}
    assert (model.predict(data, verbose=0) == 4).all()

    prediction = kd.mc_predict(model, data, 20, batch_size=4, seed=1)
    answer = kd.MonteCarlo(model, 20, seed=1).predict(data, verbose=0)

    # A sum of four that are 0 or 2, each with a variance of 1.
    assert prediction.mean.shape == (40, 2)
    assert abs(prediction.mean[:, 0].mean() - 4) < 5 * 2 / (20 * 40) ** 0.5
    assert abs(answer["mean"][:, 0].mean() - 4) < 5 * 2 / (20 * 40) ** 0.5


@pytest.mark.newest
def test_no_input_at_all_and_a_missing_one_are_refused():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], kd.layers.Dropout(0.5)(a + b))

    with pytest.raises(TypeError, match="Expected arrays"):
        kd.mc_predict(model, [None, None], 4)
    with pytest.raises(ValueError, match="'b' is not optional"):
        kd.mc_predict(model, [np.ones((2, 4), "float32"), None], 4)


def _noisy():
    inputs = keras.Input((4,))
    return keras.Model(inputs, kd.layers.MCDropout(0.5)(L.Dense(3)(inputs)))


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_format_without_random_state_is_refused_by_a_server(format, tmp_path):
    server = kd.MonteCarlo(_noisy(), 4)

    with pytest.raises(ValueError, match="has no random state"):
        server.export(tmp_path / "file", format=format)

    assert not list(tmp_path.iterdir())


@pytest.mark.backend("torch", "tensorflow")
@pytest.mark.newest
def test_a_format_without_random_state_is_refused_where_noise_is_drawn(tmp_path):
    model = _noisy()
    model(np.ones((1, 4), "float32"))
    # Keras needs packages of others for LiteRT on PyTorch and for ONNX elsewhere.
    format = "onnx" if BACKEND == "torch" else "litert"
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(ValueError, match=r"strip_dropout\(model\)"),
    ):
        model.export(tmp_path / "file.tflite", format=format, verbose=False)

    assert not list(tmp_path.iterdir())


def _targeted():
    """Its inference looks for the smallest weights. Some weights are equal."""
    kernel = np.round(np.random.default_rng(0).normal(size=(8, 3)), 1)
    dense = L.Dense(3, kernel_initializer=lambda shape, dtype: kernel)
    layer = kd.layers.TargetedDropout(dense)
    return keras.Sequential([keras.Input((8,)), layer])


@pytest.mark.parametrize("build", [_noisy, _targeted])
@pytest.mark.backend("torch", "tensorflow")
@pytest.mark.newest
def test_a_stripped_model_runs_in_onnxruntime(build, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if BACKEND == "tensorflow":
        pytest.importorskip("tf2onnx")
    model = kd.strip_dropout(build())
    x = np.arange(model.input_shape[1], dtype="float32")[None]
    expected = keras.ops.convert_to_numpy(model(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(tmp_path / "model.onnx", format="onnx", verbose=False)

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (y,) = session.run(None, {session.get_inputs()[0].name: x})

    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", [_noisy, _targeted])
@pytest.mark.backend("tensorflow")
@pytest.mark.newest
def test_a_stripped_model_runs_in_the_interpreter_of_litert(build, tmp_path):
    import tensorflow as tf

    model = kd.strip_dropout(build())
    x = np.arange(model.input_shape[1], dtype="float32")[None]
    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Without TensorFlow's own operations, which phones do not have.
        kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = tf.lite.Interpreter(
            str(tmp_path / "model.tflite"), experimental_op_resolver_type=kind
        )
    run = interpreter.get_signature_runner("serving_default")
    (name,) = run.get_input_details()

    (y,) = run(**{name: x}).values()

    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)
