"""What `mc_predict` gives back: rows, quantiles, text, arrays and files."""

import dataclasses
import pickle

import numpy as np
import pytest

import keras_dropout as kd
from tests.uncertainty import models

pytestmark = pytest.mark.once

FIELDS = [field.name for field in dataclasses.fields(kd.Prediction)]


def _predicted(samples, kind, **options):
    """What a model with these samples gives, without the model."""
    return kd.Prediction.from_samples(
        samples, kind, active=("a/dropout", "b"), seed=7, **options
    )


@pytest.fixture(scope="module")
def classified():
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(8, 5))
    return _predicted(samples.astype("float32"), "probabilities")


@pytest.fixture(scope="module")
def regressed():
    samples = models.x_of(8, 5, 3)
    spread = np.full_like(samples, 0.25)
    prediction = _predicted(samples, "gaussian", noise_variance=spread)
    return dataclasses.replace(prediction, samples=None)


@pytest.fixture(scope="module")
def segmented():
    """Classes first, of maps of 2 by 4."""
    samples = np.random.default_rng(1).dirichlet(np.ones(3), size=(8, 5, 2, 4))
    samples = np.moveaxis(samples, -1, 2).astype("float32")
    return _predicted(samples, "probabilities", axis=2)


@pytest.fixture(params=["classified", "regressed", "segmented"])
def prediction(request):
    return request.getfixturevalue(request.param)


def _with(prediction, **changes):
    """The same prediction with other statistics."""
    changed = {**prediction.statistics, **changes}
    return dataclasses.replace(prediction, statistics=changed)


def _same(found, expected):
    """Asserts that two predictions are equal in all that they hold."""
    for name in FIELDS:
        one, other = getattr(found, name), getattr(expected, name)
        if name != "statistics":
            one, other = {name: one}, {name: other}
        assert one.keys() == other.keys()
        for key, array in one.items():
            np.testing.assert_array_equal(array, other[key], err_msg=key)


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
    valid = np.arange(10).reshape(5, 2) % 3 > 0
    prediction = dataclasses.replace(classified, valid=valid)

    np.testing.assert_array_equal(prediction[1:3].valid, valid[1:3])


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
    prediction = _with(classified, information=information)

    found = prediction.most_uncertain(5, by="mutual_information")

    np.testing.assert_array_equal(found, [2, 4, 0, 3, 1])


def test_values_are_ranked_by_all_of_their_variance(regressed):
    aleatoric = np.arange(15.0).reshape(5, 3)
    prediction = _with(regressed, noise_variance=aleatoric)

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


def test_noise_of_the_data_is_refused_for_values_with_the_way_out():
    values = _predicted(np.zeros((3, 5, 2)), "values")

    with pytest.raises(ValueError, match="Say so with outputs='gaussian'"):
        values.aleatoric  # noqa: B018


def test_the_variance_of_a_label_has_two_parts(classified):
    p = classified.mean

    np.testing.assert_allclose(classified.total, p * (1 - p))
    np.testing.assert_allclose(
        classified.aleatoric + classified.epistemic, classified.total, rtol=1e-5
    )
    # Only the variance between samples. A single sample has none.
    np.testing.assert_allclose(classified.std**2, classified.epistemic, rtol=1e-6)
    single = _predicted(p[None], "probabilities")
    np.testing.assert_allclose(single.aleatoric, p * (1 - p), rtol=1e-6)


@pytest.mark.parametrize(
    ("by", "sign"),
    [
        ("auto", -1),
        ("entropy", -1),
        ("mutual_information", -1),
        ("margin", 1),
        ("max_probability", 1),
        ("variation_ratio", -1),
    ],
)
def test_rows_are_ranked_by_what_is_asked_for(classified, by, sign):
    measure = getattr(classified, "entropy" if by == "auto" else by)

    expected = np.argsort(sign * measure.astype(float), kind="stable")

    np.testing.assert_array_equal(classified.rank(by), expected)
    np.testing.assert_array_equal(classified.most_uncertain(2, by=by), expected[:2])


@pytest.mark.parametrize("by", ["entropy", "luck", None])
def test_values_are_not_ranked_by_what_they_do_not_have(regressed, by):
    with pytest.raises(ValueError, match=r"by"):
        regressed.rank(by)


def test_a_predictive_interval_holds_new_data():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(4000, 1))
    samples = mean + 0.5 * rng.normal(size=(60, 4000, 1))
    y = mean + rng.normal(size=(4000, 1)) * np.hypot(0.5, 2)
    gaussian = _predicted(
        samples, "gaussian", noise_variance=np.full(samples.shape, 4.0)
    )

    told = gaussian.predictive_interval(0.9)
    given = _predicted(samples, "values").predictive_interval(0.9, noise_variance=4.0)

    for lower, upper in (told, given):
        covered = kd.metrics.interval_coverage(y, lower, upper)
        # Five standard errors of 4,000 values.
        assert covered == pytest.approx(0.9, abs=0.024)
    mine = kd.metrics.interval_coverage(y, *gaussian.interval(0.9))
    assert mine < 0.5


