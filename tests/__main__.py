"""Runs the tests on all three backends and prints one summary.

    python -m tests                      everything
    python -m tests --smoke              a few tests of each backend, in a minute
    python -m tests --fast               the inner loop, without the slow tests
    python -m tests --backend jax        one backend
    python -m tests --oldest             also on the oldest Keras that we support
    python -m tests --every              every case on every backend, before a release
    python -m tests -- -k max_norm -x    arguments for pytest after `--`

A process has one backend, so each runs in its own, as many at a time as there are
cores. What needs no backend runs on one of them only. PyTorch, which compiles nothing,
runs all other tests. JAX and TensorFlow both run those that are marked `everywhere`,
and each runs a quarter of the rest. On the oldest Keras PyTorch runs the fast tests of
what Keras itself may change and a quarter of the others, and JAX and TensorFlow a
quarter of the former.
"""

import argparse
import functools
import os
import pathlib
import sys
import threading
import time

from tests import jobs, needs

BACKENDS = ("torch", "jax", "tensorflow")
SMOKE = (
    "tests/test_core_layers.py",
    "tests/test_max_norm.py",
    "tests/test_schedules.py",
    "tests/uncertainty/test_exact.py",
)
# Seconds between two lines that tell how far the tests are.
HEARTBEAT = 30
# Held while something is installed or tried, which is done once.
PREPARING = threading.Lock()


def units(options):
    """What to run: each backend on the newest Keras, and where asked on the oldest."""
    backends = options.backend or BACKENDS
    share = {"jax", "tensorflow"} <= set(backends) and not options.every
    shared, few = ("--shared",) * share, ("--few",) * share
    for backend in backends:
        marks = "not slow" if options.fast or options.smoke else ""
        if backend != backends[0]:
            marks = f"{marks} and not once" if marks else "not once"
        name = "newest Keras"
        ready = functools.partial(prepared, backend)
        yield jobs.Unit(backend, name, marks, ready, shared)
    if options.oldest:
        version = needs.oldest_keras()
        for backend in backends:
            # PyTorch, which compiles nothing, shows what an older Keras lacks.
            whole = backend == "torch"
            marks, says = ("not once", "") if whole else ("keras", "mark.keras")
            marks = f"{marks} and not slow and not newest"
            name = f"Keras {version}"
            ready = functools.partial(prepared, backend, version)
            yield jobs.Unit(backend, name, marks, ready, few, says)


def prepared(backend, version=None):
    """The variables for a backend, and for a version of Keras, which is installed."""
    variables = {}
    with PREPARING:
        if backend == "jax":
            variables["XLA_FLAGS"] = needs.xla_flags()
        if version is not None:
            variables["PYTHONPATH"] = str(needs.install_keras(version))
    return variables


class Report:
    """Prints the progress of the tests, and their results."""

    def __init__(self, planned, cores):
        self.jobs, self.cores = planned, cores
        self.start = time.monotonic()
        self.done = []

    def clock(self):
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        return f"{minutes:3}:{seconds:02}"

    def plan(self):
        """What will run, and about how long it takes."""
        longest = max(each.estimate for each in self.jobs)
        total = max(sum(each.estimate for each in self.jobs) / self.cores, longest)
        count = len(self.jobs)
        about = f", about {total / 60:.0f} minutes" if total > 90 else ""
        at_a_time = min(count, self.cores)
        print(f"{count} processes, {at_a_time} at a time{about}:")
        for unit in dict.fromkeys(each.unit for each in self.jobs):
            own = [each for each in self.jobs if each.unit == unit]
            seconds = sum(each.estimate for each in own)
            about = f" about {seconds:4.0f} s" if seconds else ""
            print(f"  {unit!s:25}{len(own):3} processes{about}  {unit.marks}")
        sys.stdout.flush()

    def beat(self):
        """Tells how far the tests are, now and then."""
        total = sum(each.estimate or 1 for each in self.jobs)
        past = sum((each.estimate or 1) * each.percent / 100 for each in self.jobs)
        running = [
            f"{each} {each.percent} %"
            for each in self.jobs
            if each.status is None and each.output
        ]
        print(f"{self.clock()}  {past / total:4.0%}  {', '.join(running)}", flush=True)

    def ended(self, job):
        """Prints the result of one process, and its output if it failed."""
        self.done.append(job)
        job.percent = 100
        said = ", ".join(f"{n} {kind}" for kind, n in job.counts.items()) or "no tests"
        verdict = "FAILED" if job.failed else "ok"
        place = f"{len(self.done)}/{len(self.jobs)}"
        print(f"{self.clock()}  {place:>5} {verdict:6} {job}: {said}, "
              f"{job.seconds:.0f} s", flush=True)  # fmt: skip
        if job.failed and len(self.jobs) > 1:
            print("".join(job.output), flush=True)

    def summary(self):
        """The table of the units and the line of totals. Returns the exit status."""
        print("\n=== Summary ===")
        totals = {"passed": 0, "failed": 0, "skipped": 0}
        for unit in dict.fromkeys(each.unit for each in self.jobs):
            own = [each for each in self.done if each.unit == unit]
            counts = {kind: sum(each.counts[kind] for each in own) for kind in totals}
            # A process that broke off counts nothing: it failed all the same.
            counts["failed"] += sum(
                each.counts["error"] or (each.failed and not each.counts["failed"])
                for each in own
            )
            for kind in totals:
                totals[kind] += counts[kind]
            verdict = "FAILED" if any(each.failed for each in own) else "ok"
            seconds = sum(each.seconds for each in own)
            print(
                f"{unit.backend:11} {unit.keras:13} {verdict:7} "
                f"{counts['passed']:5} passed {counts['failed']:4} failed "
                f"{counts['skipped']:4} skipped {seconds:6.0f} s"
            )
        print(f"All took {self.clock().strip()} minutes on {self.cores} cores.")
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
        nothing = not totals["passed"] + totals["failed"]
        return int(nothing or any(each.failed for each in self.done))


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backend", choices=BACKENDS, action="append")
    parser.add_argument("--smoke", action="store_true", help="a few tests of each")
    parser.add_argument("--fast", action="store_true", help="leave out slow tests")
    parser.add_argument("--oldest", action="store_true", help="test oldest Keras too")
    parser.add_argument("--every", action="store_true", help="share out no tests")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    options = parser.parse_args()
    if missing := needs.missing(options.backend or BACKENDS):
        print(f"The tests need {', '.join(missing)}: pip install -e '.[test]'")
        return 2

    # What one process compiles to byte code the next ones load.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count()
    arguments = [*options.pytest, *(SMOKE if options.smoke else ())]
    # Arguments that name files choose the tests themselves.
    named = any(pathlib.Path(each.split("::")[0]).exists() for each in arguments)
    options.every |= named
    planned = jobs.plan(list(units(options)), cores, whole=named)
    report = Report(planned, cores)
    report.plan()
    jobs.run_all(planned, arguments, cores, report.ended, report.beat, HEARTBEAT)
    if not (arguments or options.fast or options.every):
        jobs.remember(planned)
    return report.summary()


if __name__ == "__main__":
    sys.exit(main())
