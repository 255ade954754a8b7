"""Each task of a new user takes at most five lines."""

import keras
import numpy as np
import pytest

import keras_dropout as kd

pytestmark = pytest.mark.once
L = keras.layers

TASKS = {
    "an interval of 90 %": """
        intervals = kd.calibration.ConformalRegressor(confidence_level=0.9)
        intervals.fit(kd.mc_predict(values, x_held_out), targets)
        lower, upper = intervals.predict_interval(kd.mc_predict(values, x_new))
        """,
    "sets of classes": """
        sets = kd.calibration.ConformalClassifier(confidence_level=0.9)
        sets.fit(kd.mc_predict(classes, x_held_out), labels)
        found = sets.predict_set(kd.mc_predict(classes, x_new))
        """,
    "strangers, with their AUROC": """
        known = kd.mc_predict(classes, x_held_out)
        detector = kd.calibration.OutlierDetector(confidence_level=0.95).fit(known)
        unknown = kd.mc_predict(classes, x_strange)
        found = detector.is_outlier(unknown)
        auroc = kd.metrics.separation(known.entropy, unknown.entropy)["auroc"]
        """,
    "the next hundred to label": """
        prediction = kd.mc_predict(classes, x_new)
        wanted = kd.acquisition.select(prediction, 100)
        """,
    "a tuned rate": """
        table = kd.calibration.tune_rates(classes, x_held_out, labels)
        """,
    "a regression with noise of the data": """
        gaussian.compile("adam", kd.losses.GaussianNLL())
        gaussian.fit(x_held_out, targets, verbose=0)
        prediction = kd.mc_predict(gaussian, x_new, outputs="gaussian")
        lower, upper = prediction.predictive_interval(0.9)
        """,
}
SHAPES = {
    "lower": (120, 1),
    "found": (120,),
    "wanted": (100,),
    "auroc": (),
}


def network(units, activation=None):
    drop = kd.layers.Dropout(0.3)
    return keras.Sequential([keras.Input((4,)), drop, L.Dense(units, activation)])


@pytest.fixture(scope="module")
def given():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2, 120, 4)).astype("float32")
    return {
        "kd": kd,
        "values": network(1),
        "classes": network(3, "softmax"),
        "gaussian": network(2),
        "x_held_out": x[0],
        "x_new": x[1],
        "x_strange": 5 * x[1],
        "targets": x[0][:, :1],
        "labels": np.arange(120) % 3,
    }


@pytest.mark.parametrize("task", TASKS)
def test_takes_five_lines(task, given):
    lines = [line.strip() for line in TASKS[task].strip().splitlines()]
    names = dict(given)

    exec("\n".join(lines), names)

    assert len(lines) <= 5
    for name, shape in SHAPES.items():
        if name in names:
            assert np.shape(names[name])[: len(shape)] == shape
    if "auroc" in names:
        assert names["auroc"] > 0.5 or names["found"].any()
