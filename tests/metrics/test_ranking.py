"""Rankings by uncertainty: golden numbers, scikit-learn, and all orders of ties."""

import itertools

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dropout import metrics

pytestmark = pytest.mark.once

INSIDE, OUTSIDE = [0.1, 0.4, 0.65, 0.35], [0.35, 0.8, 0.9]

# Few different numbers, so that ties are many.
scores = st.lists(st.integers(0, 4), min_size=1, max_size=12)


def test_golden_separation():
    found = metrics.separation(INSIDE, OUTSIDE)

    assert found["auroc"] == pytest.approx(0.7916667, abs=5e-8)
    assert found["average_precision"] == pytest.approx(0.8333333, abs=5e-8)
    assert found["fpr_at_95_recall"] == 0.75


@pytest.mark.parametrize(
    ("errors", "uncertainty", "golden"),
    [
        ([0, 0, 1, 0, 1, 1], [0.05, 0.1, 0.2, 0.3, 0.5, 0.8], 0.2472222),
        ([0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1], 0.1916667),  # the best ranking
        ([1, 0, 0, 1], [0.1, 0.1, 0.1, 0.5], 0.375),
    ],
)
def test_golden_risk(errors, uncertainty, golden):
    area = metrics.area_under_risk_coverage(errors, uncertainty)

    assert area == pytest.approx(golden, abs=5e-8)


@given(scores, scores)
@settings(deadline=None, max_examples=200)
def test_separation_equals_scikit_learn(inside, outside):
    found = metrics.separation(inside, outside)
    label = [0] * len(inside) + [1] * len(outside)
    both = inside + outside

    assert found["auroc"] == pytest.approx(sklearn.metrics.roc_auc_score(label, both))
    precision = sklearn.metrics.average_precision_score(label, both)
    assert found["average_precision"] == pytest.approx(precision)
    # The highest threshold that finds enough of outside, one after the other.
    threshold = max(t for t in both if np.mean(np.array(outside) >= t) > 0.95 - 1e-9)
    rate = np.mean(np.array(inside) >= threshold)
    assert found["fpr_at_95_recall"] == pytest.approx(rate)


@pytest.mark.parametrize("count", [20, 40, 100, 3000])
def test_95_of_100_are_enough(count):
    """Where 0.95 times the count is whole, no rounding asks for one more."""
    outside = np.arange(count)
    threshold = count // 20

    found = metrics.separation([threshold - 0.5, threshold + 0.5], outside)

    assert found["fpr_at_95_recall"] == 0.5


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_risk_is_the_mean_over_all_orders_of_ties(data):
    count = data.draw(st.integers(1, 6))
    errors = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    )
    uncertainty = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    )
    areas = []
    for order in itertools.permutations(range(count)):
        order = np.array(order)
        if (np.diff(uncertainty[order]) >= 0).all():
            kept = np.arange(1, count + 1)
            areas.append((np.cumsum(errors[order]) / kept).mean())

    area = metrics.area_under_risk_coverage(errors, uncertainty)

    assert area == pytest.approx(np.mean(areas))


def test_only_the_order_counts():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=50), rng.normal(size=30) + 1
    errors = rng.integers(2, size=50)

    assert metrics.separation(np.exp(inside), np.exp(outside)) == metrics.separation(
        inside, outside
    )
    area = metrics.area_under_risk_coverage(errors, inside)
    assert metrics.area_under_risk_coverage(errors, np.exp(inside)) == area
    order = rng.permutation(50)
    shuffled = metrics.area_under_risk_coverage(errors[order], inside[order])
    assert shuffled == pytest.approx(area)


def test_extremes():
    assert metrics.separation([0, 1], [2, np.inf]) == {
        "auroc": 1.0,
        "average_precision": 1.0,
        "fpr_at_95_recall": 0.0,
    }
    assert metrics.separation([5], [5]) == {
        "auroc": 0.5,
        "average_precision": 0.5,
        "fpr_at_95_recall": 1.0,
    }
    # All are equal: the mean error, whichever are kept.
    assert metrics.area_under_risk_coverage([1, 0, 0, 0], [7] * 4) == 0.25


@pytest.mark.parametrize(
    "function", [metrics.separation, metrics.area_under_risk_coverage]
)
def test_refuses(function):
    with pytest.raises(ValueError, match="one element or more"):
        function([], [1.0])
    with pytest.raises(ValueError, match=r"no NaN.*isfinite.*1 of them|neither NaN"):
        function([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"no NaN.*with 2 of them"):
        function([1.0, 0.0], [np.nan, np.nan])
    with pytest.raises(TypeError, match="real numbers"):
        function(["a"], [1.0])


def test_refuses_errors_of_other_rows():
    with pytest.raises(ValueError, match=r"one shape.*errors \(2,\).*\(3,\)"):
        metrics.area_under_risk_coverage([0, 1], [1, 2, 3])
