"""Runs the tests on all three backends and prints one summary.

    python -m tests                      everything
    python -m tests --fast               the inner loop, without the slow tests
    python -m tests --backend jax        one backend
    python -m tests --oldest             also on the oldest Keras that we support
    python -m tests -- -k max_norm -x    arguments for pytest after `--`

A process has one backend, so each runs in its own.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib

BACKENDS = ("tensorflow", "jax", "torch")
ROOT = pathlib.Path(__file__).parents[1]
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def oldest_keras():
    """The lowest version of Keras that `pyproject.toml` allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (keras,) = (need for need in project["dependencies"] if need.startswith("keras"))
    return keras.partition(">=")[2]


def install_keras(version):
    """Installs one version of Keras into a folder of its own, and returns that."""
    folder = ROOT / "build" / f"keras-{version}"
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command = [*pip, "--target", str(folder), f"keras=={version}"]
        subprocess.run(command, check=True)
    return folder


def run(backend, arguments, path=()):
    """Runs pytest on one backend. Returns its exit status and what it counted."""
    # Two workers share the cores, so each keeps to one thread.
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    paths = os.pathsep.join(map(str, (*path, ROOT)))
    variables = {"KERAS_BACKEND": backend, "PYTHONPATH": paths, "MPLBACKEND": "Agg"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n", "2", *arguments],
        cwd=ROOT,
        env={**os.environ, **threads, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line if COUNT.search(line) else last
    counts = {kind.rstrip("s"): int(n) for n, kind in COUNT.findall(last)}
    return process.wait(), counts


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backend", choices=BACKENDS, action="append")
    parser.add_argument("--fast", action="store_true", help="leave out slow tests")
    parser.add_argument("--oldest", action="store_true", help="test oldest Keras too")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    options = parser.parse_args()

    arguments = options.pytest + (["-m", "not slow"] if options.fast else [])
    backends = options.backend or BACKENDS
    plans = [(backend, "newest Keras", arguments, ()) for backend in backends]
    if options.oldest:
        version = oldest_keras()
        fast = [*options.pytest, "-m", "not slow and not newest"]
        path = [install_keras(version)]
        plans += [(backend, f"Keras {version}", fast, path) for backend in backends]

    rows = []
    for backend, keras, selection, path in plans:
        print(f"\n=== {backend}, {keras} ===", flush=True)
        start = time.monotonic()
        status, counts = run(backend, selection, path)
        rows.append((backend, keras, status, counts, time.monotonic() - start))

    print("\n=== Summary ===")
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for backend, keras, status, counts, seconds in rows:
        failed = counts.get("failed", 0) + counts.get("error", 0) + (status > 1)
        totals["passed"] += counts.get("passed", 0)
        totals["skipped"] += counts.get("skipped", 0)
        totals["failed"] += failed
        verdict = "ok" if status == 0 else "FAILED"
        print(
            f"{backend:11} {keras:13} {verdict:7} {counts.get('passed', 0):5} passed "
            f"{failed:4} failed {counts.get('skipped', 0):4} skipped "
            f"{seconds:6.0f} s"
        )
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
    return 1 if any(status for _, _, status, _, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
