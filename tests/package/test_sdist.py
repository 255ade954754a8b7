"""The sdist holds what its tests need, and they run from it."""

import pathlib
import subprocess
import sys
import tarfile

import pytest

pytestmark = [pytest.mark.once, pytest.mark.newest]

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    """The folder that the sdist unpacks to."""
    folder = tmp_path_factory.mktemp("unpacked")
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


def tracked():
    """The files of the repository; of an unpacked sdist those that it came with."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        return set(done.stdout.strip("\0").split("\0"))
    (archive,) = ROOT.glob("PKG-INFO")
    return {
        str(path.relative_to(ROOT))
        for path in archive.parent.rglob("*")
        if path.is_file() and not {"__pycache__", ".ruff_cache"} & {*path.parts}
    } - {"PKG-INFO"}


def test_holds_every_file_that_is_kept(unpacked):
    missing = {name for name in tracked() if not (unpacked / name).is_file()}

    assert missing == set()


def test_its_tests_run_from_it(unpacked):
    script = (
        "import sys, pytest, keras_dropout\n"
        "arguments = ['-q', '-p', 'no:cacheprovider', 'tests/metrics/test_values.py']\n"
        "status = pytest.main(arguments)\n"
        "print(keras_dropout.__file__)\n"
        "sys.exit(status)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=unpacked, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    imported = pathlib.Path(done.stdout.splitlines()[-1])
    assert imported.is_relative_to(unpacked)
