"""Surgery, rates and max-norm on the models that come with Keras."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers
from keras_dropout._model import flatten_layers

X = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
SHAPES = {"input_shape": (32, 32, 3), "weights": None, "classes": 3}


def efficient_net():
    return keras.applications.EfficientNetB0(**SHAPES)


def mobile_net():
    return keras.applications.MobileNetV2(alpha=0.35, **SHAPES)


def conv_next():
    return keras.applications.ConvNeXtTiny(**SHAPES)


# Other backends compile each of the hundreds of layers apart.
ON_TORCH = keras.backend.backend() == "torch"
MODELS = [efficient_net, mobile_net, conv_next] if ON_TORCH else [mobile_net]


@pytest.fixture(scope="module", params=MODELS, ids=lambda build: build.__name__)
def model(request):
    keras.utils.clear_session()
    return request.param()


@pytest.fixture(scope="module")
def expected(model):
    return array(model(X))


def array(x):
    return ops.convert_to_numpy(x)


def noises(model):
    return [each for each in flatten_layers(model) if isinstance(each, layers.Dropout)]


def test_all_surgery_leaves_inference_to_the_bit(model, expected):
    def convolves(layer):
        return isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))

    noisy = kd.insert_dropout(model, layers.SpatialDropout2D(0.1), convolves)
    for new in (kd.strip_dropout(model), kd.replace_dropout(model), noisy):
        np.testing.assert_array_equal(array(new(X)), expected)
        assert {id(v) for v in new.weights} == {id(v) for v in model.weights}


@pytest.mark.backend("torch", "tensorflow")
def test_rates_are_set_trained_and_saved(model, expected, tmp_path):
    if not any(isinstance(each, keras.layers.Dropout) for each in model.layers):
        model = kd.insert_dropout(model, keras.layers.Dropout(0.1), keras.layers.Dense)

    kd.set_rates(model, 0.5)

    assert noises(model)
    assert {each.rate for each in noises(model)} == {0.5}
    np.testing.assert_array_equal(array(model(X)), expected)
    if ON_TORCH:
        model.compile("sgd", "categorical_crossentropy")
        model.train_on_batch(X, np.eye(3)[:2])
        expected = array(model(X))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {each.rate for each in noises(loaded)} == {0.5}
    np.testing.assert_array_equal(array(loaded(X)), expected)
    assert kd.constraints.apply_max_norm(loaded, 1.0) is loaded
    report = kd.constraints.max_norm_report(loaded)
    assert max(row.largest for row in report) <= 1.0 + 1e-5
