"""Keras metrics that stream: equal to the functions, in models, saved and loaded."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import losses, metrics

K = keras.layers
ROWS, CLASSES = 60, 4

# In float32 a mean of 60 numbers is right to a few units of rounding.
CLOSE = {"rel": 2e-6, "abs": 1e-6}


def array(x):
    return ops.convert_to_numpy(x)


def classes():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(CLASSES), size=ROWS).astype("float32")
    # Confidences that are edges of bins, in float32 above and below the exact ones.
    p[:15] = np.arange(1, 16)[:, None] / 15 * np.eye(CLASSES)[0]
    p[:15, 1:] = (1 - p[:15, :1]) / 3
    return rng.integers(CLASSES, size=ROWS), p


def values(outputs=2):
    rng = np.random.default_rng(1)
    y = rng.normal(size=(ROWS, outputs))
    return y, rng.normal(size=(ROWS, 2 * outputs)).astype("float32")


def moments(y_pred):
    mean, s = np.split(y_pred.astype("float64"), 2, axis=-1)
    return mean, np.exp(s / 2)


def covered(y, y_pred, **options):
    mean, std = moments(y_pred)
    z = 1.6448536269514722
    return metrics.interval_coverage(y, mean - z * std, mean + z * std, **options)


# Metric, function of the same, data.
PAIRS = {
    "ece": (
        metrics.ExpectedCalibrationError,
        metrics.expected_calibration_error,
        classes(),
    ),
    "rms": (
        lambda: metrics.ExpectedCalibrationError(7, norm="l2"),
        lambda *a, **k: metrics.expected_calibration_error(*a, 7, "l2", **k),
        classes(),
    ),
    "mce": (
        lambda: metrics.ExpectedCalibrationError(bins=4, norm="max"),
        lambda *a, **k: metrics.expected_calibration_error(*a, 4, "max", **k),
        classes(),
    ),
    "brier": (metrics.BrierScore, metrics.brier_score, classes()),
    "nll": (metrics.NegativeLogLikelihood, metrics.negative_log_likelihood, classes()),
    "crps": (
        metrics.ContinuousRankedProbabilityScore,
        lambda y, p, **k: metrics.crps_gaussian(y, *moments(p), **k),
        values(),
    ),
    "coverage": (metrics.IntervalCoverage, covered, values()),
}
every_pair = pytest.mark.parametrize(
    ("make", "function", "data"), PAIRS.values(), ids=PAIRS
)
of_classes = pytest.mark.parametrize(
    ("make", "function"),
    [pair[:2] for name, pair in PAIRS.items() if name in ("ece", "brier", "nll")],
    ids=["ece", "brier", "nll"],
)


@every_pair
def test_streamed_equals_at_once(make, function, data):
    metric, (y, p) = make(), data
    weights = np.random.default_rng(2).integers(3, size=ROWS).astype("float32")

    for sample_weight in (None, weights):
        metric.reset_state()
        for rows in np.split(np.arange(ROWS), 3):
            part = None if sample_weight is None else sample_weight[rows]
            metric.update_state(y[rows], p[rows], sample_weight=part)
        at_once = function(y, p, sample_weight=sample_weight)
        assert float(metric.result()) == pytest.approx(at_once, **CLOSE)


@every_pair
def test_nothing_seen_gives_0_and_a_reset_forgets(make, function, data):
    metric = make()
    assert float(metric.result()) == 0

    metric.update_state(*data)
    assert float(metric.result()) > 0
    metric.reset_state()
    assert float(metric.result()) == 0


@of_classes
def test_labels_may_be_integers_or_one_hot(make, function):
    y, p = classes()
    expected = function(y, p)

    for labels in (y[:, None], np.eye(CLASSES)[y], y.astype("uint8")):
        assert float(make()(labels, p)) == pytest.approx(expected, **CLOSE)


@of_classes
def test_binary_labels(make, function):
    y, p = classes()
    y, p = (y == 0).astype("float32"), p[:, 0]
    expected = function(y, p)

    for labels, probabilities in ((y, p), (y[:, None], p[:, None]), (y, p[:, None])):
        found = float(make()(labels, probabilities))
        assert found == pytest.approx(expected, **CLOSE)


@of_classes
def test_logits(make, function):
    y, _ = classes()
    metric = type(make())(from_logits=True)
    logits = np.random.default_rng(0).normal(size=(ROWS, CLASSES)).astype("float32")
    p = np.exp(logits.astype("float64"))
    expected = function(y, p / p.sum(axis=1, keepdims=True))
    binary = function(y == 0, 1 / (1 + 1 / p[:, 0]))

    assert float(metric(y, logits)) == pytest.approx(expected, **CLOSE)
    metric.reset_state()
    assert float(metric(y == 0, logits[:, 0])) == pytest.approx(binary, **CLOSE)


def test_logits_have_no_floor():
    logits = np.array([[0.0, 1000.0]])

    assert float(metrics.NegativeLogLikelihood(from_logits=True)([0], logits)) == 1000


@of_classes
def test_a_label_of_no_class_shows_unless_its_weight_is_0(make, function):
    y, p = classes()
    wrong = np.concatenate([[-1, CLASSES], y[2:]])
    weights = np.concatenate([[0, 0], np.ones(ROWS - 2)])

    assert np.isnan(float(make()(wrong, p)))
    found = float(make()(wrong, p, sample_weight=weights))
    assert found == pytest.approx(function(y[2:], p[2:]), **CLOSE)


@of_classes
def test_refuses_labels_that_do_not_fit(make, function):
    with pytest.raises(ValueError, match=r"one label for each row.*\(60, 1, 1\)"):
        make()(np.zeros((ROWS, 1, 1)), classes()[1])


def test_coverage_of_predicted_ends():
    metric = metrics.IntervalCoverage(outputs="interval")
    ends = np.array([[0, 1], [0, 1], [1, 0], [-np.inf, np.inf]], "float32")

    assert float(metric([0.0, 2.0, 0.5, 9.0], ends)) == 0.5
    assert np.isnan(float(metric([np.nan], ends[:1])))


def test_crps_of_a_certain_prediction_is_its_error():
    y_pred = np.array([[1.0, -400.0], [3.0, -400.0]], "float32")

    crps = metrics.ContinuousRankedProbabilityScore()

    assert float(crps(np.array([[1.0], [1.0]]), y_pred)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.ExpectedCalibrationError(bins=0), "`bins`"),
        (lambda: metrics.ExpectedCalibrationError(norm="l0"), "`norm`"),
        (lambda: metrics.BrierScore(from_logits="yes"), "`from_logits`"),
        (lambda: metrics.IntervalCoverage(1.5), "`confidence_level`"),
        (lambda: metrics.IntervalCoverage(outputs="mean"), "`outputs`"),
    ],
)
def test_refuses_settings(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize("steps", [(5, 9)])
def test_sequences_of_different_lengths_count_by_their_steps(steps):
    rng = np.random.default_rng(0)
    metric, seen = metrics.BrierScore(), []
    for length in steps:
        y = rng.integers(3, size=(4, length))
        p = rng.dirichlet(np.ones(3), size=(4, length)).astype("float32")
        weights = rng.integers(2, size=(4, length))
        metric.update_state(y, p, sample_weight=weights)
        seen.append((y.ravel(), p.reshape(-1, 3), weights.ravel()))
    y, p, weights = map(np.concatenate, zip(*seen, strict=True))

    at_once = metrics.brier_score(y, p, sample_weight=weights)

    assert float(metric.result()) == pytest.approx(at_once, **CLOSE)


def all_of_classes():
    return [
        metrics.ExpectedCalibrationError(5),
        metrics.BrierScore(),
        metrics.NegativeLogLikelihood(),
    ]


def evaluated(model, x, y, weights=None):
    options = {"batch_size": 16, "verbose": 0, "return_dict": True}
    return model.evaluate(x, y, sample_weight=weights, **options)


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_in_a_compiled_model_weighted_saved_and_loaded(tmp_path, policy):
    """Both kinds of metrics, in one model with two outputs, in half precision."""
    inputs = keras.Input((3,))
    softmax = K.Dense(CLASSES, activation="softmax", name="label", dtype="float32")
    heads = {"label": softmax(inputs), "size": K.Dense(2, name="size")(inputs)}
    model = keras.Model(inputs, heads)
    of_values = [
        metrics.ContinuousRankedProbabilityScore(),
        metrics.IntervalCoverage(0.8),
    ]
    model.compile(
        "sgd",
        {"label": "sparse_categorical_crossentropy", "size": losses.GaussianNLL()},
        weighted_metrics={"label": all_of_classes(), "size": of_values},
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).astype("float32")
    y = {"label": rng.integers(CLASSES, size=ROWS), "size": rng.normal(size=(ROWS, 1))}
    weights = dict.fromkeys(y, rng.integers(3, size=ROWS).astype("float32"))
    model.fit(x, y, sample_weight=weights, batch_size=16, epochs=1, verbose=0)

    found = evaluated(model, x, y, weights)
    p = {name: array(each) for name, each in model.predict(x, verbose=0).items()}

    options = {"sample_weight": weights["label"]}
    ece = metrics.expected_calibration_error(y["label"], p["label"], 5, **options)
    assert found["label_expected_calibration_error"] == pytest.approx(ece, abs=1e-3)
    brier = metrics.brier_score(y["label"], p["label"], **options)
    assert found["label_brier_score"] == pytest.approx(brier, rel=1e-3)
    mean, std = moments(p["size"].astype("float32"))
    crps = metrics.crps_gaussian(y["size"], mean, std, **options)
    name = "size_continuous_ranked_probability_score"
    assert found[name] == pytest.approx(crps, rel=1e-2)
    assert 0 < found["size_interval_coverage"] < 1

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = evaluated(loaded, x, y, weights)
    assert again == pytest.approx(found, rel=1e-5)
    settings = loaded._compile_metrics.metrics
    assert {m.name for m in settings} >= {"brier_score", "interval_coverage"}
    assert [m.bins for m in settings if hasattr(m, "bins")] == [5]
    assert [m.confidence_level for m in settings if hasattr(m, "outputs")] == [0.8]


def test_steps_that_a_mask_leaves_out_do_not_count():
    model = keras.Sequential(
        [
            K.Input((5,)),
            K.Embedding(7, 6, mask_zero=True),
            K.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=all_of_classes())
    rng = np.random.default_rng(0)
    x = rng.integers(1, 7, size=(8, 5))
    x[:, 3:] = 0
    y = rng.integers(CLASSES, size=(8, 5))

    found = evaluated(model, x, y)

    real = y[:, :3], array(model.predict(x, verbose=0))[:, :3]
    nll = metrics.negative_log_likelihood(*real)
    assert found["negative_log_likelihood"] == pytest.approx(nll, rel=1e-5)
    assert found["brier_score"] == pytest.approx(metrics.brier_score(*real), rel=1e-5)
    ece = metrics.expected_calibration_error(*real, 5)
    assert found["expected_calibration_error"] == pytest.approx(ece, abs=1e-5)


def test_callbacks_know_which_way_is_better():
    """`mode="auto"` of a callback refuses what does not say so."""
    model = keras.Sequential([K.Input((2,)), K.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=all_of_classes())
    stop = [
        keras.callbacks.EarlyStopping(monitor=f"val_{metric.name}", mode="auto")
        for metric in all_of_classes()
    ]
    x, y = np.ones((4, 2)), np.array([0, 1, 0, 1])

    model.fit(x, y, validation_data=(x, y), epochs=1, callbacks=stop, verbose=0)

    for callback in stop:
        assert callback.monitor_op is ops.less or callback.monitor_op is np.less
