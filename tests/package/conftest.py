"""The wheel and the sdist, built once."""

import pathlib
import subprocess
import sys

import pytest

# Code for the type checker, which is never run.
collect_ignore = ["mistakes.py", "allowed.py"]

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="package")
def built(tmp_path_factory):
    """A folder with the wheel and the sdist of what is here."""
    folder = tmp_path_factory.mktemp("built")
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(hatchling, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="package")
def installed(built, tmp_path_factory):
    """A folder into which the wheel is installed, without what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder
