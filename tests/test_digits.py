"""The example that opens the README, run as a user runs it, on few epochs."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_the_main_job_trains_saves_reloads_and_draws(tmp_path):
    short = ["--epochs", "15", "--seeds", "1", "--samples", "20"]
    command = [sys.executable, "examples/digits.py", *short, "--output", str(tmp_path)]

    run = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert "dropout + max-norm" in run.stdout
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"curves.png", "digits.png", "uncertainty.png"}
    medians = {
        line[:22].strip(): float(line[22:30])
        for line in run.stdout.splitlines()
        if line.endswith("images)")
    }
    assert medians["digits read right"] < medians["digits read wrong"]
    assert medians["digits read right"] < medians["no digits"]