def test_a_predictive_interval_needs_noise_that_is_told_once(classified, regressed):
    values = _predicted(np.zeros((3, 5, 2)), "values")

    with pytest.raises(ValueError, match="for outputs of kind 'values'"):
        values.predictive_interval()
    with pytest.raises(ValueError, match="for outputs of kind 'gaussian'"):
        regressed.predictive_interval(noise_variance=1.0)
    with pytest.raises(ValueError, match="ConformalClassifier"):
        classified.predictive_interval()
    with pytest.raises(ValueError, match="negative"):
        values.predictive_interval(noise_variance=-1.0)


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
    assert found.keys() > expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_a_file_gives_back_the_prediction_whole(prediction, tmp_path):
    valid = np.arange(10).reshape(5, 2) % 3 > 0
    for number, each in enumerate(
        [prediction, dataclasses.replace(prediction, valid=valid)]
    ):
        path = tmp_path / f"{number}"
        each.save(path)

        _same(kd.Prediction.load(path), each)
        _same(kd.Prediction.load(f"{path}.npz"), each)


def test_one_class_can_be_saved_and_has_no_margin(tmp_path):
    prediction = kd.Prediction.from_samples(np.ones((4, 3, 1)), "probabilities")

    prediction.save(tmp_path / "one")

    _same(kd.Prediction.load(tmp_path / "one"), prediction)
    assert "margin" not in prediction.to_dict()
    np.testing.assert_array_equal(prediction.max_probability, 1)
    with pytest.raises(ValueError, match="outputs='binary'"):
        _ = prediction.margin


def _arrays(**changes):
    shape = (2, 3)
    arrays = {name: np.zeros(shape) for name in ("mean", "variance", "standard_error")}
    settings = '{"kind": "values", "class_axis": null, "active": [], '
    settings += '"masks": "shared", "seed": null, "calibration": [], "exact": null}'
    return {**arrays, "count": np.zeros(2), "settings": np.array(settings), **changes}


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        _arrays(settings=np.array("{}")),
        _arrays(settings=np.array("{")),
        _arrays(variance=np.zeros((3, 2))),
        _arrays(mean=np.array(["a", None], object)),
        _arrays(settings=np.array(str(_arrays()["settings"]).replace("values", "x"))),
        _arrays(
            settings=np.array(str(_arrays()["settings"]).replace("values", "binary"))
        ),
    ],
    ids=["empty", "settings", "text", "shapes", "objects", "kind", "statistics"],
)
def test_a_file_without_a_prediction_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "good.npz", **_arrays())
    kd.Prediction.load(tmp_path / "good")
    np.savez(tmp_path / "bad.npz", **arrays)

    with pytest.raises(ValueError, match=r"must be one that `Prediction\.save` wrote"):
        kd.Prediction.load(tmp_path / "bad.npz")


def test_a_file_that_is_cut_off_or_not_there_is_refused(classified, tmp_path):
    path = tmp_path / "prediction.npz"
    classified.save(path)
    whole = path.read_bytes()
    for kept in (0, 10, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"must be one that `Prediction\.save`"):
            kd.Prediction.load(path)
    with pytest.raises(FileNotFoundError):
        kd.Prediction.load(tmp_path / "nothing")


def test_a_prediction_as_an_array_is_its_mean(prediction):
    np.testing.assert_array_equal(np.asarray(prediction), prediction.mean)
    assert np.asarray(prediction, "float64").dtype == "float64"
    np.array(prediction)[:] = -1
    assert (prediction.mean != -1).all()


def test_a_prediction_can_be_pickled(prediction):
    _same(pickle.loads(pickle.dumps(prediction)), prediction)


def test_the_constructor_takes_no_private_fields():
    assert not [name for name in FIELDS if name.startswith("_")]
    prediction = kd.Prediction(*np.ones((3, 2, 4)), count=np.full(2, 5))
    assert prediction.total.shape == (2, 4)


