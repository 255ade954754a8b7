"""Each private name of Keras that the package uses is there, or is done without."""

import importlib
import importlib.resources
import importlib.util
import pkgutil

import keras
import numpy as np
import pytest

from keras_dropout import _keras
from keras_dropout._keras import turning

pytestmark = pytest.mark.keras

LAYER = (
    "_flatten_layers",
    "_build_at_init",
    "_call_has_training_arg",
    "_called",
    "_inbound_nodes",
    "_outbound_nodes",
    "_path",
    "_remat_mode",
    "_tracker",
    "_post_track_variable",
    "_layers",
    "_trainable_variables",
    "_non_trainable_variables",
)
GRAPH = ("_nodes_by_depth", "_standardize_inputs", "_inputs_struct", "_outputs_struct")
MODULES = [
    ("keras.src.backend.common.global_state", "get_global_attribute"),
    ("keras.src.backend", "AutocastScope"),
    ("keras.src.backend.common.stateless_scope", "in_stateless_scope"),
    ("keras.src.backend.common.stateless_scope", "get_stateless_scope"),
    ("keras.src.backend.common.masking", "get_keras_mask"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.layers.rnn.conv_lstm", "ConvLSTMCell"),
]


def _model():
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


@pytest.mark.parametrize("name", LAYER)
def test_layers_have(name):
    assert hasattr(_model().layers[1], name)


@pytest.mark.parametrize("name", GRAPH)
def test_graphs_have(name):
    assert isinstance(_model(), _keras.Functional)
    assert hasattr(_model(), name)


@pytest.mark.parametrize(("module", "name"), MODULES)
def test_modules_have(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_an_error_names_the_file_that_is_loaded(tmp_path):
    class Told(keras.layers.Layer):
        def load_own_variables(self, store):
            self.file = _keras.file_of(store)

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), Told()])
    for name in ("model.keras", "model.weights.h5"):
        path = tmp_path / name
        (model.save if name.endswith("keras") else model.save_weights)(path)
        model.load_weights(path)
        assert model.layers[-1].file == str(path)
    assert _keras.file_of({}) is None


def test_layers_note_the_arguments_of_their_call():
    layer = keras.layers.Embedding(3, 2)

    noted = turning._arguments_of_call(type(layer))

    assert {"_call_signature", "_call_has_training_arg"} <= set(noted)
    assert set(noted) <= set(vars(layer))


def test_a_convolution_computes_with_another_kernel():
    layer = keras.layers.Conv1D(2, 1)
    layer.build((None, 4, 3))

    y = _keras.convolved(
        layer, *(np.ones(s, "float32") for s in ((1, 4, 3), (1, 3, 5)))
    )

    assert tuple(y.shape) == (1, 4, 5)
    np.testing.assert_allclose(y, 3.0)


def test_other_objects_have_theirs():
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    assert isinstance(sequential._functional, _keras.Functional)
    assert sequential.outputs[0]._keras_history.operation is sequential.layers[-1]
    assert hasattr(keras.random.SeedGenerator(1), "_initial_seed")
    assert hasattr(keras.layers.LSTMCell(1), _keras.CREATE_MASK)
    assert hasattr(keras.Variable(np.zeros(2)), "_value")
    assert hasattr(keras.Variable(np.zeros(2)), "_initializer")
    assert hasattr(keras.optimizers.SGD(), "_iterations")
    assert keras.metrics.MeanSquaredError()._direction == "down"
    assert hasattr(_model(), "_dtype_policy")
    assert hasattr(_model().layers[1]._tracker, "unlock")
    assert hasattr(keras.layers.MultiHeadAttention(1, 2), "_compute_attention")
    assert hasattr(keras.layers.MultiHeadAttention(1, 2), "_kernel_constraint")


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's trainer")
@pytest.mark.parametrize(
    "name", ["_get_jax_state", "_jax_state_synced", "jax_state_sync"]
)
def test_trainers_on_jax_have(name):
    assert hasattr(_model(), name)


@pytest.mark.parametrize(("module", "name"), MODULES)
def test_a_name_that_is_gone_does_not_break_the_import(module, name, monkeypatch):
    model, without = _model(), {}
    monkeypatch.delattr(importlib.import_module(module), name)

    for part in pkgutil.iter_modules(_keras.__path__, f"{_keras.__name__}."):
        spec = importlib.util.find_spec(part.name)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        without.update(vars(loaded))

    assert set(_keras.__all__) <= set(without)
    assert without["flatten_layers"](model)


