"""Which rows to label next: by ranks, drawn, and as batches against enumeration."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from keras_dropout import acquisition
from keras_dropout.uncertainty import Prediction

pytestmark = pytest.mark.once


def prediction_of(samples, kind="probabilities", masks="shared", **options):
    """A prediction with these samples, `(samples, rows, ...)`."""
    return Prediction.from_samples(samples, kind, masks=masks, **options)


def dirichlet(seed, samples=6, rows=5, classes=3):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(classes), size=(samples, rows))


# Two samples of five rows. Each measure ranks the rows differently.
ROWS = np.array(
    [
        [[0.9, 0.1], [0.5, 0.5], [1.0, 0.0], [0.6, 0.4], [0.9, 0.1]],
        [[0.9, 0.1], [0.5, 0.5], [0.0, 1.0], [0.4, 0.6], [0.7, 0.3]],
    ]
)


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("mutual_information", [2, 4, 3, 0, 1]),
        ("entropy", [1, 2, 3, 4, 0]),
        ("margin", [1, 2, 3, 4, 0]),
        ("variation_ratio", [2, 3, 0, 1, 4]),
        ("std", [2, 3, 4, 0, 1]),
    ],
)
def test_the_most_uncertain_come_first_and_of_equals_the_first(method, order):
    prediction = prediction_of(ROWS)

    for k in (1, 3, 5):
        chosen = acquisition.select(prediction, k, method)
        assert chosen.tolist() == order[:k]


def test_values_are_ranked_by_their_deviation():
    samples = np.array([[[0.0], [5.0], [1.0]], [[1.0], [5.0], [4.0]]])

    chosen = acquisition.select(prediction_of(samples, "values"), 3, "std")

    assert chosen.tolist() == [2, 0, 1]


def test_dense_outputs_count_with_the_mean_of_what_is_real():
    calm, torn = [[0.9, 0.1], [0.9, 0.1]], [[1.0, 0.0], [0.0, 1.0]]
    # Rows of two steps: both torn; the first torn; none; the second torn.
    steps = [(torn, torn), (torn, calm), (calm, calm), (calm, torn)]
    samples = np.array(steps).transpose(2, 0, 1, 3)
    valid = np.array([[False, False], [True, False], [True, True], [True, True]])

    whole = acquisition.select(prediction_of(samples), 4)
    masked = acquisition.select(prediction_of(samples, valid=valid), 4)
    spread = acquisition.select(prediction_of(samples, valid=valid), 4, "std")

    assert whole.tolist() == [0, 1, 3, 2]
    # Of the first row nothing is real, so it comes last.
    assert masked.tolist() == spread.tolist() == [1, 3, 2, 0]


def test_classes_may_stand_on_any_axis():
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(6, 5, 4))
    valid = np.random.default_rng(1).integers(2, size=(5, 4)) > 0
    moved = np.moveaxis(samples, -1, 2)

    for method in ("mutual_information", "std", "margin"):
        chosen = [
            acquisition.select(prediction, 5, method).tolist()
            for prediction in (
                prediction_of(samples, valid=valid),
                prediction_of(moved, axis=2, valid=valid),
            )
        ]
        assert chosen[0] == chosen[1]


def test_what_is_no_number_comes_last():
    rows = ROWS.copy()
    rows[:, 2] = np.nan
    prediction = prediction_of(rows)

    assert acquisition.select(prediction, 5)[-1] == 2
    drawn = [
        acquisition.select(prediction, 5, "entropy", power=1)[-1] for _ in range(9)
    ]
    assert drawn == [2] * 9


def test_random_draws_without_replacement_by_its_seed():
    prediction = prediction_of(dirichlet(0, rows=30))

    def draw(seed):
        return acquisition.select(prediction, 30, "random", seed=seed).tolist()

    assert sorted(draw(1)) == list(range(30))
    assert draw(1) == draw(1) != draw(2)
    keras.utils.set_random_seed(3)
    first, other = draw(None), draw(None)
    keras.utils.set_random_seed(3)
    assert draw(None) == first != other


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_power_draws_in_proportion_to_the_power(power):
    """The first row and the first two, against their exact probabilities."""
    prediction = prediction_of(ROWS)
    score = prediction.entropy.astype("float64") ** power
    p = score / score.sum()
    draws = 4000
    pairs = [
        acquisition.select(prediction, 2, "entropy", power=power, seed=seed)
        for seed in range(draws)
    ]
    first = np.bincount([a for a, _ in pairs], minlength=5) / draws
    error = np.sqrt(p * (1 - p) / draws)

    assert np.all(np.abs(first - p) < 5 * error)
    # The second is drawn from what is left.
    exact = p[1] * p[0] / (1 - p[1])
    seen = np.mean([(a, b) == (1, 0) for a, b in map(tuple, pairs)])
    assert abs(seen - exact) < 5 * np.sqrt(exact * (1 - exact) / draws)


def test_power_never_draws_what_is_certain_before_the_rest():
    """Rows 0 and 1 have no mutual information, so their probability is 0."""
    prediction = prediction_of(ROWS)

    for seed in range(20):
        chosen = acquisition.select(prediction, 5, power=1.0, seed=seed)
        assert chosen[3:].tolist() == [0, 1]


def joint_information(samples, rows):
    """Of the labels of some rows about the sample, by enumeration."""
    classes = samples.shape[-1]
    total = 0.0
    for labels in itertools.product(range(classes), repeat=len(rows)):
        each = np.prod([samples[:, r, c] for r, c in zip(rows, labels, strict=True)], 0)
        total -= each.mean() * np.log(max(each.mean(), 1e-300))
    p = samples[:, list(rows)]
    return total + (p * np.log(p)).sum(axis=(1, 2)).mean()


def greedy(samples, k):
    chosen = []
    for _ in range(k):
        gains = [
            -np.inf if row in chosen else joint_information(samples, [*chosen, row])
            for row in range(samples.shape[1])
        ]
        chosen.append(int(np.argmax(gains)))
    return chosen


@pytest.mark.parametrize("seed", range(8))
def test_batches_are_those_of_enumeration(seed):
    samples = dirichlet(seed, samples=7, rows=6)

    chosen = acquisition.batch_bald(prediction_of(samples), 4)

    assert chosen.tolist() == greedy(samples.astype("float32").astype("float64"), 4)


def test_many_rows_are_searched_without_loss():
    """More rows than are looked at together, so that bounds decide."""
    samples = dirichlet(0, samples=12, rows=300)
    prediction = prediction_of(samples)

    chosen = acquisition.batch_bald(prediction, 3)

    samples = samples.astype("float32").astype("float64")
    assert chosen.tolist() == greedy(samples, 3)


def test_drawn_outcomes_choose_what_gains_as_much():
    """27 of 2,187 outcomes: less than the best by the error of the estimate."""
    for seed in range(5):
        samples = dirichlet(seed, samples=10, rows=12)
        prediction = prediction_of(samples)
        exact = acquisition.batch_bald(prediction, 7)
        drawn = acquisition.batch_bald(
            prediction, 7, configurations=27, draws=27, seed=seed
        )

        assert len(set(drawn.tolist())) == 7
        best, found = (joint_information(samples, rows) for rows in (exact, drawn))
        assert found > 0.97 * best


def test_drawing_is_right_in_the_mean():
    """The entropy of a label given others, over 400 seeds, within 5 standard errors."""
    from keras_dropout.acquisition.batch import _entropy, _Labels

    samples = dirichlet(3, samples=6, rows=5)
    labels = _Labels.none(6)
    for row in range(4):
        labels = labels.and_of(samples[:, row])
    expected = _entropy(samples).mean(axis=0)
    exact = labels.gains(samples[:, 4:], expected[4:])[0]

    drawn = [
        labels.drawn(10, np.random.default_rng(seed)).gains(
            samples[:, 4:], expected[4:]
        )
        for seed in range(400)
    ]

    assert np.std(drawn) > 0
    assert abs(np.mean(drawn) - exact) < 5 * np.std(drawn) / 20


def test_a_batch_does_not_take_the_same_twice():
    """Two rows that are alike are the two most uncertain; the batch takes one."""
    samples = np.array(
        [
            [[1.0, 0.0], [1.0, 0.0], [0.9, 0.1]],
            [[1.0, 0.0], [1.0, 0.0], [0.2, 0.8]],
            [[0.0, 1.0], [0.0, 1.0], [0.9, 0.1]],
            [[0.0, 1.0], [0.0, 1.0], [0.2, 0.8]],
        ]
    )
    prediction = prediction_of(samples)

    assert acquisition.select(prediction, 2).tolist() == [0, 1]
    assert acquisition.batch_bald(prediction, 2).tolist() == [0, 2]
    # The first alone tells all there is of it, so the other comes last.
    assert acquisition.batch_bald(prediction, 3).tolist() == [0, 2, 1]
    # After 99 more rows. Each of these alone would be the most informative.
    many = prediction_of(np.repeat(samples, [100, 0, 1], axis=1))
    assert acquisition.batch_bald(many, 2).tolist() == [0, 100]


def test_equal_rows_come_in_their_order():
    prediction = prediction_of(np.repeat(dirichlet(0, rows=1), 5, axis=1))

    assert acquisition.batch_bald(prediction, 5).tolist() == [0, 1, 2, 3, 4]


def test_binary_labels_count_jointly():
    """One or two labels a row, as classes of all outcomes; one also without an axis."""
    p = np.random.default_rng(0).uniform(size=(5, 6, 2)).astype("float32")
    one = np.concatenate([1 - p[..., :1], p[..., :1]], axis=-1)
    two = one[..., :, None] * np.stack([1 - p[..., 1], p[..., 1]], -1)[..., None, :]

    for binary, classes in (
        (p[..., :1], one),
        (p[..., 0], one),
        (p, two.reshape(5, 6, 4)),
    ):
        chosen = acquisition.batch_bald(prediction_of(binary, "binary"), 3)
        expected = acquisition.batch_bald(prediction_of(classes), 3)
        assert chosen.tolist() == expected.tolist()


@pytest.mark.parametrize("function", [acquisition.select, acquisition.batch_bald])
def test_refuses_numbers_of_rows(function):
    prediction = prediction_of(ROWS)

    with pytest.raises(ValueError, match=r"`k`.*at most the 5 rows"):
        function(prediction, 6)
    with pytest.raises(ValueError, match="`k`"):
        function(prediction, 0)
    with pytest.raises(TypeError, match="`k`"):
        function(prediction, 1.5)
    with pytest.raises(TypeError, match=r"`prediction`.*one output"):
        function([prediction], 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "bald"}, ValueError, "`method`"),
        ({"power": 0}, ValueError, "`power`"),
        ({"power": "1"}, TypeError, "`power`"),
        ({"method": "random", "power": 1.0}, ValueError, "`power`.*random"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"seed": 1.0}, TypeError, "`seed`"),
    ],
    ids=str,
)
def test_select_refuses(options, error, message):
    with pytest.raises(error, match=message):
        acquisition.select(prediction_of(ROWS), 2, **options)


def test_select_refuses_measures_of_classes_for_values():
    with pytest.raises(ValueError, match=r"class probabilities.*method='std'.*values"):
        acquisition.select(prediction_of(ROWS, "values"), 2)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (ROWS, {"masks": "independent"}, r"masks='shared', return_samples=True.*indep"),
        (ROWS, {"kind": "values"}, r"class probabilities.*'std'.*'values'"),
        (ROWS[:, None], {}, r"one label a row.*power=1.*\(2, 1, 5, 2\)"),
        (np.full((2, 3, 9), 0.5), {"kind": "binary"}, "up to 8 binary labels.*9"),
        (np.where(ROWS == 1, np.nan, ROWS), {}, "finite probabilities.*2 NaN"),
    ],
)
def test_batch_bald_refuses(samples, options, message):
    with pytest.raises(ValueError, match=message):
        acquisition.batch_bald(prediction_of(samples, **options), 1)


def test_batch_bald_refuses_without_samples():
    prediction = dataclasses.replace(prediction_of(ROWS), samples=None)

    with pytest.raises(ValueError, match=r"return_samples=True.*Received: no samples"):
        acquisition.batch_bald(prediction, 1)
