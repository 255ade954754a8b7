"""Each private name of Keras that the package uses is there, or is done without."""

import importlib
import importlib.resources

import keras
import numpy as np
import pytest

from keras_dropout import _keras

LAYER = (
    "_flatten_layers",
    "_build_at_init",
    "_call_has_training_arg",
    "_called",
    "_layers",
    "_trainable_variables",
    "_non_trainable_variables",
)
GRAPH = ("_nodes_by_depth", "_standardize_inputs", "_inputs_struct", "_outputs_struct")
MODULES = {
    "keras.src.backend": "AutocastScope",
    "keras.src.backend.common.stateless_scope": "in_stateless_scope",
    "keras.src.backend.common.masking": "get_keras_mask",
    "keras.src.models.functional": "Functional",
    "keras.src.layers.rnn.conv_lstm": "ConvLSTMCell",
}


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


@pytest.mark.parametrize(("module", "name"), MODULES.items())
def test_modules_have(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_other_objects_have_theirs():
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    assert isinstance(sequential._functional, _keras.Functional)
    assert sequential.outputs[0]._keras_history.operation is sequential.layers[-1]
    assert hasattr(keras.random.SeedGenerator(1), "_initial_seed")
    assert hasattr(keras.layers.LSTMCell(1), _keras.CREATE_MASK)
    assert hasattr(keras.Variable(np.zeros(2)), "_value")
    assert hasattr(keras.optimizers.SGD(), "_iterations")
    assert hasattr(keras.layers.MultiHeadAttention(1, 2), "_compute_attention")
    assert hasattr(keras.layers.MultiHeadAttention(1, 2), "_kernel_constraint")


@pytest.mark.parametrize(("module", "name"), MODULES.items())
def test_a_name_that_is_gone_does_not_break_the_import(module, name, monkeypatch):
    spec = importlib.util.find_spec(_keras.__name__)
    model = _model()
    monkeypatch.delattr(importlib.import_module(module), name)
    without = importlib.util.module_from_spec(spec)

    spec.loader.exec_module(without)

    assert without.flatten_layers(model)


def test_keras_draws_by_the_functions_that_are_known():
    public = {name for name in dir(keras.random) if name.islower() and name[0] != "_"}

    assert public == set(_keras.RANDOM_FUNCTIONS)
    assert all(hasattr(_keras.random_functions(), name) for name in public)


def test_without_the_walk_the_error_says_so():
    with pytest.raises(_keras.PrivateNameError, match="_flatten_layers"):
        _keras.flatten_layers(object())


def test_only_one_file_imports_private_names():
    package = importlib.resources.files("keras_dropout")
    paths = [path for path in package.rglob("*.py") if path.name != "_keras.py"]

    assert not [path for path in paths if "keras.src" in path.read_text()]
