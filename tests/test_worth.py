"""The benchmark of what uncertainty buys: in small, and what its results say."""

import json
import pathlib

import numpy as np
import pytest

from benchmarks.worth import judge, methods, report, shifts
from benchmarks.worth.tasks import OF_TABLES, Task

pytestmark = pytest.mark.once

RESULTS = pathlib.Path(__file__).parents[1] / "docs" / "results" / "worth.json"


def small(kind, seed=0):
    """A task of a few rows: the sign of the first column, or the column itself."""
    x = np.random.default_rng(seed).normal(size=(90, 4))
    y = (x[:, 0] > 0).astype(int) if kind == "classes" else x[:, 0]
    network = ("dense", 8), ("dense", 8)
    return Task(x, y, kind, (30, 30, 30), OF_TABLES, network, (0.5, 0.5), 1)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_judges_every_method_on_clean_rows_strangers_and_under_shift(kind):
    found = methods.compare(small(kind), seeds=1)

    expected = set(methods.NAMES)
    if kind == "values":
        expected -= {"temperature"}
    assert set(found) | {"repeated"} == expected | {"repeated"}
    for runs in found.values():
        assert np.isfinite(runs[0]["nll"])
        assert len(runs[0]["shifted"]) == 1 + len(shifts.SEVERITIES)
        for measure in runs[0]["strange"].values():
            assert measure.keys() == OF_TABLES.keys()
    # The noise is on where it should be, and nowhere else.
    assert found["monte carlo"][0]["nll"] != found["one pass"][0]["nll"]
    table = report.table(found)
    assert table.count("\n") == len(found) + 1
    assert methods.NAMES["tuned"] in table


def test_measures_that_rank_alike_find_alike():
    """A perfect ranking finds all strangers and errors, one turned round none."""
    task = small("classes")
    x, y = task.x[60:].astype("float32"), task.y[60:]
    rows = judge.rows(task, x, y, seed=0)
    p = np.full(len(rows.x), 0.5)
    p[rows.test] = np.where(y == 1, 0.9, 0.1)
    p[rows.test[0]] = 1 - p[rows.test[0]]
    p[rows.test[0]] = 0.5 + 0.2 * np.sign(p[rows.test[0]] - 0.5)
    prediction = methods.pooled(task, [np.stack([1 - p, p], -1)])

    found = judge.judged(task, prediction, rows)

    assert found["errors"]["entropy"] == found["errors"]["margin"] == 1
    assert set(found["strange"]["max_probability"].values()) == {1.0}
    assert found["errors"]["std"] == 0.5


@pytest.mark.parametrize("family", [shifts.OF_IMAGES, shifts.OF_TABLES])
def test_shifts_grow_with_severity(family):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 6))
    if family is shifts.OF_IMAGES:
        # A bar, which turns out of itself.
        x = np.zeros((40, 9, 9, 1))
        x[:, 4, 1:8] = 1

    for shift in family.values():
        moved = [np.abs(shift(x, s, generator) - x).mean() for s in shifts.SEVERITIES]
        assert np.all(np.diff(moved) > 0), shift.__name__


def test_the_page_shows_five_seeds_of_every_method():
    results = json.loads(RESULTS.read_text())

    assert results["settings"]["repeats"] == 5
    for methods_of_task in results["tasks"].values():
        for name, runs in methods_of_task.items():
            assert len(runs) == 5, name


@pytest.fixture(scope="module")
def losses():
    """By task and method, the mean loss on clean rows and at the worst shift."""
    tasks = json.loads(RESULTS.read_text())["tasks"]
    return {
        task: {
            name: (
                np.mean([run["nll"] for run in runs]),
                np.mean([run["shifted"][-1][0] for run in runs]),
            )
            for name, runs in found.items()
        }
        for task, found in tasks.items()
    }


def test_masks_beat_one_pass_and_an_ensemble_where_the_page_says_so(losses):
    for task in ("digits, convolutions", "digits, dense", "concrete"):
        clean = {name: pair[0] for name, pair in losses[task].items()}
        assert clean["tuned"] < min(clean["one pass"], clean["ensemble"])
    for task, found in losses.items():
        assert found["tuned"][1] < found["one pass"][1], task


def test_masks_buy_no_loss_where_the_page_says_so(losses):
    clean = {name: pair[0] for name, pair in losses["sonar"].items()}
    assert min(clean, key=clean.get) == "temperature"
    clean = {name: pair[0] for name, pair in losses["yacht"].items()}
    assert min(clean, key=clean.get) == "masksembles"
    assert clean["one pass"] <= clean["tuned"]
    assert losses["MNIST"]["ensemble"][0] < losses["MNIST"]["tuned"][0]
    for task in ("digits, convolutions", "digits, dense"):
        assert losses[task]["monte carlo"][0] >= losses[task]["one pass"][0]


def test_the_default_measure_is_near_the_best_for_errors_and_for_strangers():
    """What `Prediction.rank` and `OutlierDetector` take unless told otherwise."""
    lines = report.scores(json.loads(RESULTS.read_text())).splitlines()[2:-1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    for column in (1, 2):
        found = {row[0].strip("`"): float(row[column]) for row in rows}
        assert max(found.values()) - found["entropy"] < 0.01
