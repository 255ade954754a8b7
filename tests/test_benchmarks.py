"""The benchmarks run, and their tables say what was measured."""

import keras
import pytest

from benchmarks import (
    accelerator,
    attention,
    layers,
    learned,
    many_rows,
    moments,
    parts,
    report,
    softmax,
    tuning,
)
from benchmarks.steps import MODES
from benchmarks.timing import take_turns

BACKEND = keras.backend.backend()
# What is compiled by PyTorch takes long to compile.
MODE = MODES[BACKEND][0]


def test_all_take_as_many_turns_in_changing_order():
    order = []
    contenders = {name: (lambda name=name: order.append(name)) for name in "abc"}

    times = take_turns(contenders, budget=0.0, least=20)

    assert {name: len(taken) for name, taken in times.seconds.items()} == dict.fromkeys(
        "abc", 20
    )
    # Each of them twice before the rounds.
    rounds = [tuple(order[i : i + 3]) for i in range(6, len(order), 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(set(rounds)) > 3


@pytest.mark.parametrize("dtype", layers.DTYPES)
def test_a_layer_is_measured_beside_keras(dtype):
    cell = layers.measure("Dropout", "small", 0.3, dtype, MODE, 0.0)

    assert cell["elements"] == 32 * 64
    assert {"multiply", "keras", "ours"} <= cell["milliseconds"].keys()
    assert min(cell["milliseconds"].values()) > 0
    assert f"`Dropout` | {cell['gain'][0]:.1f} |" in report.table([cell])


@pytest.mark.once
def test_the_benchmark_of_accelerators_runs_without_one():
    found = list(accelerator.results(quick=True))

    assert accelerator.device()
    assert all(each["fine"] for each in found if "battery" in each)
    assert sum("gain" in each for each in found) == len(accelerator.QUICK)
    assert sum("loop_over_ours" in each for each in found) == 1
    steps = [each["model"] for each in found if "model" in each]
    assert set(steps) == {"transformer", "resnet"}
    assert [each["noise"] for each in found if "tokens" in each] == [False, True]


@pytest.mark.once
def test_the_benchmark_of_accelerators_says_what_it_left_out():
    cells = accelerator.twins(accelerator.SHAPES, ("float32",), (MODE,), 0.0)

    found = list(accelerator.until(0.0, cells))

    left_out = [each["left_out"][0] for each in found]
    assert list(dict.fromkeys(left_out)) == [*accelerator.SHAPES]


@pytest.mark.once
def test_attention_is_measured_beside_the_fused_one(tmp_path, monkeypatch):
    monkeypatch.setattr(attention, "OUTPUT", tmp_path)

    attention.main(["--tokens", "16", "--budget", "0", "--write"])

    rows = (tmp_path / "attention.md").read_text().splitlines()[2:4]
    assert [row.split(" | ")[1] for row in rows] == ["no noise", "noise"]


def test_the_parts_are_measured_beside_the_whole():
    cell = parts.measure("small", MODE, 0.0)

    assert cell["milliseconds"].keys() == parts.COLUMNS.keys()
    times, bounds = parts.table([cell]).split("\n\n")
    assert len(times.splitlines()) == len(bounds.splitlines()) == 3
    ratio = cell["milliseconds"]["keras"] / cell["milliseconds"]["ours"]
    assert f"| {ratio:.3g} |" in bounds


@pytest.mark.once
def test_moments_are_compared_with_samples_and_with_no_noise(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(moments, "MODELS", {"last": moments.last})
    told = [
        "--samples",
        "2",
        "--truth",
        "3",
        "--epochs",
        "1",
        "--rows",
        "4",
        "--budget",
        "0",
        "--output",
    ]

    moments.main([*told, str(tmp_path)])

    rows = (tmp_path / "moments.md").read_text().splitlines()[2:6]
    names = [row.split("|")[2].strip() for row in rows]
    assert names == ["no noise", "moments", "2 samples", "3 samples"]


@pytest.mark.once
def test_a_softmax_is_compared_with_sampling(tmp_path):
    softmax.main(["--cases", "1", "--samples", "2000", "--output", str(tmp_path)])

    rows = (tmp_path / "softmax.md").read_text().splitlines()[2:-2]
    plain, field, odds = zip(
        *([float(n) for n in row.split("|")[4:7]] for row in rows), strict=True
    )
    assert len(rows) == 18
    assert sum(odds) < sum(field) < sum(plain)


@pytest.mark.once
def test_tuning_is_timed_with_and_without_what_is_kept(tmp_path):
    pytest.importorskip("sklearn")

    tuning.main(["--rows", "4", "--settings", "1", "--output", str(tmp_path)])

    lines = (tmp_path / "tuning.md").read_text().splitlines()
    assert len(lines[2:5]) == 3
    assert "1 settings, 4 rows" in lines[-1]


def test_a_learned_layer_is_measured_beside_fixed_dropout():
    cell = learned.measure("Masksembles, Dense", 0.0)

    assert cell["milliseconds"].keys() == {"bare", "fixed", "learned"}
    assert min(cell["milliseconds"].values()) > 0
    cells = [{**cell, "over fixed": (ratio, 1.0, 2.0)} for ratio in (1.2, 1.6)]
    below, above = learned.table(cells).splitlines()[2:]
    assert below.endswith("1.20 [1.00, 2.00] |")
    assert above.endswith("**1.60** [1.00, 2.00] |")


@pytest.mark.once
def test_rows_a_second_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(many_rows.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(many_rows, "BLOCK", 64)

    many_rows.main(["--rows", "100", "--samples", "2", "4", "--output", str(tmp_path)])

    rows = (tmp_path / "many_rows.md").read_text().splitlines()[2:4]
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [cell[1:3] for cell in cells] == [["100", "2"], ["100", "4"]]
    assert all(int(cell[3].replace(",", "")) > 0 for cell in cells)
