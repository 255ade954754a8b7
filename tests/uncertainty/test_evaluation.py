"""Scores of a prediction, their errors, their table and their pictures."""

import math
import re

import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.uncertainty import columns, scoring

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


def _classes(rows=400, classes=3, samples=6):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(rows, classes)) * 1.5
    noisy = logits + rng.normal(size=(samples, rows, classes))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    y = (p.cumsum(-1) > rng.random((rows, 1))).argmax(-1)
    return kd.Prediction.from_samples(noisy, "logits"), y, logits


def test_scores_of_classes_are_those_of_the_metrics():
    prediction, y, _ = _classes()

    found = kd.evaluate(prediction, y)

    p = prediction.mean
    wrong = prediction.label != y
    doubt = 1 - prediction.max_probability.astype(float)
    expected = {
        "accuracy": 1 - wrong.mean(),
        "nll": kd.metrics.negative_log_likelihood(y, p),
        "brier": kd.metrics.brier_score(y, p),
        "ece": kd.metrics.expected_calibration_error(y, p),
        "aurc": kd.metrics.area_under_risk_coverage(wrong, doubt),
        "error_auroc": kd.metrics.separation(doubt[~wrong], doubt[wrong])["auroc"],
    }
    assert list(found) == list(expected)
    assert dict(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y,
        lambda y: y[:, None],
        lambda y: np.eye(3)[y],
        lambda y: y.astype("float32"),
    ],
    ids=["integers", "column", "one-hot", "floats"],
)
def test_labels_come_in_each_usual_form(form):
    prediction, y, _ = _classes()

    assert dict(kd.evaluate(prediction, form(y))) == dict(kd.evaluate(prediction, y))


def test_errors_of_means_are_the_familiar_ones():
    prediction, y, _ = _classes()
    rows = -np.log(prediction.mean[np.arange(len(y)), y].astype(float))

    errors = kd.evaluate(prediction, y).errors

    assert errors["nll"] == pytest.approx(rows.std(ddof=1) / math.sqrt(len(y)))


@pytest.mark.parametrize("name", ["ece", "aurc", "error_auroc", "rmse", "sharpness"])
def test_errors_are_those_of_drawing_rows_anew(name):
    if name in ("rmse", "sharpness"):
        mean = np.zeros((300, 1))
        samples = mean + RNG.normal(size=(5, 300, 1)) * RNG.gamma(2, size=(1, 300, 1))
        prediction = kd.Prediction.from_samples(samples, "values")
        y = RNG.normal(size=(300, 1))
    else:
        prediction, y, _ = _classes(300)
    rng = np.random.default_rng(5)

    error = kd.evaluate(prediction, y).errors[name]

    drawn = []
    for _ in range(400):
        rows = rng.integers(len(y), size=len(y))
        drawn.append(kd.evaluate(prediction[rows], y[rows])[name])
    # The deviation of 400 draws is off by 3.5 %; ties of repeated rows, and the
    # absolute values of the calibration error, add a bias of the second order.
    assert error == pytest.approx(np.std(drawn), rel=0.25)


def test_steps_of_one_row_do_not_count_as_rows():
    prediction, y, _ = _classes(60)
    same = kd.Prediction.from_samples(
        np.repeat(prediction.samples[:, :, None], 7, axis=2), "probabilities"
    )

    found = kd.evaluate(same, np.repeat(y[:, None], 7, axis=1))

    expected = kd.evaluate(prediction, y)
    # The area is a sum over 60 labels or seven times as many: it differs by 1 in 60.
    assert dict(found) == pytest.approx(dict(expected), rel=0.04)
    assert found.errors == pytest.approx(expected.errors, rel=0.04)


def test_a_difference_has_the_error_of_its_own():
    prediction, y, logits = _classes()
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)

    found = kd.evaluate(prediction, y, baseline=logits)

    def rows(p):
        return -np.log(p[np.arange(len(y)), y].astype(float))

    moved = rows(prediction.mean) - rows(p)
    assert found.difference["nll"] == pytest.approx(moved.mean(), abs=1e-6)
    error = moved.std(ddof=1) / math.sqrt(len(y))
    assert found.difference_errors["nll"] == pytest.approx(error, abs=1e-6)
    same = kd.evaluate(prediction, y, baseline=prediction)
    assert set(same.difference.values()) == set(same.difference_errors.values()) == {0}


