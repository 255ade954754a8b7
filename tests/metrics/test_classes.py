"""Scores of class probabilities: golden numbers, scikit-learn, shapes and refusals."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dropout import metrics

pytestmark = pytest.mark.once

# Five rows of three classes. Their scores were computed by hand.
P = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.1, 0.8, 0.1],
        [0.3, 0.3, 0.4],
        [0.25, 0.5, 0.25],
        [0.05, 0.05, 0.9],
    ]
)
Y = np.array([0, 1, 1, 0, 2])

# Confidences at edges and at 1, of two classes each.
CONFIDENCE = np.array([0.3, 0.5, 0.5, 0.6, 0.75, 0.8, 1, 1])
CORRECT = np.array([0, 1, 0, 1, 0, 1, 1, 0])


def ece_of(confidence, correct, **options):
    """The error of rows of ten classes. The first class has this confidence."""
    rest = np.repeat((1 - confidence)[:, None] / 9, 9, axis=1)
    p = np.concatenate([confidence[:, None], rest], axis=1)
    return metrics.expected_calibration_error(1 - correct, p, **options)


def random_classes(seed, rows=40, classes=4):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), size=rows)
    return rng.integers(classes, size=rows), p, rng.integers(4, size=rows) + 1


def test_golden_likelihood_and_brier():
    assert metrics.negative_log_likelihood(Y, P) == pytest.approx(0.6550892353, 1e-9)
    assert metrics.brier_score(Y, P) == pytest.approx(0.366, 1e-9)


def test_golden_calibration():
    ece = metrics.expected_calibration_error

    assert ece(Y, P, 4) == pytest.approx(0.3, 1e-9)
    classwise = ece(Y, P, 4, classwise=True)
    assert classwise == pytest.approx((0.24 + 0.13 + 0.19) / 3, 1e-9)


@pytest.mark.parametrize(
    ("options", "golden"),
    [
        ({"bins": 4}, 0.18125),
        ({"bins": 4, "norm": "max"}, 0.8 / 3),
        ({"bins": 3, "adaptive": True}, 0.18125),
    ],
    ids=str,
)
def test_golden_edges(options, golden):
    assert ece_of(CONFIDENCE, CORRECT, **options) == pytest.approx(golden, 1e-9)


def test_root_mean_square_by_hand():
    """Bins hold 3, 2 and 3 rows with gaps of 0.3, 0.35 and 0.8 in all."""
    by_hand = np.sqrt((0.1**2 * 3 + 0.175**2 * 2 + (0.8 / 3) ** 2 * 3) / 8)

    assert ece_of(CONFIDENCE, CORRECT, bins=4, norm="l2") == pytest.approx(by_hand)


def brute_force_ece(confidence, correct, bins):
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = (confidence > low if b else confidence >= 0) & (confidence <= high)
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean()
            total += abs(gap) * inside.mean()
    return total


@given(st.integers(0, 10**6), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_calibration_equals_brute_force(seed, bins):
    y, p, _ = random_classes(seed)
    confidence, correct = p.max(axis=1), (p.argmax(axis=1) == y).astype(float)

    found = metrics.expected_calibration_error(y, p, bins)
    classwise = metrics.expected_calibration_error(y, p, bins, classwise=True)

    assert found == pytest.approx(brute_force_ece(confidence, correct, bins))
    errors = [brute_force_ece(p[:, c], (y == c) * 1.0, bins) for c in range(4)]
    assert classwise == pytest.approx(np.mean(errors))


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_order_of_rows_does_not_matter(adaptive):
    """Also where rows of equal confidence lie in two bins of equal numbers."""
    rng = np.random.default_rng(0)
    confidence, correct = rng.integers(2, 6, 50) / 5, rng.integers(2, size=50)
    options = {"bins": 7, "adaptive": adaptive}
    first = ece_of(confidence, correct, **options)

    for _ in range(20):
        order = rng.permutation(50)
        again = ece_of(confidence[order], correct[order], **options)
        assert again == pytest.approx(first, abs=1e-12)


def test_bins_of_equal_numbers_may_outnumber_the_rows():
    error = ece_of(CONFIDENCE[:3], CORRECT[:3], bins=10, adaptive=True)

    # Of the two with confidence 0.5 one is right: no gap.
    assert error == pytest.approx(0.1)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_scores_equal_those_of_scikit_learn(seed):
    y, p, weights = random_classes(seed)
    options = {"sample_weight": weights}
    nll = sklearn.metrics.log_loss(y, p, labels=range(4), **options)
    brier = sklearn.metrics.brier_score_loss(y, p, labels=range(4), **options)
    binary = sklearn.metrics.brier_score_loss(y == 0, p[:, 0], **options)

    assert metrics.negative_log_likelihood(y, p, **options) == pytest.approx(nll)
    assert metrics.brier_score(y, p, **options) == pytest.approx(brier)
    assert metrics.brier_score(y == 0, p[:, 0], **options) == pytest.approx(binary)


SCORES = [
    metrics.brier_score,
    metrics.negative_log_likelihood,
    metrics.expected_calibration_error,
]
every_score = pytest.mark.parametrize("score", SCORES, ids=lambda f: f.__name__)


@every_score
def test_labels_may_be_integers_or_one_hot(score):
    expected = score(Y, P)

    for labels in (Y[:, None], Y.astype(float), np.eye(3)[Y], Y.tolist()):
        assert score(labels, P) == expected


@every_score
def test_binary_labels_take_one_probability(score):
    """They give what two columns give, and half of it for the Brier score."""
    p, y = P[:, 0], (Y == 0).astype(int)
    two = score(y, np.stack([1 - p, p], axis=1))
    expected = two / 2 if score is metrics.brier_score else two

    for labels, probabilities in ((y, p), (y[:, None], p[:, None]), (y, p[:, None])):
        assert score(labels, probabilities) == pytest.approx(expected)


@every_score
def test_dense_outputs_count_each_place(score):
    y, p, _ = random_classes(0, rows=24)

    dense = score(y.reshape(2, 3, 4), p.reshape(2, 3, 4, 4))

    assert dense == pytest.approx(score(y, p))


@every_score
def test_weights_count_like_repetition(score):
    y, p, weights = random_classes(1)
    weights[0] = 0
    repeated = np.repeat(np.arange(len(y)), weights)

    weighted = score(y, p, sample_weight=weights)

    assert weighted == pytest.approx(score(y[repeated], p[repeated]))


@every_score
def test_a_weight_of_a_row_holds_for_all_in_it(score):
    y, p, weights = random_classes(2, rows=24)
    y, p, weights = y.reshape(6, 4), p.reshape(6, 4, 4), weights[:6]
    every = np.repeat(weights[:, None], 4, axis=1)

    for_rows = score(y, p, sample_weight=weights)

    assert for_rows == pytest.approx(score(y, p, sample_weight=every))


def test_a_probability_of_0_that_occurs_has_a_finite_loss():
    p = np.array([[1.0, 0.0]])

    assert metrics.negative_log_likelihood([1], p) == pytest.approx(-np.log(1e-37))
    assert metrics.negative_log_likelihood([0], p) == 0


@every_score
def test_half_precision_is_no_reason_to_refuse(score):
    logits = np.random.default_rng(0).normal(size=(5, 3), scale=3)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    assert score(Y, p.astype("float16")) == pytest.approx(score(Y, p), rel=1e-2)


@every_score
@pytest.mark.parametrize(
    ("y", "p", "error", "message"),
    [
        ([], [], ValueError, "one element or more.*y_true"),
        (Y, np.where(P == 0.9, np.nan, P), ValueError, "`y_pred`.*neither NaN"),
        ([0.0, np.nan], [0.1, 0.2], ValueError, "`y_true`.*neither NaN"),
        (Y, 3 * P, ValueError, "Apply a softmax"),
        (Y, P / 2, ValueError, r"sum to 1.*ravel.*0\.5"),
        (Y[:4], P, ValueError, r"a label a row.*\(4,\)"),
        (Y[None], P, ValueError, r"a label a row.*\(1, 5\)"),
        (Y + 1, P, ValueError, "integers from 0 to 2.*from 1 to 3"),
        (Y + 0.5, P, ValueError, "integers from 0 to 2"),
        (P, np.eye(3)[Y], ValueError, "One-hot labels.*Is it y_pred"),
        (0, 0.5, ValueError, "one row or more"),
        (Y, P.astype(str), TypeError, "real numbers"),
        (Y, P + 0j, TypeError, "real numbers"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_refuses(score, y, p, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        score(y, p)


@every_score
@pytest.mark.parametrize("weights", [[1, 2], [-1, 1, 1, 1, 1], [0] * 5, [np.nan] * 5])
def test_refuses_weights_that_are_none(score, weights):
    with pytest.raises(ValueError, match="`sample_weight` must"):
        score(Y, P, sample_weight=weights)


@pytest.mark.parametrize(
    "options", [{"bins": 0}, {"norm": "l3"}, {"adaptive": 1}, {"bins": 2.5}], ids=str
)
def test_refuses_settings(options):
    with pytest.raises((TypeError, ValueError), match=f"`{next(iter(options))}`"):
        metrics.expected_calibration_error(Y, P, **options)
