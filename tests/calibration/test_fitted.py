"""Temperature, data noise, and what all calibrations do alike."""

import json
import math

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import calibration
from keras_dropout.uncertainty import fitted as fitted_on

pytestmark = pytest.mark.once

Z = np.array([[2, 0, 0], [0, 1.5, 0], [0, 0, 3], [1, 0, 0], [0, 2, 0.0]])
Y = np.array([0, 1, 2, 1, 2])


def _predicted(kind="probabilities", samples=5, **options):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(samples, 40, 3))
    values = logits if kind in ("values", "gaussian") else None
    if values is None:
        values = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    if kind == "gaussian":
        options["noise_variance"] = np.ones(values.shape)
    return kd.Prediction.from_samples(values, kind, **options)


def test_the_temperature_is_the_exact_one():
    held_out = kd.Prediction.from_samples(Z[None], "logits")

    found = calibration.TemperatureScaling().fit(held_out, Y)

    assert found.temperature == pytest.approx(1.4147155565, abs=1e-6)
    after = kd.evaluate(found.transform(held_out), Y)["nll"]
    assert kd.evaluate(held_out, Y)["nll"] == pytest.approx(0.8988876676, abs=1e-6)
    assert after == pytest.approx(0.8682177432, abs=1e-6)


def test_the_mean_is_pooled_first():
    samples = np.array([[[2, 0, 0]], [[1, 1, 0.0]]])
    prediction = kd.Prediction.from_samples(samples, "logits")
    scaling = calibration.TemperatureScaling().from_config(
        {
            "fitted": {
                "found": {"temperature": 2.0},
                "profile": fitted_on.profile(prediction),
            }
        }
    )

    found = scaling.transform(prediction)

    expected = [[0.4702278, 0.3109544, 0.2188178]]
    np.testing.assert_allclose(found.mean, expected, atol=1e-6)
    assert found.samples is None
    np.testing.assert_array_equal(
        found.mutual_information, prediction.mutual_information
    )


def test_all_right_asks_for_certainty_and_chance_for_none():
    sure = kd.Prediction.from_samples(Z[None], "logits")

    right = calibration.TemperatureScaling().fit(sure, Z.argmax(-1))
    wrong = calibration.TemperatureScaling().fit(sure, (Z.argmax(-1) + 1) % 3)

    # There the loss is zero to the last bit.
    assert right.temperature < 0.05
    assert wrong.temperature == pytest.approx(100)


def test_binary_labels_and_an_earlier_axis_have_the_same_temperature():
    rng = np.random.default_rng(4)
    p = rng.random(300)
    y = (rng.random(300) < p**2 / (p**2 + (1 - p) ** 2)).astype(int)
    binary = kd.Prediction.from_samples(p[None], "binary")
    pairs = np.stack([1 - p, p])[None, None]
    first = kd.Prediction.from_samples(pairs, "probabilities", axis=-2)

    one = calibration.TemperatureScaling().fit(binary, y)
    other = calibration.TemperatureScaling().fit(first, y[None])

    assert one.temperature == pytest.approx(other.temperature, rel=1e-6)
    # The labels were drawn at half the temperature.
    assert one.temperature == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(
        one.transform(binary).mean, other.transform(first).mean[0, 1], rtol=1e-5
    )


def test_the_error_of_the_mean_follows_to_first_order():
    binary = kd.Prediction.from_samples(np.array([[0.3], [0.31]]), "binary")
    scaling = calibration.TemperatureScaling().fit(
        kd.Prediction.from_samples(np.repeat([[0.3]], 2, 0), "binary"), [1]
    )

    found = scaling.transform(binary)

    beta = 1 / scaling.temperature
    ends = [1 / (1 + ((1 - q) / q) ** beta) for q in (0.3, 0.31)]
    slope = (ends[1] - ends[0]) / 0.01
    expected = slope * binary.standard_error
    np.testing.assert_allclose(found.standard_error, expected, rtol=0.05)


def test_noise_of_the_data_is_what_the_masks_do_not_explain():
    rng = np.random.default_rng(5)
    mean = rng.normal(size=(3000, 2))
    samples = mean + 0.5 * rng.normal(size=(40, 3000, 2))
    held_out = kd.Prediction.from_samples(samples, "values")
    # As much noise again of the model, which is about another mean than that found.
    y = mean + 0.5 * rng.normal(size=(3000, 2)) + rng.normal(size=(3000, 2)) * [1, 3]

    noise = calibration.ResidualNoise().fit(held_out, y)
    found = noise.transform(held_out)

    # Five standard errors of a variance from 3,000 rows.
    expected = np.array([1.0, 9.0])
    wide = (expected + 0.25) * 5 * math.sqrt(2 / 3000)
    assert (np.abs(noise.variance - expected) < wide + 0.25 / 40).all()
    assert found.kind == "gaussian"
    np.testing.assert_allclose(
        found.total - found.epistemic, found.aleatoric, rtol=1e-4
    )
    scores = kd.evaluate(found, y)
    assert scores["coverage_90"] == pytest.approx(0.9, abs=0.02)
    given = kd.evaluate(held_out, y, noise_variance=noise.variance)
    assert scores["nll"] == pytest.approx(given["nll"], abs=1e-5)