def test_weights_count_rows_as_often_as_they_say():
    prediction, y, _ = _classes(50)
    weight = RNG.integers(0, 4, size=50)
    rows = np.repeat(np.arange(50), weight)

    found = kd.evaluate(prediction, y, sample_weight=weight)

    expected = dict(kd.evaluate(prediction[rows], y[rows]))
    # Repeated rows are ties, which the curve crosses in steps.
    assert found["aurc"] == pytest.approx(expected.pop("aurc"), rel=0.04)
    assert {n: found[n] for n in expected} == pytest.approx(expected, abs=1e-9)


def test_masked_steps_do_not_count_whatever_their_label():
    prediction, y, _ = _classes(40)
    samples = prediction.samples.reshape(6, 10, 4, 3)
    valid = RNG.random((10, 4)) < 0.7
    y = y.reshape(10, 4)
    masked = kd.Prediction.from_samples(samples, "probabilities", valid=valid)

    found = kd.evaluate(masked, np.where(valid, y, -1))

    expected = kd.evaluate(prediction[np.flatnonzero(valid)], y[valid])
    assert dict(found) == pytest.approx(dict(expected), abs=1e-9)


def test_classes_may_stand_on_an_earlier_axis():
    prediction, y, _ = _classes(40)
    samples = prediction.samples.reshape(6, 10, 4, 3)
    first = kd.Prediction.from_samples(samples.swapaxes(2, 3), "probabilities", axis=-2)
    y = y.reshape(10, 4)
    expected = dict(
        kd.evaluate(kd.Prediction.from_samples(samples, "probabilities"), y)
    )

    assert dict(kd.evaluate(first, y)) == expected
    assert dict(kd.evaluate(first, np.eye(3)[y].swapaxes(1, 2))) == expected


