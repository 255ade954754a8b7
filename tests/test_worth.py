"""The benchmark of what uncertainty buys: in small, and what its results say."""

import json
import pathlib
import sys

import numpy as np
import pytest

from benchmarks.worth import __main__ as command
from benchmarks.worth import judge, methods, report, shifts, tasks
from benchmarks.worth.tasks import OF_TABLES, Task

pytestmark = pytest.mark.once

RESULTS = pathlib.Path(__file__).parents[1] / "docs" / "results" / "worth.json"


def small(kind, seed=1):
    """A task of a few rows: the sign of the first column, or the column itself."""
    x = np.random.default_rng(seed).normal(size=(90, 4))
    y = (x[:, 0] > 0).astype(int) if kind == "classes" else x[:, 0]
    network = ("dense", 8), ("dense", 8)
    return Task(x, y, kind, (30, 30, 30), OF_TABLES, network, (0.5, 0.5), 1)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_judges_every_method_on_clean_rows_strangers_and_under_shift(kind):
    every = methods.Methods(small(kind))
    found = {}
    for group in methods.GROUPS:
        scores = every.scores(group, 0)
        assert set(every.names(group)) == set(scores)
        found |= {name: [each] for name, each in scores.items()}

    expected = set(methods.NAMES) | set(methods.WAYS)
    assert set(found) == expected - ({"temperature"} if kind == "values" else set())
    for runs in found.values():
        assert np.isfinite(runs[0]["nll"])
        assert len(runs[0]["shifted"]) == 1 + len(shifts.SEVERITIES)
        for measure in runs[0]["strange"].values():
            assert measure.keys() == OF_TABLES.keys()
    # The noise is on where it should be, and nowhere else.
    assert found["monte carlo"][0]["nll"] != found["one pass"][0]["nll"]
    assert found[methods.ALL][0]["nll"] == found["tuned"][0]["nll"]
    table = report.table(found)
    assert table.count("\n") == len(set(found) & set(methods.NAMES)) + 1
    assert methods.NAMES["recipe tuned"] in table
    ways = report.ways({"tasks": {"small": found}})
    assert ways.count("| small |") == 2


class Counted:
    """Methods that take no time, and say what they were asked for."""

    asked = ()

    def __init__(self, task, epochs=None):
        pass

    def names(self, group):
        return list(methods.GROUPS[group])

    def scores(self, group, seed):
        self.asked.append((group, seed))
        if len(self.asked) == 3:
            raise KeyboardInterrupt
        return {name: {"nll": float(seed)} for name in self.names(group)}


def test_goes_on_where_it_stopped_and_keeps_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "BUNDLED", {"one": lambda: None})
    monkeypatch.setattr(methods, "Methods", Counted)
    monkeypatch.setattr(report, "report", lambda results: "")
    monkeypatch.setattr(Counted, "asked", [])
    path = tmp_path / "worth.json"
    path.write_text(json.dumps({"tasks": {"other": {"plain": [1]}}}))
    arguments = ["worth", "--seeds", "2", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)

    with pytest.raises(KeyboardInterrupt):
        command.main()
    command.main()

    cells = [(group, seed) for seed in (0, 1) for group in methods.GROUPS]
    stopped = cells[2]
    assert Counted.asked == [*cells[:2], stopped, *cells[2:]]
    found = json.loads(path.read_text())
    assert found["tasks"]["other"] == {"plain": [1]}
    assert found["tasks"]["one"]["moments"] == [{"nll": 0.0}, {"nll": 1.0}]
    assert {"date", "commit", "processor", "versions"} <= found["settings"].keys()


def test_runs_anew_only_what_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "BUNDLED", {"one": lambda: None})
    monkeypatch.setattr(methods, "Methods", Counted)
    monkeypatch.setattr(report, "report", lambda results: "")
    monkeypatch.setattr(Counted, "asked", [])
    path = tmp_path / "worth.json"
    before = {"ensemble": ["kept"], "learned": ["old"]}
    path.write_text(json.dumps({"tasks": {"one": before}}))
    options = ["--again", "--groups", "learned", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["worth", *options, "--output", str(tmp_path)])

    command.main()

    found = json.loads(path.read_text())["tasks"]["one"]
    assert found == {"ensemble": ["kept"], "learned": [{"nll": 0.0}]}


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


