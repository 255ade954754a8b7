"""Breaks the package in many small ways and sees whether the tests notice.

    python -m tests.mutations                    all, on PyTorch
    python -m tests.mutations --backend jax
    python -m tests.mutations alpha threefry     those with one of these words

Each mistake of the catalogue is made in a copy of the project. Then the tests that the
catalogue names for it run there. The score tells how many mistakes were noticed.
"""

import argparse
import contextlib
import importlib
import multiprocessing
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import pytest

from tests.mutations.catalogue import MUTATIONS

ROOT = pathlib.Path(__file__).parents[2]
COPIED = ("keras_dropout", "tests", "benchmarks", "conftest.py", "pyproject.toml")
# What takes long to import, and is not changed.
LIBRARIES = ("torch", "keras", "hypothesis", "matplotlib.pyplot")
# Seconds, after which a test that hangs has noticed.
PATIENCE = 300
NOTICED, PASSED = "noticed", "SURVIVED"


@contextlib.contextmanager
def copy_of_the_project():
    """A folder with all that the tests need, which may be broken."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, folder / name, ignore=ignore)
            else:
                shutil.copy(ROOT / name, folder / name)
        yield folder


@contextlib.contextmanager
def applied(mutation, folder):
    """The copy with the mistake in it, until it is mended again."""
    path = folder / mutation.file
    text = path.read_text()
    if (times := text.count(mutation.old)) != 1:
        raise ValueError(
            f"{mutation.name!r} must be found once in {mutation.file}. Change it with "
            f"the code. Received: {times} times {mutation.old!r}"
        )
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        yield
    finally:
        path.write_text(text)


def run(tests, folder, patience=None):
    """Runs the tests in the copy. Returns pytest's status and what it printed.

    A child of this process, which has imported what takes long to import. It may take
    `patience` seconds.
    """
    printed = folder / "printed.txt"
    child = multiprocessing.get_context("fork").Process(
        target=_run_here, args=(tests, folder, printed)
    )
    child.start()
    child.join(patience)
    if child.is_alive():
        child.kill()
        child.join()
        return 1, "FAILED by taking too long"
    return child.exitcode, printed.read_text()


def _run_here(tests, folder, printed):
    with printed.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    # A file that changes twice in a second would be taken for the former.
    sys.dont_write_bytecode = True
    options = ["-x", "-rf", "--tb=no", "--assert=plain", "-p", "no:cacheprovider"]
    # Of the cases, those that the whole suite runs on this backend.
    options += ["-m", "not slow", "--shared"]
    status = pytest.main([*options, *tests])
    sys.stdout.flush()
    os._exit(status)


def verdict(status, output):
    """Whether a test noticed the mistake, and the name of the test."""
    if status == 0:
        return PASSED, ""
    if status != 1:
        # It did not even begin: that is no proof of a test.
        return "BROKEN", (output.strip().splitlines() or ["no output"])[-1]
    found = re.search(r"FAILED (?:tests/)?(\S+)", output)
    return NOTICED, found[1] if found else "an error"


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backends = ("torch", "jax", "tensorflow")
    parser.add_argument("--backend", choices=backends, default="torch")
    parser.add_argument("words", nargs="*", help="words of names or files")
    options = parser.parse_args()
    chosen = [
        each
        for each in MUTATIONS
        if each.backend in (None, options.backend)
        and (not options.words or _names_one(each, options.words))
    ]
    if not chosen:
        parser.error(f"no mistake on {options.backend} is named {options.words}")

    os.environ |= {
        "KERAS_BACKEND": options.backend,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "MPLBACKEND": "Agg",
    }
    for library in LIBRARIES:
        importlib.import_module(library)

    verdicts = []
    with copy_of_the_project() as folder:
        tests = sorted({test for each in chosen for test in each.tests})
        status, output = run(tests, folder)
        if status:
            print(f"The tests fail without a mistake:\n{output}")
            return 1
        for mutation in chosen:
            start = time.monotonic()
            with applied(mutation, folder):
                found, how = verdict(*run(mutation.tests, folder, PATIENCE))
            verdicts.append(found)
            seconds = time.monotonic() - start
            print(f"{found:9}{seconds:4.0f} s  {mutation.name:50}{how}", flush=True)
    noticed = verdicts.count(NOTICED)
    print(f"{noticed} of {len(chosen)} mistakes noticed on {options.backend}")
    return int(noticed < len(chosen))


def _names_one(mutation, words):
    return any(word in f"{mutation.name} {mutation.file}" for word in words)


if __name__ == "__main__":
    sys.exit(main())
