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
    _has_the_p_values(answer, detector, prediction)


def _has_the_p_values(answer, detector, prediction):
    """A score may round to either side of those that lie next to it."""
    known = detector.scores
    for rounded, side in ((2e-6, np.less_equal), (-2e-6, np.greater_equal)):
        above = len(known) - np.searchsorted(known, prediction.entropy + rounded)
        bound = (1 + above) / (len(known) + 1)
        assert side(bound - 1e-6 * np.sign(rounded), answer["p_value"]).all()
    # No more than a few do.
    same = np.isclose(answer["p_value"], detector.p_value(prediction), atol=1e-6)
    assert same.mean() > 0.8


def test_a_server_answers_as_the_calibrations_do(classes, tmp_path):
    model, x, fitted = classes
    plain = kd.MonteCarlo(model, SAMPLES, seed=3)
    server = kd.MonteCarlo(model, SAMPLES, seed=3, calibration=fitted)

    answer = server.predict(x, batch_size=60, verbose=0)

    _in_python(answer, plain.predict(x, batch_size=60, verbose=0), fitted)
    assert answer["set"].dtype == bool
    server.save(tmp_path / "server.keras")
    np.savez(tmp_path / "x.npz", x=x)
    (again,) = _in_a_fresh_process(tmp_path, "answer")
    assert set(again.files) == set(answer)
    # Its stream of seeds continues where the saved one stopped.
    _in_python(
        dict(again), {n: again[n] for n in ("std",)} | _plain(again, fitted), fitted
    )


def _in_a_fresh_process(folder, *parts):
    """What the server saved in a folder answers there: these parts of its `answer`."""
    script = (
        "import keras, numpy as np\n"
        "server = keras.models.load_model('server.keras')\n"
        "x = np.load('x.npz')['x']\n"
        "answer = server.predict(x, batch_size=60, verbose=0)\n"
    )
    for number, part in enumerate(parts):
        script += f"np.savez('{number}.npz', **{part})\n"
    fresh.run(script, cwd=folder)
    return [np.load(folder / f"{number}.npz") for number in range(len(parts))]


def _plain(answer, fitted):
    p = answer["mean"].astype(float) ** fitted[0].temperature
    return {"mean": p / p.sum(-1, keepdims=True)}


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
        (several, {}, "several outputs"),
        (several, {"calibration": {"p": fitted}}, "names of the model's outputs"),
        (model, {"outputs": "values"}, "kind"),
    ):
        options = {"samples": SAMPLES, "calibration": fitted, **change}
        with pytest.raises(ValueError, match=text):
            kd.MonteCarlo(of, **options)
    with pytest.raises(TypeError, match="calibration"):
        kd.MonteCarlo(model, SAMPLES, calibration=["lac"])
    with pytest.raises(ValueError, match="fitted"):
        kd.MonteCarlo(model, SAMPLES, calibration=calibration.TemperatureScaling())


@pytest.fixture(scope="module")
def several():
    """A model of classes and of values, and what was fitted on each."""
    keras.utils.set_random_seed(1)
    i = keras.Input((6,))
    h = kd.layers.Dropout(0.5)(i)
    outputs = {"p": L.Dense(4, activation="softmax")(h), "q": [L.Dense(2)(h)]}
    model = keras.Model(i, outputs)
    x = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
    kinds = {"p": "probabilities", "q": ["values"]}
    held_out = kd.mc_predict(model, x, samples=SAMPLES, seed=1, outputs=kinds)
    p, q = held_out["p"], held_out["q"][0]
    scaling = calibration.TemperatureScaling().fit(p, np.arange(60) % 4)
    p = scaling.transform(p)
    sets = calibration.ConformalClassifier(0.8, "raps", randomized=True, seed=0)
    detector = calibration.OutlierDetector(0.9).fit(p)
    noise = calibration.ResidualNoise().fit(q, x[:, :2])
    intervals = calibration.ConformalRegressor(0.9, "normalized")
    intervals.fit(noise.transform(q), x[:, :2])
    sets.fit(p, np.arange(60) % 4)
    fitted = {"p": [scaling, sets, detector], "q_0": [noise, intervals]}
    server = kd.MonteCarlo(model, SAMPLES, outputs=kinds, seed=3, calibration=fitted)
    return server, x, fitted