def _fitted():
    y = np.arange(40) % 3
    values, classes = _predicted("values"), _predicted()
    return [
        (calibration.TemperatureScaling().fit(classes, y), classes),
        (calibration.ConformalClassifier(0.8, "raps").fit(classes, y), classes),
        (calibration.ConformalRegressor(0.99).fit(values, np.ones((40, 3))), values),
        (calibration.ResidualNoise().fit(values, np.ones((40, 3))), values),
        (calibration.OutlierDetector(0.9, "margin").fit(classes), classes),
    ]


def _answer(fitted, prediction):
    for name in ("transform", "predict_set", "predict_interval", "p_value"):
        if hasattr(fitted, name):
            found = getattr(fitted, name)(prediction)
            return found.std if name == "transform" else found
    raise AssertionError


@pytest.mark.parametrize("place", range(5))
def test_what_is_saved_gives_the_same(place, tmp_path):
    fitted, prediction = _fitted()[place]

    fitted.save(tmp_path / "fitted.json")
    loaded = type(fitted).load(tmp_path / "fitted.json")
    config = keras.saving.serialize_keras_object(fitted)
    cloned = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))

    expected = _answer(fitted, prediction)
    for other in (loaded, cloned):
        assert other.get_config() == fitted.get_config()
        np.testing.assert_array_equal(_answer(other, prediction), expected)
    assert type(fitted).__name__ in repr(fitted)
    plain = type(fitted).from_config({**fitted.get_config(), "fitted": None})
    with pytest.raises(ValueError, match="must be fitted first"):
        _answer(plain, prediction)


@pytest.mark.parametrize("place", range(5))
def test_what_was_predicted_otherwise_is_refused(place):
    fitted, prediction = _fitted()[place]
    kind = prediction.kind

    for other, word in (
        (_predicted(kind, samples=9), "numbers of samples"),
        (_predicted(kind, masks="shared"), "masks"),
        (kd.Prediction.from_samples(prediction.samples[..., :2], kind), "outputs"),
    ):
        if "outputs" in word and kind == "probabilities":
            half = prediction.samples[..., :2]
            half = half / half.sum(-1, keepdims=True)
            other = kd.Prediction.from_samples(half, kind)
        with pytest.raises(ValueError, match=word):
            _answer(fitted, other)
    wrong = _predicted("values" if kind == "probabilities" else "probabilities")
    with pytest.raises(ValueError, match="kind"):
        _answer(fitted, wrong)
    with pytest.raises(TypeError, match="Prediction"):
        _answer(fitted, np.zeros((3, 3)))


def test_what_was_fitted_after_another_holds_after_it_only():
    classes, y = _predicted(), np.arange(40) % 3
    scaling = calibration.TemperatureScaling().fit(classes, y)
    scaled = scaling.transform(classes)
    sets = calibration.ConformalClassifier(0.8).fit(scaled, y)

    assert sets.predict_set(scaled).shape == (40, 3)
    with pytest.raises(ValueError, match="calibrations applied before"):
        sets.predict_set(classes)
    with pytest.raises(ValueError, match="calibrations applied before"):
        scaling.transform(scaled)


def test_a_prediction_remembers_its_calibration_in_a_file(tmp_path):
    classes, y = _predicted(), np.arange(40) % 3
    scaled = calibration.TemperatureScaling().fit(classes, y).transform(classes)

    scaled.save(tmp_path / "scaled")

    loaded = kd.Prediction.load(tmp_path / "scaled")
    assert loaded.calibration == scaled.calibration != ()


@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (calibration.TemperatureScaling, {"temperature": -1.0}),
        (calibration.TemperatureScaling, {}),
        (calibration.ConformalClassifier, {"quantile": math.nan}),
        (calibration.ConformalRegressor, {"quantile": [math.nan]}),
        (calibration.ResidualNoise, {"variance": [-1.0]}),
        (calibration.OutlierDetector, {"scores": []}),
    ],
)
def test_what_cannot_have_been_fitted_is_refused(cls, found):
    profile = fitted_on.profile(_predicted())

    with pytest.raises(ValueError, match="get_config"):
        cls.from_config({"fitted": {"found": found, "profile": profile}})


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: calibration.ConformalClassifier(1.0), ValueError),
        (lambda: calibration.ConformalClassifier("high"), TypeError),
        (lambda: calibration.ConformalClassifier(method="best"), ValueError),
        (lambda: calibration.ConformalClassifier(penalty=-1), ValueError),
        (lambda: calibration.ConformalClassifier(randomized=1), TypeError),
        (lambda: calibration.ConformalRegressor(0), ValueError),
        (lambda: calibration.ConformalRegressor(method="lac"), ValueError),
        (lambda: calibration.OutlierDetector(score="luck"), ValueError),
        (lambda: calibration.OutlierDetector(2), ValueError),
    ],
)
def test_arguments_are_refused_when_built(make, error):
    with pytest.raises(error):
        make()
