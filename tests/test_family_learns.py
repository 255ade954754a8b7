"""Each layer in a model that learns to read digits, saved and opened elsewhere."""

import functools

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_dropout as kd
from keras_dropout import layers
from tests import fresh
from tests.exports import exported

K = keras.layers


def image_model(noise):
    """A small network over 8 x 8 images, with noise on its feature maps."""
    inputs = keras.Input((8, 8, 1))
    x = K.Conv2D(16, 3, activation="relu", padding="same")(inputs)
    return _head(inputs, K.Flatten()(noise(x)))


def row_model(noise):
    """The same over the 8 rows of an image, as a sequence."""
    inputs = keras.Input((8, 8))
    return _head(inputs, K.Flatten()(noise(K.Dense(32, activation="relu")(inputs))))


def token_model(noise):
    """Over the 64 pixels as words of 17 grey levels."""
    inputs = keras.Input((64,), dtype="int32")
    return _head(inputs, K.Flatten()(noise(inputs)))


def _head(inputs, x):
    model = keras.Model(inputs, K.Dense(10, activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def _residual(join):
    return lambda x: join([x, K.Dense(16, activation="relu")(x)])


def _pooled_volume(layer):
    return lambda x: layer(K.Reshape((8, 8, 4, 4))(x))


def _averaged(x):
    return K.Reshape((1, 32))(K.GlobalAveragePooling1D()(x))


MODELS = {
    "DropBlock1D": lambda: row_model(layers.DropBlock1D(0.2, 2)),
    "DropBlock2D": lambda: image_model(layers.DropBlock2D(0.2, 3)),
    "DropBlock3D": lambda: image_model(_pooled_volume(layers.DropBlock3D(0.2, 2))),
    "Cutout": lambda: image_model(layers.Cutout(3)),
    "DropPath": lambda: image_model(
        lambda x: K.Add()([x, layers.DropPath(0.2)(K.Dense(16)(x))])
    ),
    "StochasticDepth": lambda: image_model(_residual(layers.StochasticDepth(0.2))),
    "ShakeShake": lambda: image_model(_residual(layers.ShakeShake())),
    "ShakeDrop": lambda: image_model(
        lambda x: K.Add()([x, layers.ShakeDrop(0.2)(K.Dense(16)(x))])
    ),
    "LayerDrop": lambda: image_model(layers.LayerDrop(K.Dense(16, "relu"), 0.2)),
    "UOut": lambda: image_model(layers.UOut(0.2)),
    "MaxPoolingDropout1D": lambda: row_model(layers.MaxPoolingDropout1D(0.3)),
    "MaxPoolingDropout2D": lambda: image_model(layers.MaxPoolingDropout2D(0.3)),
    "MaxPoolingDropout3D": lambda: image_model(
        _pooled_volume(layers.MaxPoolingDropout3D(0.3, (2, 2, 1)))
    ),
    "StochasticPooling1D": lambda: row_model(layers.StochasticPooling1D()),
    "StochasticPooling2D": lambda: image_model(layers.StochasticPooling2D()),
    "StochasticPooling3D": lambda: image_model(
        _pooled_volume(layers.StochasticPooling3D((2, 2, 1)))
    ),
    "DropHead": lambda: row_model(lambda x: layers.DropHead(4, 8, rate=0.2)(x, x)),
    "DropKey": lambda: row_model(lambda x: layers.DropKey(4, 8, rate=0.2)(x, x)),
    "PatchDropout": lambda: row_model(
        lambda x: _averaged(layers.PatchDropout(0.25, 0)(K.Dense(32, "relu")(x)))
    ),
    "TokenDropout": lambda: token_model(
        lambda x: K.Embedding(18, 4)(layers.TokenDropout(0.1, token_id=17)(x))
    ),
    "EmbeddingDropout": lambda: token_model(
        layers.EmbeddingDropout(17, 4, rate=0.1, per="row")
    ),
}
# Without the order of the rows, digits are harder to read.
REACHED = {"PatchDropout": 0.4}
# One of each kind of noise learns on every backend. That each layer is drawn, compiled
# and derived alike on all of them is tested with less work elsewhere.
EVERYWHERE = {"DropBlock2D", "ShakeShake", "MaxPoolingDropout3D", "DropHead"}
# The same code as another of them, along other axes.
ALIKE = {
    "DropBlock1D",
    "DropBlock3D",
    "MaxPoolingDropout1D",
    "MaxPoolingDropout2D",
    "StochasticDepth",
    "StochasticPooling1D",
    "StochasticPooling3D",
}


def marks(name):
    """On which backends, and when, a model learns."""
    if name in EVERYWHERE:
        return ()
    return (pytest.mark.once, *[pytest.mark.release] * (name in ALIKE))


def digits(model):
    """Images and labels, in the form that the model takes."""
    images, labels = load_digits(return_X_y=True)
    if len(model.input_shape) == 2:
        return images.astype("int32"), labels
    return (images / 16).reshape(-1, *model.input_shape[1:]).astype("float32"), labels


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks(name)) for name in MODELS]
)
def test_learns_digits_and_can_doubt(name):
    model = MODELS[name]()
    x, y = digits(model)

    model.fit(x[:1400], y[:1400], epochs=6, batch_size=50, verbose=0)
    loss, accuracy = model.evaluate(x[1400:], y[1400:], verbose=0)
    prediction = kd.mc_predict(model, x[1400:1432], samples=8, seed=0)

    # Guessing reads a tenth.
    assert np.isfinite(loss)
    assert accuracy > REACHED.get(name, 0.75)
    assert prediction.std.max() > 0.01


@functools.cache
def together():
    """All models, each with images for it: those with the same inputs as one model.

    Since to compile and to export a model takes long.
    """
    groups = {}
    for build in MODELS.values():
        model = build()
        groups.setdefault((model.input_shape, model.input.dtype), []).append(model)
    found = []
    for (shape, dtype), models in groups.items():
        inputs = keras.Input(shape[1:], dtype=dtype)
        outputs = K.Concatenate()([model(inputs) for model in models])
        found.append((keras.Model(inputs, outputs), digits(models[0])[0][:4]))
    return found


@pytest.mark.slow
def test_all_models_open_in_a_fresh_process(tmp_path):
    expected = {}
    for number, (model, x) in enumerate(together()):
        model.save(tmp_path / f"{number}.keras")
        expected[number] = model.predict(x, verbose=0)
        np.save(tmp_path / f"{number}.npy", x)
    code = (
        "import keras, numpy as np, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.keras'):\n"
        "    model = keras.saving.load_model(path)\n"
        "    y = model.predict(np.load(path.with_suffix('.npy')), verbose=0)\n"
        "    np.save(path.with_suffix('.out.npy'), y)\n"
    )

    fresh.run(code, tmp_path)

    for number, y in expected.items():
        found = np.load(tmp_path / f"{number}.out.npy")
        np.testing.assert_allclose(found, y, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.newest
def test_exports(tmp_path):
    for number, (model, x) in enumerate(together()):
        folder = tmp_path / str(number)
        folder.mkdir()
        expected = model.predict(x, verbose=0)[:1]

        served = exported(model, folder)

        assert served(x[:1]) == pytest.approx(expected, abs=1e-6)
