"""What a prediction is worth: scores on test rows, on strangers, and under shift."""

import dataclasses

import numpy as np

import keras_dropout as kd
from benchmarks.worth import shifts
from keras_dropout.metrics import area_under_risk_coverage, separation

MEASURES = (
    "entropy",
    "mutual_information",
    "expected_entropy",
    "max_probability",
    "margin",
    "variation_ratio",
    "std",
)
# Rows of each shift, at each severity.
SHIFTED = 100


@dataclasses.dataclass(frozen=True)
class Rows:
    """All rows that a model is asked about, one after the other, and their parts."""

    x: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    strange: dict
    worse: list


def rows(task, x, y, seed):
    """Test rows, strangers, and shifted test rows of each severity."""
    generator = np.random.default_rng(seed)
    parts, start = [x], len(x)

    def add(more):
        nonlocal start
        parts.append(more)
        start += len(more)
        return np.arange(start - len(more), start)

    strange = {name: add(f(x, y, generator)) for name, f in task.strange.items()}
    worse = [
        np.concatenate(
            [add(f(x[:SHIFTED], severity, generator)) for f in task.worse.values()]
        )
        for severity in shifts.SEVERITIES
    ]
    every = np.concatenate(parts).astype("float32")
    return Rows(every, np.arange(len(x)), y, strange, worse)


def judged(task, prediction, of):
    """All scores of a prediction for these rows, as a dictionary of numbers."""
    test = prediction[of.test]
    found = dict(kd.evaluate(test, of.labels))
    found["shifted"] = [_under_shift(task, test[:SHIFTED], of.labels[:SHIFTED], 1)]
    repeats = len(task.worse)
    found["shifted"] += [
        _under_shift(task, prediction[places], of.labels[:SHIFTED], repeats)
        for places in of.worse
    ]
    if task.kind == "classes":
        return found | _ranked(prediction, of)
    uncertainty = prediction.total[:, 0]
    errors = (test.mean[:, 0] - of.labels) ** 2
    # 1 for a ranking at random.
    area = area_under_risk_coverage(errors, uncertainty[of.test])
    found["aurc"] = area / errors.mean()
    large = errors > np.quantile(errors, 0.9)
    found["error_auroc"] = _auroc(uncertainty[of.test], large)
    measures = {"total": uncertainty}
    if prediction.count.min() > 1:
        measures["epistemic"] = prediction.epistemic[:, 0]
    return found | {"strange": _strange(measures, of)}


def _under_shift(task, prediction, labels, repeats):
    scores = kd.evaluate(prediction, np.tile(labels, repeats))
    calibration = scores["ece"] if task.kind == "classes" else scores["coverage_90"]
    return [scores["nll"], calibration]


def _ranked(prediction, of):
    """How well each measure finds errors and strangers."""
    wrong = prediction.label[of.test] != of.labels
    # Moments have no samples, and so no votes.
    names = [n for n in MEASURES if prediction.count.all() or n != "variation_ratio"]
    measures = {name: _rising(prediction, name) for name in names}
    errors = {name: _auroc(u[of.test], wrong) for name, u in measures.items()}
    return {"errors": errors, "strange": _strange(measures, of)}


def _rising(prediction, name):
    values = np.asarray(getattr(prediction, name), float)
    if name == "std":
        return values.mean(axis=-1)
    return 1 - values if name in ("max_probability", "margin") else values


def _strange(measures, of):
    return {
        name: {
            stranger: separation(u[of.test], u[places])["auroc"]
            for stranger, places in of.strange.items()
        }
        for name, u in measures.items()
    }


def _auroc(uncertainty, outside):
    if outside.all() or not outside.any():
        return float("nan")
    return separation(uncertainty[~outside], uncertainty[outside])["auroc"]