def test_a_layer_turns_into_another_in_its_graph():
    model = _model()
    layer = model.layers[1]
    new = keras.layers.Identity(name="new")

    _keras.turn_into(layer, new)

    assert type(model.layers[1]) is keras.layers.Identity
    assert model.outputs[0]._keras_history.operation is layer
    assert layer._inbound_nodes


def test_a_built_layer_is_given_a_layer_and_stays_locked():
    layer = _model().layers[1]

    _keras.give(layer, "spare", keras.layers.Dropout(0.5))

    assert layer.spare in _keras.flatten_layers(layer)
    with pytest.raises(ValueError, match="already built"):
        layer.another = keras.layers.Dropout(0.5)


def test_keras_draws_by_the_functions_that_are_known():
    public = {name for name in dir(keras.random) if name.islower() and name[0] != "_"}

    assert public == set(_keras.RANDOM_FUNCTIONS)
    assert all(hasattr(_keras.random_functions(), name) for name in public)


def test_without_the_walk_the_error_says_so():
    with pytest.raises(_keras.PrivateNameError, match="_flatten_layers"):
        _keras.flatten_layers(object())


def test_only_one_folder_imports_private_names():
    package = importlib.resources.files("keras_dropout")
    paths = [path for path in package.rglob("*.py") if path.parent.name != "_keras"]

    assert not [path for path in paths if "keras.src" in path.read_text()]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (keras.ops.softmax, "Softmax"),
        (keras.ops.sigmoid, "Sigmoid"),
        (lambda x: keras.ops.cast(x, "float16"), "Cast"),
        (lambda x: keras.ops.reshape(x, (-1, 3, 2)), "Reshape"),
        (lambda x: keras.ops.transpose(x, (0, 2, 1)), "Transpose"),
    ],
)
def test_operations_have_their_names(function, name):
    operation, _ = _keras.history_of(function(keras.Input((2, 3))))

    assert _keras.operation_name(operation) == name
    if name in ("Softmax", "Transpose"):
        assert hasattr(operation, "axis" if name == "Softmax" else "axes")


def test_operations_of_keras_are_known():
    inputs = keras.Input((3,))
    history = [
        _keras.history_of(each)[0] for each in (inputs + 1, keras.ops.relu(inputs))
    ]

    assert all(_keras.is_operation_of_keras(each) for each in history)
    assert not _keras.is_operation_of_keras(keras.layers.Dense(1))


def test_the_module_that_exports_to_onnx_is_there():
    assert importlib.util.find_spec("keras.src.export.onnx") is not None


@pytest.mark.newest
def test_the_module_that_exports_to_litert_is_there():
    assert importlib.util.find_spec("keras.src.export.litert") is not None


def test_the_format_of_an_export_is_read_from_who_calls():
    def within(name):
        here = {"__name__": name, "export_format": _keras.export_format}
        return eval("export_format()", here)

    assert _keras.export_format() is None
    assert {name: within(name) for name in _keras.EXPORTERS} == _keras.EXPORTERS


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_attention_has_what_is_covered(name):
    own = getattr(keras.layers, name)
    layer = own(2, 3, dropout=0.5) if name[0] == "M" else own(3, 4, 2, dropout=0.5)
    assert _keras.is_attention(layer)
    assert _keras.dropout_within(layer) is None
    layer.build((None, 5, 6), (None, 5, 6))
    assert isinstance(_keras.dropout_within(layer), keras.layers.Dropout)
    assert "_flash_attention" in vars(layer)
    _keras.cover(layer, lambda layer, *args, **kwargs: ("covered", None))
    assert _keras.is_covered(layer)
    assert layer._compute_attention()[0] == "covered"
    if name[0] == "G":
        layer._return_attention_scores = True
        assert _keras.wants_scores(layer)


def test_the_training_of_the_call_around_is_known():
    found = []

    class Inner(keras.layers.Layer):
        def call(self, x):
            found.append(_keras.training_around())
            with _keras.training_as("other"):
                found.append(_keras.training_around())
            found.append(_keras.training_around())
            return x

    model = keras.Sequential([Inner(), keras.layers.Dropout(0.1)])
    for training in (None, False, True):
        model(np.ones((1, 2)), training=training)
    expected = [each for t in (None, False, True) for each in (t, "other", t)]
    assert found[-9:] == expected
    assert _keras.training_around() is None