def _each_as_in_python(p, q, fitted):
    """Whether each output holds what its own calibrations make of it."""
    mean = np.asarray(p["mean"], float)
    count = np.full(len(mean), SAMPLES)
    scaling, sets, detector = fitted["p"]
    prediction = kd.Prediction(
        mean, mean, mean, count, "probabilities", -1, calibration=(scaling.mark,)
    )
    expected = sets.predict_set(prediction, uniform=p["uniform"])
    np.testing.assert_array_equal(p["set"], expected)
    _has_the_p_values(p, detector, prediction)
    assert p["uniform"].shape == p["set"].shape[:1]
    noise, intervals = fitted["q_0"]
    total = q["epistemic"] + noise.variance
    np.testing.assert_allclose(q["std"] ** 2, total, rtol=1e-4)
    reach = intervals.quantile * q["std"]
    np.testing.assert_allclose(q["upper"] - q["mean"], reach, atol=1e-3)


def test_each_of_several_outputs_has_its_own_calibrations(several, tmp_path):
    server, x, fitted = several

    answer, again = (server.predict(x, batch_size=60, verbose=0) for _ in range(2))

    _each_as_in_python(answer["p"], answer["q"][0], fitted)
    # Each call draws again, uniformly from 0 to 1.
    uniform = np.concatenate([answer["p"]["uniform"], again["p"]["uniform"]])
    assert len(np.unique(uniform)) > 100
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12 / 120) ** 0.5
    server.save(tmp_path / "server.keras")
    np.savez(tmp_path / "x.npz", x=x)
    answers = _in_a_fresh_process(tmp_path, "answer['p']", "answer['q'][0]")
    _each_as_in_python(*answers, fitted)


@pytest.mark.newest
@pytest.mark.skipif(exports.BACKEND == "jax", reason="exported through TensorFlow")
def test_several_outputs_are_exported_with_their_calibrations(several, tmp_path):
    server, x, fitted = several
    if exports.BACKEND == "tensorflow":
        import tensorflow as tf

        server.export(tmp_path / "model", verbose=False)
        served = tf.saved_model.load(str(tmp_path / "model"))
        answers = [served.serve(x[:1]) for _ in range(2)]
        answers = [
            [
                {n.removeprefix(k): np.asarray(a) for n, a in each.items() if k in n}
                for k in ("p_", "q_0_")
            ]
            for each in answers
        ]
    else:
        import torch

        server.export(tmp_path / "model.pt2", format="torch", verbose=False)
        program = torch.export.load(tmp_path / "model.pt2").module()
        answers = [program(torch.tensor(x[:1])) for _ in range(2)]
        answers = [[each["p"], each["q"][0]] for each in answers]
        answers = keras.tree.map_structure(lambda a: a.detach().numpy(), answers)

    for p, q in answers:
        _each_as_in_python(p, q, fitted)
    assert answers[0][0]["uniform"] != answers[1][0]["uniform"]


def test_calibrations_are_given_by_place_of_outputs_in_a_list(classes):
    model, x, fitted = classes
    model = keras.Model(model.inputs, [model.outputs[0], model.outputs[0]])
    options = {"samples": SAMPLES, "outputs": "probabilities"}

    server = kd.MonteCarlo(model, calibration=[None, fitted], **options)

    one, two = server.predict(x[:2], verbose=0)
    assert "set" not in one
    assert {"set", "p_value"} <= two.keys()
    config = server.get_config()["calibration"]
    assert [len(config[name]) for name in ("0", "1")] == [0, 3]
