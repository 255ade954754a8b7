"""What `mc_predict` gives back: rows, quantiles, text, arrays and files."""

import dataclasses

import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling.total import Total, finished
from keras_dropout.uncertainty import statistics
from tests.uncertainty import models

FIELDS = [field.name for field in dataclasses.fields(kd.Prediction)]


def _predicted(samples, measure, kind, **options):
    """What a model with these samples gives, without the model."""
    everything = np.ones(len(samples), bool)
    total = Total(measure, samples.shape[1], pairs_calls=False)
    summary = statistics.summarise(samples, everything, measure, np, **options)
    total.add({**summary, "samples": samples})
    return kd.Prediction(
        **finished([total], measure), kind=kind, active=("a/dropout", "b"), seed=7
    )


@pytest.fixture(scope="module")
def classified():
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(8, 5))
    return _predicted(samples.astype("float32"), "probabilities", "probabilities")


@pytest.fixture(scope="module")
def regressed():
    samples = models.x_of(8, 5, 3)
    spread = np.full_like(samples, 0.25)
    prediction = _predicted(samples, "values", "gaussian", noise_variance=spread)
    return dataclasses.replace(prediction, samples=None)


@pytest.fixture(params=["classified", "regressed"])
def prediction(request):
    return request.getfixturevalue(request.param)


def _same(found, expected):
    """Asserts that two predictions are equal in all that they hold."""
    for name in FIELDS:
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        (2, [2]),
        (-1, [4]),
        (np.int64(0), [0]),
        ([3, 3, 0], [3, 3, 0]),
        (np.array([True, False, False, True, False]), [0, 3]),
        (slice(0, 0), []),
    ],
    ids=str,
)
def test_rows_are_chosen_from_everything_at_once(prediction, rows, places):
    chosen = prediction[rows]

    assert len(chosen) == len(places)
    assert (chosen.kind, chosen.active, chosen.seed, chosen.masks) == (
        prediction.kind,
        prediction.active,
        prediction.seed,
        prediction.masks,
    )
    for name, array in prediction.to_dict().items():
        axis = 1 if name == "samples" else 0
        expected = np.take(array, np.array(places, int), axis=axis)
        np.testing.assert_array_equal(getattr(chosen, name), expected, err_msg=name)


def test_steps_that_are_masked_go_with_their_rows(classified):
    mask = np.arange(10).reshape(5, 2) % 3 > 0
    prediction = dataclasses.replace(classified, mask=mask)

    np.testing.assert_array_equal(prediction[1:3].mask, mask[1:3])


def test_going_through_a_prediction_gives_its_rows(prediction):
    rows = list(prediction)

    assert len(rows) == len(prediction) == 5
    for place, row in enumerate(rows):
        _same(row, prediction[place : place + 1])


@pytest.mark.parametrize("rows", [5, -6, (0, 1), [7], np.zeros((2, 2), int), "mean"])
def test_what_are_no_rows_is_refused(prediction, rows):
    with pytest.raises(IndexError):
        prediction[rows]


def test_it_cannot_be_changed_by_mistake(prediction):
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.seed = 3


def test_the_most_uncertain_rows_come_largest_first(prediction):
    uncertainty = prediction.uncertainty

    found = prediction.most_uncertain(3)

    expected = sorted(range(5), key=lambda row: -uncertainty[row])[:3]
    np.testing.assert_array_equal(found, expected)
    assert len(prediction.most_uncertain(99)) == 5
    assert prediction[found].uncertainty[0] == uncertainty.max()


def test_equally_uncertain_rows_keep_their_order_and_unknown_ones_come_last(classified):
    information = np.array([0.1, np.nan, 0.3, 0.1, 0.3])
    prediction = dataclasses.replace(classified, _information=information)

    np.testing.assert_array_equal(prediction.most_uncertain(5), [2, 4, 0, 3, 1])


def test_values_are_ranked_by_all_of_their_variance(regressed):
    aleatoric = np.arange(15.0).reshape(5, 3)
    prediction = dataclasses.replace(regressed, _aleatoric=aleatoric)

    expected = (prediction.variance + aleatoric).mean(axis=1)

    np.testing.assert_allclose(prediction.uncertainty, expected)


@pytest.mark.parametrize(
    ("k", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)]
)
def test_a_bad_number_of_rows_is_refused(classified, k, error):
    with pytest.raises(error, match=f"integer of at least 1. Received: k={k}"):
        classified.most_uncertain(k)


