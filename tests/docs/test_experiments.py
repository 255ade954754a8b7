"""The experiments run as their pages say, in quick mode and without a network."""

import importlib
import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

BACKEND = keras.backend.backend()
ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
EXPERIMENTS = (
    "cifar10",
    "co2",
    "mnist_overfitting",
    "pretrained",
    "rotated_digits",
    "sonar",
)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="they take a minute, once is enough")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_runs_in_quick_mode(name, tmp_path):
    script = ROOT / "examples" / f"{name}.py"
    command = [sys.executable, script, "--quick", "--epochs", "1", "--output", tmp_path]
    # A proxy that nobody answers at, for a download to fail.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    environment = {**os.environ, **offline, "MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "| ---" in done.stdout
    assert json.loads((tmp_path / f"{name}.json").read_text())["settings"]["quick"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shows_results_of_full_runs(name):
    """What the pages show is no quick run's."""
    settings = json.loads((RESULTS / f"{name}.json").read_text())["settings"]

    assert not settings["quick"]
    assert settings["repeats"] >= 3


def results(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def test_dropout_beats_the_plain_network_on_mnist_by_more_than_the_spread():
    import numpy as np

    errors = {
        key: np.array(e) for key, e in results("mnist_overfitting")["errors"].items()
    }
    plain, dropout = errors["plain"], errors["dropout"]
    spread = max(plain.std(ddof=1), dropout.std(ddof=1))

    assert plain.mean() - dropout.mean() > 2 * spread
    assert plain.min() > dropout.max()


def test_bands_open_away_from_the_co2_data_by_the_factor_of_the_page():
    inside, outside = zip(*results("co2")["std"]["relu"], strict=True)
    ratios = [far / near for near, far in zip(inside, outside, strict=True)]
    page = (ROOT / "docs" / "experiments" / "co2.md").read_text()

    assert f"{sum(ratios) / len(ratios):.1f} times that" in page


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_makes_the_table_of_the_page(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    report = importlib.import_module(name).report(results(name))

    assert report.count("\n") >= 3
