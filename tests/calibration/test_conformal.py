"""Sets and intervals hold what they promise."""

import math

import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.calibration import ConformalClassifier, ConformalRegressor

pytestmark = pytest.mark.once

SETS = 2000


def _classes(p):
    return kd.Prediction.from_samples(p[None], "probabilities")


@pytest.mark.parametrize(
    ("level", "expected"), [(0.9, 0.9), (0.8, 0.8), (0.75, 0.8), (0.95, math.inf)]
)
def test_the_quantile_is_that_of_the_promise(level, expected):
    scores = [0.1, 0.9, 0.3, 0.5, 0.2, 0.7, 0.4, 0.6, 0.8]

    assert kd.calibration.conformal_quantile(scores, level) == expected


def test_the_quantile_is_not_misled_by_binary_fractions():
    # 100 (1 - 0.43) is more than 57 in binary.
    found = kd.calibration.conformal_quantile(np.arange(1.0, 100), 1 - 0.43)

    assert found == 57


@pytest.mark.parametrize(
    ("method", "uniform", "expected"),
    [
        ("lac", None, [0.5, 0.7, 0.85, 0.95]),
        ("aps", None, [0.5, 0.8, 0.95, 1]),
        ("aps", 0.4, [0.2, 0.62, 0.86, 0.97]),
        ("raps", 0.4, [0.2, 0.62, 0.96, 1.17]),
    ],
)
def test_scores_are_those_of_the_papers(method, uniform, expected):
    conformal = ConformalClassifier(method=method, penalty=0.1, free_ranks=2)
    uniform = None if uniform is None else np.array([uniform])
    # In another order, so that scores find their way back.
    order = [2, 0, 3, 1]
    p = np.array([[0.5, 0.3, 0.15, 0.05]])[:, order]

    found = conformal.scores(p, np, uniform)

    np.testing.assert_allclose(found[0], np.array(expected)[order])


def _draw(rng, rows):
    """Probabilities that are wrong, and labels."""
    true = rng.dirichlet(np.full(4, 0.7), size=rows)
    y = (true.cumsum(-1) > rng.random((rows, 1))).argmax(-1)
    told = true**2 + 0.01 * rng.random((rows, 4))
    return told / told.sum(-1, keepdims=True), np.minimum(y, 3)


def _told(p):
    """A prediction of probabilities. Nothing else of it is used."""
    return kd.Prediction(p, p, p, np.ones(len(p)), "probabilities", -1)


@pytest.mark.parametrize("rows", [10, 57, 400])
@pytest.mark.parametrize(
    ("method", "randomized"),
    [("lac", False), ("aps", False), ("aps", True), ("raps", True)],
)
def test_sets_cover_as_often_as_exchangeable_scores_do(method, randomized, rows):
    rng = np.random.default_rng(rows)
    level, held = 0.8, 0
    p, y = _draw(rng, SETS * (rows + 1))
    # One new row for each of the sets, so that they are independent of each other.
    for number in range(SETS):
        conformal = ConformalClassifier(
            level, method, randomized=randomized, seed=number, free_ranks=1
        )
        new = (number + 1) * (rows + 1) - 1
        old = slice(new - rows, new)
        conformal.fit(_told(p[old]), y[old])
        held += conformal.predict_set(_told(p[new : new + 1]))[0, y[new]]

    exact = math.ceil((rows + 1) * level - 1e-9) / (rows + 1)
    error = math.sqrt(exact * (1 - exact) / SETS)
    assert held / SETS == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("rows", [10, 400])
@pytest.mark.parametrize("method", ["absolute", "normalized", "quantile"])
def test_intervals_cover_as_often_as_exchangeable_scores_do(method, rows):
    rng = np.random.default_rng(rows)
    level, held, total = 0.8, np.zeros(2), SETS * (rows + 1)
    spread = rng.gamma(2, size=(total, 1))
    samples = (rng.normal(size=(3, total, 2)) * spread).astype("float32")
    mean, variance = samples.mean(axis=0), samples.var(axis=0, ddof=1)

    def told(rows):
        arrays = mean[rows], variance[rows], variance[rows]
        count = np.full(len(arrays[0]), 3)
        return kd.Prediction(*arrays, count, samples=samples[:, rows])

    y = rng.standard_t(3, size=(total, 2)) * [1, 5]
    for number in range(SETS):
        new = (number + 1) * (rows + 1) - 1
        old = slice(new - rows, new)
        conformal = ConformalRegressor(level, method).fit(told(old), y[old])
        lower, upper = conformal.predict_interval(told(slice(new, new + 1)))
        held += ((lower <= y[new]) & (y[new] <= upper))[0]

    exact = math.ceil((rows + 1) * level - 1e-9) / (rows + 1)
    error = math.sqrt(exact * (1 - exact) / SETS)
    np.testing.assert_allclose(held / SETS, exact, atol=4 * error)


