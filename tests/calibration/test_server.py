"""Calibrations as part of a model that is served."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import calibration
from tests import exports, fresh

L = keras.layers
SAMPLES = 8


@pytest.fixture(scope="module")
def classes():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6,)), kd.layers.Dropout(0.5), L.Dense(4, activation="softmax")]
    )
    x = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
    held_out = kd.mc_predict(model, x, samples=SAMPLES, seed=1)
    y = np.arange(60) % 4
    scaling = calibration.TemperatureScaling().fit(held_out, y)
    scaled = scaling.transform(held_out)
    fitted = [
        scaling,
        calibration.ConformalClassifier(0.8, "raps", allow_empty=False).fit(scaled, y),
        calibration.OutlierDetector(0.9).fit(scaled),
    ]
    return model, x, fitted


def _in_python(answer, plain, fitted):
    """What the calibrations make of the mean that the server found without them."""
    scaling, sets, detector = fitted
    p = plain["mean"].astype(float) ** (1 / scaling.temperature)
    p = p / p.sum(-1, keepdims=True)
    prediction = kd.Prediction(
        p,
        p,
        p,
        np.full(len(p), SAMPLES),
        "probabilities",
        -1,
        calibration=(scaling.mark,),
    )
    np.testing.assert_allclose(answer["mean"], p, atol=1e-5)
    np.testing.assert_allclose(answer["std"], plain["std"], atol=1e-6)
    np.testing.assert_allclose(answer["entropy"], prediction.entropy, atol=1e-4)
    np.testing.assert_array_equal(answer["set"], sets.predict_set(prediction))
    # One of the 60 scores may lie between two roundings.
    p_value = detector.p_value(prediction)
    np.testing.assert_allclose(answer["p_value"], p_value, atol=1.01 / 61)


def test_a_server_answers_as_the_calibrations_do(classes, tmp_path):
    model, x, fitted = classes
    plain = kd.MonteCarlo(model, SAMPLES, seed=3)
    server = kd.MonteCarlo(model, SAMPLES, seed=3, calibration=fitted)

    answer = server.predict(x, batch_size=60, verbose=0)

    _in_python(answer, plain.predict(x, batch_size=60, verbose=0), fitted)
    assert answer["set"].dtype == bool
    server.save(tmp_path / "server.keras")
    np.savez(tmp_path / "x.npz", x=x)
    script = (
        "import sys, keras, numpy as np\n"
        "server = keras.models.load_model(sys.argv[1])\n"
        "x = np.load(sys.argv[2])['x']\n"
        "np.savez(sys.argv[3], **server.predict(x, batch_size=60, verbose=0))\n"
    )
    names = ("server.keras", "x.npz", "answer.npz")
    fresh.run(script, *(tmp_path / name for name in names))
    again = np.load(tmp_path / "answer.npz")
    assert set(again.files) == set(answer)
    # Its stream of seeds goes on where the saved one stood.
    _in_python(
        dict(again), {n: again[n] for n in ("std",)} | _plain(again, fitted), fitted
    )


def _plain(answer, fitted):
    p = answer["mean"].astype(float) ** fitted[0].temperature
    return {"mean": p / p.sum(-1, keepdims=True)}


@pytest.mark.newest
@pytest.mark.skipif(exports.BACKEND == "jax", reason="exported through TensorFlow")
def test_what_is_exported_answers_calibrated(classes, tmp_path):
    model, x, fitted = classes
    server = kd.MonteCarlo(model, SAMPLES, seed=3, calibration=fitted)

    if exports.BACKEND == "tensorflow":
        import tensorflow as tf

        server.export(tmp_path / "model", verbose=False)
        served = tf.saved_model.load(str(tmp_path / "model"))
        answer = {n: np.asarray(a) for n, a in served.serve(x[:1]).items()}
    else:
        import torch

        server.export(tmp_path / "model.pt2", format="torch", verbose=False)
        program = torch.export.load(tmp_path / "model.pt2").module()
        answer = {
            n: a.detach().numpy() for n, a in program(torch.tensor(x[:1])).items()
        }

    plain = {"std": answer["std"], **_plain(answer, fitted)}
    _in_python(answer, plain, fitted)


def test_values_gain_noise_and_intervals():
    i = keras.Input((3,))
    model = keras.Model(i, L.Dense(2)(kd.layers.Dropout(0.5)(i)))
    x = np.random.default_rng(1).normal(size=(50, 3)).astype("float32")
    y = x[:, :2] + np.random.default_rng(2).normal(size=(50, 2)) * [1, 4]
    held_out = kd.mc_predict(model, x, samples=SAMPLES, seed=1)
    noise = calibration.ResidualNoise().fit(held_out, y)
    noisy = noise.transform(held_out)
    intervals = calibration.ConformalRegressor(0.9, "normalized").fit(noisy, y)
    plain = kd.MonteCarlo(model, SAMPLES, seed=3).predict(x, batch_size=50, verbose=0)

    found = kd.MonteCarlo(model, SAMPLES, seed=3, calibration=[noise, intervals])
    found = found.predict(x, batch_size=50, verbose=0)

    variance = plain["std"] ** 2 + noise.variance
    np.testing.assert_allclose(found["std"] ** 2, variance, rtol=1e-4)
    reach = intervals.quantile * np.sqrt(variance)
    np.testing.assert_allclose(found["lower"], plain["mean"] - reach, atol=1e-3)
    np.testing.assert_allclose(found["upper"], plain["mean"] + reach, atol=1e-3)
    np.testing.assert_allclose(
        found["aleatoric"], np.broadcast_to(noise.variance, (50, 2)), rtol=1e-5
    )


def test_what_was_fitted_otherwise_is_refused(classes):
    model, _, fitted = classes
    several = keras.Model(model.inputs, [model.outputs[0], model.outputs[0]])

    for of, change, text in (
        (model, {"samples": SAMPLES + 2}, "numbers of samples"),
        (model, {"masks": "shared"}, "masks"),
        (model, {"calibration": fitted[1:]}, "applied before"),
        (several, {}, "one output"),
        (model, {"outputs": "values"}, "kind"),
    ):
        options = {"samples": SAMPLES, "calibration": fitted, **change}
        with pytest.raises(ValueError, match=text):
            kd.MonteCarlo(of, **options)
    with pytest.raises(TypeError, match="calibration"):
        kd.MonteCarlo(model, SAMPLES, calibration=["lac"])
    with pytest.raises(ValueError, match="fitted"):
        kd.MonteCarlo(model, SAMPLES, calibration=calibration.TemperatureScaling())