def test_a_notebook_shows_a_table(classified):
    table = dataclasses.replace(classified, active=("a<b",))._repr_html_()

    assert table.count("<tr>") == 5
    assert "a&lt;b" in table
    assert f"<td>{classified.entropy.mean():.4g}</td>" in table
    assert classified[:0]._repr_html_().startswith("<table>")


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
        "margin",
        "max_probability",
        "label",
        "uncertainty",
    ],
)
@pytest.mark.parametrize("kind", ["probabilities", "logits", "binary"])
def test_measures_take_the_classes_from_their_axis(name, kind):
    samples = np.random.default_rng(1).random((8, 5, 2, 4, 3)).astype("float32")
    first = np.moveaxis(samples, -1, 2)

    expected = kd.Prediction.from_samples(samples, kind)
    found = kd.Prediction.from_samples(first, kind, axis=2)

    assert found.mean.shape == (5, 3, 2, 4)
    assert (found.class_axis, expected.class_axis) == (-3, -1)
    one, other = getattr(found, name), getattr(expected, name)
    if name == "label" and kind == "binary":
        one = np.moveaxis(one, 1, -1)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(found.most_uncertain(3), expected.most_uncertain(3))


def test_one_label_a_row_needs_no_axis():
    samples = np.random.default_rng(0).random((6, 4))

    flat = kd.Prediction.from_samples(samples, "binary")
    column = kd.Prediction.from_samples(samples[..., None], "binary")

    assert flat.class_axis is None
    for name, array in column.to_dict().items():
        found = getattr(flat, name)
        np.testing.assert_allclose(found, array.reshape(found.shape), err_msg=name)


def test_logits_are_put_through_a_softmax():
    logits = np.random.default_rng(0).normal(size=(6, 4, 3, 2)) * 50
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))

    found = kd.Prediction.from_samples(logits, "logits", axis=-2, masks="shared")

    expected = (powers / powers.sum(axis=2, keepdims=True)).mean(axis=0)
    assert found.masks == "shared"
    np.testing.assert_allclose(found.mean, expected, rtol=1e-6)


def test_one_logit_is_put_through_a_sigmoid():
    logits = np.random.default_rng(0).normal(size=(6, 4)) * 50

    for samples in (logits, logits[..., None]):
        found = kd.Prediction.from_samples(samples, "logits")

        assert found.kind == "binary"
        expected = (1 / (1 + np.exp(-samples))).mean(axis=0)
        np.testing.assert_allclose(found.mean, expected, rtol=1e-6)
        assert (found.std > 0).all()


def test_joined_samples_are_told_from_their_blocks():
    half = np.random.default_rng(0).random((10, 1, 50, 1))
    pairs = np.concatenate([half, 1 - half], axis=1).reshape(20, 50, 1)

    errors = {
        options.get("masks", "-"): kd.Prediction.from_samples(
            pairs, **options
        ).standard_error
        for options in (
            {},
            {"masks": "antithetic"},
            {"masks": "stratified", "block": 4},
        )
    }

    assert errors["-"].min() > 0.03
    np.testing.assert_allclose(errors["antithetic"], 0, atol=1e-7)
    np.testing.assert_allclose(errors["stratified"], 0, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"samples": np.ones(3)}, ValueError, "one sample or more"),
        ({"samples": np.ones((0, 3))}, ValueError, "one sample or more"),
        ({"samples": np.array([["a"]])}, TypeError, "real numbers"),
        ({"samples": np.ones((2, 3), complex)}, TypeError, "real numbers"),
        ({"kind": "auto"}, ValueError, "one of 'values'"),
        (
            {"kind": "probabilities", "samples": -np.ones((2, 3, 4))},
            ValueError,
            "logits",
        ),
        ({"kind": "probabilities", "samples": np.ones((2, 3))}, ValueError, "axis"),
        ({"kind": "probabilities", "axis": 1}, ValueError, "after that of the rows"),
        ({"kind": "probabilities", "axis": -2}, ValueError, "after that of the rows"),
        ({"kind": "probabilities", "axis": 3}, ValueError, "after that of the rows"),
        ({"kind": "probabilities", "axis": 1.0}, TypeError, "axis"),
        ({"kind": "gaussian"}, ValueError, "noise_variance"),
        ({"noise_variance": np.ones((2, 3, 4))}, ValueError, "noise_variance"),
        (
            {"kind": "gaussian", "noise_variance": -np.ones((2, 3, 4))},
            ValueError,
            "not negative",
        ),
        ({"valid": np.ones((2, 3), bool)}, ValueError, "first axes of"),
        ({"valid": np.ones(3)}, ValueError, "boolean"),
        ({"masks": "pairs"}, ValueError, "'antithetic'"),
        ({"masks": "antithetic", "samples": np.ones((3, 3, 4))}, ValueError, "divides"),
        ({"block": 0}, ValueError, "at least 1"),
        ({"seed": -1}, ValueError, "seed=-1"),
    ],
)
def test_samples_that_do_not_fit_are_refused(arguments, error, text):
    given = {"samples": np.ones((2, 3, 4)), **arguments}
    with pytest.raises(error, match=text):
        kd.Prediction.from_samples(given.pop("samples"), **given)
