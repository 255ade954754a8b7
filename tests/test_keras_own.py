"""Keras's own tests of the seven twins, as its wheel ships them, run on our layers."""

import importlib
import unittest

import keras
import pytest

import keras_dropout as kd

MODULES = {
    "dropout_test": ["DropoutTest"],
    "spatial_dropout_test": ["SpatialDropoutTest"],
    "gaussian_dropout_test": ["GaussianDropoutTest"],
    "gaussian_noise_test": ["GaussianNoiseTest"],
    "alpha_dropout_test": ["AlphaDropoutTest"],
}


# Older wheels leave their tests out.
SHIPPED = tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 15)


class _OursFirst:
    """`keras.layers`, with our layers in place of their twins."""

    def __getattr__(self, name):
        ours = name in kd.layers.__all__
        return getattr(kd.layers if ours else keras.layers, name)


def _cases():
    for module_name, classes in MODULES.items():
        module = importlib.import_module(
            f"keras.src.layers.regularization.{module_name}"
        )
        for class_name in classes:
            cls = getattr(module, class_name)
            for name in unittest.defaultTestLoader.getTestCaseNames(cls):
                yield pytest.param(module, cls, name, id=f"{class_name}.{name}")


@pytest.mark.newest
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("module", "cls", "name"), list(_cases()) if SHIPPED else [])
def test_keras_test_passes_on_our_layer(module, cls, name, monkeypatch):
    monkeypatch.setattr(module, "layers", _OursFirst())
    result = unittest.TestResult()
    cls(name).run(result)

    problems = [text for _, text in result.failures + result.errors]
    assert not problems, problems[0]
    assert result.testsRun == 1