def lowest(losses, task, place):
    """The method with the lowest loss: on clean rows (0) or at the worst shift (1)."""
    return min(losses[task], key=lambda name: losses[task][name][place])


def test_masks_beat_one_pass_and_an_ensemble_where_the_page_says_so(losses):
    digits = "digits, convolutions", "digits, dense"
    for task in (*digits, "concrete", "diabetes", "kin8nm"):
        clean = {name: pair[0] for name, pair in losses[task].items()}
        assert clean["tuned"] < min(clean["one pass"], clean["ensemble"])
    for task, found in losses.items():
        assert found["tuned"][1] < found["one pass"][1], task


def test_masks_buy_no_loss_where_the_page_says_so(losses):
    assert lowest(losses, "sonar", 0) == "temperature"
    for task in ("CIFAR-10", "energy"):
        assert lowest(losses, task, 0) == "ensemble"
    for task in ("MNIST", "CIFAR-10", "energy", "yacht"):
        assert losses[task]["one pass"][0] <= losses[task]["tuned"][0] + 0.002
    for task in ("MNIST", "CIFAR-10"):
        assert losses[task]["monte carlo"][0] > losses[task]["one pass"][0]
    for task in ("digits, convolutions", "digits, dense"):
        difference = losses[task]["monte carlo"][0] - losses[task]["one pass"][0]
        assert abs(difference) < 0.01


def test_other_ways_are_ahead_where_the_page_says_so(losses):
    gains = {
        task: found["tuned"][0] - found["recipe tuned"][0]
        for task, found in losses.items()
    }
    for task in ("sonar", "digits, dense", "digits, convolutions"):
        assert abs(gains.pop(task)) < 0.01
    ahead = {task for task, gain in gains.items() if gain > 0}
    assert ahead == {"MNIST", "CIFAR-10", "yacht", "energy", "power plant"}
    assert {"concrete", "diabetes", "kin8nm"} <= gains.keys()
    assert lowest(losses, "MNIST", 0) == "recipe tuned"
    found = {name: pair[0] for name, pair in losses["CIFAR-10"].items()}
    assert min(found.keys() - {"ensemble"}, key=found.get) == "recipe tuned"
    assert found["learned"] < found["tuned"] < found["masksembles"]
    for task in ("digits, convolutions", "digits, dense", "MNIST"):
        for name in ("learned", "masksembles"):
            assert losses[task][name][0] > losses[task]["tuned"][0]
    assert lowest(losses, "diabetes", 0) == "learned"
    for task in ("yacht", "kin8nm", "power plant", "diabetes"):
        assert lowest(losses, task, 1) == "learned"


def test_to_tune_each_rate_alone_gains_what_the_page_says(losses):
    gains = {
        task: np.subtract(found["tuned"], found["refined"])
        for task, found in losses.items()
        if "refined" in found
    }
    assert gains["diabetes"][0] == pytest.approx(0.38, abs=0.005)
    for task in ("concrete", "energy", "yacht", "kin8nm", "power plant"):
        assert 0 < gains[task][0] <= 0.03
    for task in ("digits, convolutions", "digits, dense", "MNIST", "CIFAR-10"):
        assert abs(gains[task][0]) < 0.005
    for task in ("energy", "yacht"):
        assert gains[task][1] < 0


def test_the_default_measure_is_near_the_best_for_errors_and_for_strangers():
    """What `Prediction.rank` and `OutlierDetector` take unless told otherwise."""
    lines = report.scores(json.loads(RESULTS.read_text())).splitlines()[2:-1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    for column in (1, 2):
        found = {row[0].strip("`"): float(row[column]) for row in rows}
        assert max(found.values()) - found["entropy"] < 0.01