@pytest.mark.parametrize("q", [0.25, 0, 1, [0.1, 0.5, 0.9], (0.5,), np.float32(0.5)])
def test_quantiles_are_those_of_the_samples(classified, q):
    expected = np.quantile(classified.samples.astype("float64"), q, axis=0)

    found = classified.quantile(q)

    assert found.shape == expected.shape
    assert found.dtype == classified.mean.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_an_interval_leaves_as_much_out_on_either_side(classified, level):
    lower, upper = classified.interval(level)

    tail = (1 - level) / 2
    samples = classified.samples.astype("float64")
    np.testing.assert_allclose(lower, np.quantile(samples, tail, axis=0), rtol=1e-5)
    np.testing.assert_allclose(upper, np.quantile(samples, 1 - tail, axis=0), rtol=1e-5)
    assert lower.shape == upper.shape == classified.mean.shape


def test_quantiles_without_samples_are_refused_with_the_way_out(regressed):
    for ask in (lambda: regressed.quantile(0.5), regressed.interval):
        with pytest.raises(ValueError, match=r"return_samples=True\)`. Received: no"):
            ask()


@pytest.mark.parametrize(
    ("q", "error"),
    [
        (1.5, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        ([0.1, 2.0], ValueError),
        ("half", TypeError),
    ],
)
def test_quantiles_out_of_range_are_refused(classified, q, error):
    with pytest.raises(error, match=r"between 0 and 1\. Received: q="):
        classified.quantile(q)


@pytest.mark.parametrize(
    ("level", "error"),
    [(0, ValueError), (1, ValueError), (90, ValueError), ("90%", TypeError)],
)
def test_levels_out_of_range_are_refused(classified, level, error):
    with pytest.raises(error, match=r"above 0 and below 1\. Received: level="):
        classified.interval(level)


@pytest.mark.parametrize(
    "name",
    [
        "entropy",
        "expected_entropy",
        "mutual_information",
        "mutual_information_corrected",
        "mutual_information_error",
        "variation_ratio",
        "disagreement",
        "max_probability",
        "margin",
        "label",
    ],
)
def test_measures_of_classes_are_refused_for_values_with_the_way_out(regressed, name):
    text = f"`{name}` needs class .* outputs='probabilities', 'logits' or 'binary'"
    with pytest.raises(ValueError, match=text):
        getattr(regressed, name)


def test_noise_of_the_data_is_refused_for_classes_with_the_way_out(classified):
    with pytest.raises(ValueError, match="Say so with outputs='gaussian'"):
        _ = classified.aleatoric


def test_a_prediction_prints_what_it_found(classified):
    lines = repr(classified).splitlines()

    assert lines[0] == (
        "Prediction of 5 rows, probabilities, mean of shape (5, 3), "
        "8 independent samples"
    )
    assert lines[1] == "  noise: a/dropout, b (seed 7)"
    information = classified.mutual_information
    assert lines[-1] == (
        f"  mutual information: {information.mean():.4g} on average, "
        f"{information.max():.4g} at most nats"
    )


def test_a_prediction_of_values_prints_no_nats(regressed):
    text = repr(regressed)

    assert "nats" not in text
    assert "aleatoric variance: 0.25 on average, 0.25 at most" in text


def test_counts_that_differ_print_as_a_range(classified):
    prediction = dataclasses.replace(classified, count=np.array([10, 20, 30, 20, 10]))

    assert "10 to 30 independent samples" in repr(prediction)


def test_a_prediction_without_rows_prints_too(prediction):
    assert repr(prediction[:0]).startswith("Prediction of 0 rows")


def test_a_dictionary_holds_what_this_kind_of_output_has(classified, regressed):
    of_both = {"mean", "std", "variance", "standard_error", "count"}

    of_classes, of_values = (set(each.to_dict()) for each in (classified, regressed))

    assert of_both == of_classes & of_values
    corrected = "mutual_information_corrected"
    expected = {"entropy", "mutual_information", corrected, "margin", "samples"}
    assert expected < of_classes
    assert of_values - of_both == {"epistemic", "aleatoric", "total"}


def test_a_file_gives_back_every_array(prediction, tmp_path):
    prediction.save(tmp_path / "prediction.npz")

    with np.load(tmp_path / "prediction.npz") as file:
        found = dict(file)

    expected = prediction.to_dict()
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)