@pytest.mark.parametrize("shape", [(80,), (80, 1), (20, 4)])
def test_binary_labels_are_scored_one_by_one(shape):
    p = RNG.random((5, 80))
    y = RNG.integers(0, 2, size=80)
    prediction = kd.Prediction.from_samples(p.reshape(5, *shape), "binary")

    found = kd.evaluate(prediction, y.reshape(shape))

    mean = prediction.mean.ravel()
    expected = {
        "accuracy": ((mean > 0.5) == y).mean(),
        "nll": kd.metrics.negative_log_likelihood(y, mean),
        "brier": kd.metrics.brier_score(y, mean),
        "ece": kd.metrics.expected_calibration_error(y, mean),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_likelihood_is_that_of_the_mixture():
    # Gal and Ghahramani's estimate, computed by hand.
    samples = np.array([1.0, 2.0, 2.5]).reshape(3, 1, 1)
    prediction = kd.Prediction.from_samples(samples, "values")

    found = kd.evaluate(prediction, [1.5], noise_variance=0.5)

    assert found["nll"] == pytest.approx(1.01580142, abs=1e-7)


def test_the_likelihood_takes_the_noise_of_each_sample():
    # Means and variances of section 11 of Kendall and Gal's mixture, by hand.
    means = np.array([1.0, 1.4, 0.6]).reshape(3, 1)
    found = columns.mixture_nll(
        np.array([1.2]), means, np.array([[0.04], [0.09], [0.01]])
    )

    assert found[0] == pytest.approx(0.2767727435, abs=1e-9)


def test_values_without_noise_say_what_they_need():
    prediction = kd.Prediction.from_samples(RNG.normal(size=(4, 9, 2)), "values")

    found = kd.evaluate(prediction, np.zeros((9, 2)))

    assert list(found) == ["rmse", "crps", "sharpness"]
    assert "noise_variance=" in repr(found)
    with pytest.raises(KeyError, match="noise_variance="):
        found["coverage_90"]
    known = kd.evaluate(prediction, np.zeros((9, 2)), noise_variance=[1.0, 2.0])
    assert {"nll", "coverage_50", "coverage_90", "coverage_95"} < set(known)


def test_scores_of_gaussians_are_those_of_their_formulas():
    mean, sd = np.array([0, 1, 2, 3.0]), np.array([1, 0.5, 2, 1])
    y = np.array([0.5, 0.2, 2.5, 5])
    prediction = kd.Prediction.from_samples(
        mean[None], "gaussian", noise_variance=sd[None] ** 2
    )

    found = kd.evaluate(prediction, y)

    assert found["nll"] == pytest.approx(1.7780010332, abs=1e-6)
    assert found["crps"] == pytest.approx(0.7105855387, abs=1e-7)
    assert found["coverage_90"] == 0.75
    assert found["sharpness"] == pytest.approx(1.25)
    quantiles = found.columns["quantile"]
    expected = [0.6914624613, 0.0547992917, 0.5987063257, 0.9772498681]
    np.testing.assert_allclose(quantiles, expected, atol=1e-7)


def test_what_cannot_be_ranked_is_not_a_number():
    prediction = kd.Prediction.from_samples(
        np.array([[[0.9, 0.1], [0.2, 0.8]]]), "probabilities"
    )

    found = kd.evaluate(prediction, [0, 1])

    assert math.isnan(found["error_auroc"])
    assert "not defined" in repr(found)


def test_equal_uncertainties_have_no_order():
    errors = RNG.integers(0, 2, size=200).astype(float)
    of = {"row": np.arange(200), "weight": np.ones(200), "correct": 1 - errors}
    of |= {"uncertainty": np.zeros(200), "confidence": np.full(200, 0.9)}
    of |= {"nll": errors, "brier": errors}

    found = scoring.scores(of)["aurc"]

    assert found.value == pytest.approx(errors.mean())
    assert found.error == pytest.approx(scoring.scores(of)["nll"].error, rel=0.04)


def test_the_table_marks_what_is_better_and_says_when_nothing_is_compared():
    prediction, y, logits = _classes()

    alone, compared = (
        kd.evaluate(prediction, y, baseline=each) for each in (None, logits)
    )

    assert "no baseline" in repr(alone)
    lines = {line.split()[0]: line for line in repr(compared).splitlines()[2:8]}
    assert list(lines) == list(compared)
    second = lines["nll"].split("±")[1]
    assert ("*" in second) == (compared.difference["nll"] < 0)
    assert len(re.findall(r"<tr>", compared._repr_html_())) == 7


def test_intervals_are_better_where_they_hold_what_they_promise():
    samples = np.zeros((2, 100, 1))
    prediction = kd.Prediction.from_samples(samples, "values")
    y = np.random.default_rng(3).normal(size=100)
    # Wide intervals cover all, so nearer to the promise is better.
    wide = kd.Prediction.from_samples(
        samples, "gaussian", noise_variance=np.full((2, 100, 1), 100.0)
    )
    good = kd.Prediction.from_samples(
        samples, "gaussian", noise_variance=np.ones((2, 100, 1))
    )

    found = kd.evaluate(good, y, baseline=wide)

    assert found["coverage_50"] < found.baseline["coverage_50"] == 1
    line = next(x for x in repr(found).splitlines() if "coverage_50" in x)
    assert "*" in line.split("±")[1]
    assert kd.evaluate(prediction, y)["sharpness"] == 0


def test_pictures_show_both_lines_and_the_page_holds_them(tmp_path):
    pytest.importorskip("matplotlib")
    prediction, y, logits = _classes(100)
    values = kd.Prediction.from_samples(RNG.normal(size=(4, 50, 1)), "values")
    found = kd.evaluate(prediction, y, baseline=logits)

    axes = found.plot()

    for ax in axes:
        labels = [line.get_label() for line in ax.get_lines()]
        assert labels[:2] == ["with noise", "without noise"]
        styles = [line.get_linestyle() for line in ax.get_lines()[:2]]
        assert styles == ["-", "--"]
    left, _ = kd.evaluate(
        values, np.zeros(50), noise_variance=1.0, baseline=values.mean
    ).plot()
    assert len(left.get_lines()) == 3
    found.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<svg" in page
    assert "error_auroc" in page
    # One file: nothing is fetched.
    assert not re.findall(r"<(?:img|script|link)\b|\bsrc=", page)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"y": np.zeros(3, int)}, ValueError, "label"),
        ({"y": np.full(400, 7)}, ValueError, "Labels must be integers"),
        ({"noise_variance": 1.0}, ValueError, "noise_variance"),
        ({"by": "luck"}, ValueError, "by"),
        ({"baseline": np.zeros((2, 2))}, ValueError, "baseline"),
        ({"sample_weight": np.zeros(400)}, ValueError, "weight 0"),
        ({"sample_weight": -np.ones(400)}, ValueError, "negative"),
        ({"sample_weight": np.ones(3)}, ValueError, "sample_weight"),
        ({"prediction": np.zeros((4, 2))}, TypeError, "Prediction"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, text):
    prediction, y, _ = _classes()
    arguments = {"prediction": prediction, "y": y, **change}

    with pytest.raises(error, match=text):
        kd.evaluate(**arguments)