def test_too_few_rows_give_everything():
    rng = np.random.default_rng(0)
    p, y = _draw(rng, 5)
    values = kd.Prediction.from_samples(np.zeros((2, 5, 1)), "values")

    sets = ConformalClassifier(0.9).fit(_classes(p), y)
    intervals = ConformalRegressor(0.9).fit(values, np.zeros(5))

    assert math.isinf(sets.quantile)
    assert sets.predict_set(_classes(p)).all()
    lower, upper = intervals.predict_interval(values)
    assert (lower == -np.inf).all()
    assert (upper == np.inf).all()


def test_the_golden_interval_of_quantiles():
    samples = np.zeros((2, 2, 1))
    samples[:, :, 0] = [[0, 1], [2, 1.5]]
    prediction = kd.Prediction.from_samples(samples, "values")
    conformal = ConformalRegressor(0.5, "quantile")

    conformal.fit(prediction, [2.5, 1.2])

    # Quartiles of the two samples, [0.5, 1.5] and [1.125, 1.375].
    np.testing.assert_allclose(conformal.quantile, [max(2.5 - 1.5, -0.075)])


def test_one_number_is_drawn_for_each_row():
    p = np.full((500, 4), 0.25)
    conformal = ConformalClassifier(0.5, "aps", randomized=True, seed=0)
    conformal.fit(_classes(p), np.zeros(500, int))

    size = conformal.predict_set(_classes(p)).sum(axis=-1)

    # With a number of its own each class would enter by itself, and sizes scatter.
    assert set(np.unique(size)) <= {int(size.min()), int(size.min()) + 1}


def test_sets_are_recomputed_from_the_numbers_that_were_drawn():
    p = np.array([[0.5, 0.3, 0.15, 0.05]] * 4)
    conformal = ConformalClassifier(0.5, "aps", randomized=True, seed=0)
    conformal.fit(_classes(p), [0, 1, 2, 3])
    conformal._found["quantile"] = 0.87

    # U = 0.4 and U = 1 of the sheet, and the ends of what U may be.
    sets = conformal.predict_set(_classes(p), uniform=[0.4, 1, 0, 1])

    assert sets.sum(axis=-1).tolist() == [3, 2, 3, 2]
    for wrong in ([0.5], [0, 0, 0, 2], [0, 0, 0, np.nan]):
        with pytest.raises(ValueError, match="uniform"):
            conformal.predict_set(_classes(p), uniform=wrong)


def test_sets_that_must_not_be_empty_hold_the_best():
    p = np.array([[0.4, 0.35, 0.25], [0.9, 0.05, 0.05]] * 20)
    y = np.array([0, 0] * 20)
    options = {"confidence_level": 0.3}

    empty = ConformalClassifier(**options).fit(_classes(p), y).predict_set(_classes(p))
    best = ConformalClassifier(allow_empty=False, **options).fit(_classes(p), y)

    assert not empty[0].any()
    np.testing.assert_array_equal(
        best.predict_set(_classes(p))[0], [True, False, False]
    )


def test_binary_labels_have_sets_of_two():
    rng = np.random.default_rng(1)
    p = rng.random((1, 4000))
    y = rng.random(4000) < p[0]
    prediction = kd.Prediction.from_samples(p, "binary")

    sets = ConformalClassifier(0.9).fit(prediction[:2000], y[:2000])
    found = sets.predict_set(prediction[2000:])

    assert found.shape == (2000, 2)
    covered = found[np.arange(2000), y[2000:].astype(int)].mean()
    # Five standard errors of both halves.
    assert covered == pytest.approx(0.9, abs=5 * math.sqrt(2 * 0.09 / 2000))


def test_masked_steps_and_an_earlier_axis_make_no_difference():
    rng = np.random.default_rng(2)
    p, y = _draw(rng, 60)
    valid = rng.random((20, 3)) < 0.7
    steps = kd.Prediction.from_samples(
        p.reshape(1, 20, 3, 4).swapaxes(2, 3), "probabilities", axis=-2, valid=valid
    )

    found = ConformalClassifier(0.8).fit(steps, np.where(valid, y.reshape(20, 3), -1))

    kept = valid.ravel()
    expected = ConformalClassifier(0.8).fit(_classes(p[kept]), y[kept])
    assert found.quantile == expected.quantile
    sets = found.predict_set(steps).swapaxes(1, 2).reshape(60, 4)
    np.testing.assert_array_equal(sets, expected.predict_set(_classes(p)))


def test_outliers_are_called_no_more_often_than_promised():
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(SETS):
        p, _ = _draw(rng, 40)
        detector = kd.calibration.OutlierDetector(0.9).fit(_told(p[:-1]))
        found += detector.is_outlier(_told(p[-1:]))[0]

    # With 39 rows a tenth are 4 of 40 places.
    assert found / SETS == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / SETS))


def test_p_values_count_the_rows_that_are_as_uncertain():
    samples = np.stack([np.zeros(9), np.sqrt(np.arange(1.0, 10))])[..., None]
    inside = kd.Prediction.from_samples(samples, "values")
    detector = kd.calibration.OutlierDetector().fit(inside)

    found = detector.p_value(inside)

    np.testing.assert_allclose(found, np.arange(10, 1, -1) / 10)
    far = kd.Prediction.from_samples(samples * 9, "values")
    assert detector.p_value(far)[-1] == 0.1
    assert not detector.is_outlier(far).any()
