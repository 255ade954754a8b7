"""Scores of predicted distributions and intervals: golden numbers and brute force."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dropout import metrics

pytestmark = pytest.mark.once

MEAN, STD = np.array([0.0, 1, 2, 3]), np.array([1.0, 0.5, 2, 1])
Y = np.array([0.5, 0.2, 2.5, 5])
Z = scipy.stats.norm.ppf(0.95)


def test_golden_crps():
    each = [0.3314035313, 0.5411471762, 0.5169996258, 1.4527918217]

    scores = [
        metrics.crps_gaussian([a], [b], [c])
        for a, b, c in zip(Y, MEAN, STD, strict=True)
    ]

    assert scores == pytest.approx(each, 1e-9)
    assert metrics.crps_gaussian(Y, MEAN, STD) == pytest.approx(0.7105855387, 1e-9)


def test_golden_intervals():
    ends = MEAN - Z * STD, MEAN + Z * STD

    assert metrics.interval_coverage(Y, *ends) == 0.75
    score = metrics.interval_score(Y, *ends, confidence_level=0.9)
    assert score == pytest.approx(5.4766525259, 1e-9)


def test_golden_crps_of_samples():
    samples = np.array([[1.0], [2.0], [4.0]])

    assert metrics.crps_samples([3.0], samples) == pytest.approx(1 / 3)
    assert metrics.crps_samples([3.0], samples, fair=False) == pytest.approx(2 / 3)


def test_crps_is_the_integral_over_the_squared_difference():
    def square(x):
        return (scipy.stats.norm.cdf(x, 1.0, 0.7) - (x >= 2.1)) ** 2

    integral, _ = scipy.integrate.quad(square, -9, 11, points=[2.1])

    assert metrics.crps_gaussian([2.1], [1.0], [0.7]) == pytest.approx(integral)


def test_crps_without_spread_is_the_absolute_error():
    assert metrics.crps_gaussian([1.0, 5.0], [3.0, 5.0], [0.0, 0.0]) == 1.0
    assert metrics.crps_gaussian([1.0], [3.0], [1e-300]) == pytest.approx(2.0)
    assert metrics.crps_gaussian([1.0], [3.0], 1.0) > 0  # one deviation for all


@given(st.integers(0, 10**6), st.integers(2, 12))
@settings(deadline=None, max_examples=50)
def test_crps_of_samples_equals_brute_force(seed, count):
    rng = np.random.default_rng(seed)
    samples, y = rng.normal(size=(count, 3, 2)).round(1), rng.normal(size=(3, 2))
    error = np.abs(samples - y).mean()
    pairs = np.abs(samples[:, None] - samples[None]).sum(axis=(0, 1)).mean() / 2

    fair, biased = (metrics.crps_samples(y, samples, fair=f) for f in (True, False))

    assert fair == pytest.approx(error - pairs / (count * (count - 1)))
    assert biased == pytest.approx(error - pairs / count**2)


def test_fair_crps_of_few_samples_has_the_mean_of_many():
    """In the mean over draws; the standard error is that of the 4,000 rows."""
    rng = np.random.default_rng(0)
    y = np.full(4000, 0.3)
    few = [metrics.crps_samples([0.3], rng.normal(size=(3, 1))) for _ in y]

    exact = metrics.crps_gaussian([0.3], [0.0], [1.0])

    assert abs(np.mean(few) - exact) < 5 * np.std(few) / len(few) ** 0.5


def test_one_sample_is_a_point():
    assert metrics.crps_samples([3.0], [[1.0]], fair=False) == 2.0
    with pytest.raises(ValueError, match=r"2 or more.*fair=False.*\(1, 1\)"):
        metrics.crps_samples([3.0], [[1.0]])


def test_ends_are_inside_and_open_ends_cover_all():
    y = np.array([1.0, 2.0, 3.0])

    assert metrics.interval_coverage(y, y, y) == 1
    assert metrics.interval_coverage(y, np.full(3, -np.inf), np.full(3, np.inf)) == 1
    assert metrics.interval_score(y, np.zeros(3), np.full(3, np.inf)) == np.inf


def test_the_interval_score_is_least_at_the_true_quantiles():
    y = scipy.stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)

    def score(z):
        return metrics.interval_score(y, np.full_like(y, -z), np.full_like(y, z))

    assert score(Z) < min(score(Z - 0.05), score(Z + 0.05))


FUNCTIONS = {
    "crps_gaussian": (metrics.crps_gaussian, (Y, MEAN, STD)),
    "crps_samples": (metrics.crps_samples, (Y, np.stack([MEAN, MEAN + 1]))),
    "interval_coverage": (metrics.interval_coverage, (Y, MEAN - 1, MEAN + 1)),
    "interval_score": (metrics.interval_score, (Y, MEAN - 1, MEAN + 1)),
}
every_function = pytest.mark.parametrize(
    ("score", "arrays"), FUNCTIONS.values(), ids=FUNCTIONS
)


@every_function
def test_weights_count_like_repetition(score, arrays):
    weights = np.array([2, 0, 1, 3])
    repeated = [np.repeat(a, weights, axis=-1) for a in arrays]

    weighted = score(*arrays, sample_weight=weights)

    assert weighted == pytest.approx(score(*repeated))


@every_function
def test_targets_may_lack_the_axis_of_a_single_output(score, arrays):
    y, *others = arrays

    with_axis = score(y, *(a[..., None] for a in others))

    assert with_axis == pytest.approx(score(*arrays))


@every_function
def test_refuses_bad_arrays(score, arrays):
    y, *others = arrays

    with pytest.raises(ValueError, match="NaN"):
        score(np.where(y == 5, np.nan, y), *others)
    with pytest.raises(ValueError, match="one element or more"):
        score([], *others)
    with pytest.raises(ValueError, match=r"shape.*\(3,\)"):
        score(y[:3], *others)
    with pytest.raises(ValueError, match=r"shape.*\(1, 4\)"):
        score(y[None], *others)
    with pytest.raises(TypeError, match="real numbers"):
        score(y.astype(str), *others)


def test_refuses_what_has_no_meaning():
    with pytest.raises(ValueError, match=r"standard deviations.*log variances"):
        metrics.crps_gaussian(Y, MEAN, -STD)
    with pytest.raises(ValueError, match="4 intervals that are crossed"):
        metrics.interval_coverage(Y, MEAN + 1, MEAN)
    for level in (0, 1, 90):
        with pytest.raises(ValueError, match="`confidence_level`"):
            metrics.interval_score(Y, MEAN, MEAN + 1, level)
    with pytest.raises(TypeError, match="`confidence_level`"):
        metrics.interval_score(Y, MEAN, MEAN + 1, "0.9")
