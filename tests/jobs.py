"""What the runner runs: processes of pytest, as many at a time as there are cores.

A process has one backend and one version of Keras, and its share of the test files.
All tests of a file run in one process, where what was compiled is used again.
"""

import collections
import collections.abc
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "seconds.json"
LAST = ROOT / "build" / "seconds.json"
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)")
PERCENT = re.compile(r"\[ *(\d+)%\]$")
# Seconds to start a process, and for a file that was never timed.
START = 8
UNKNOWN = {"tests": 3, "keras_dropout": 0.3}
# How long a process should take: much shorter and most of it is the start, longer and
# a core is idle at the end.
SHORTEST, LONGEST = 60, 300
# How many such processes each core would have, if all were as long.
SHARES = 3
NOTHING_COLLECTED = 5


@dataclasses.dataclass(frozen=True)
class Unit:
    """One backend on one version of Keras, and which tests run there.

    `prepare` makes ready what the unit needs, just before that, and gives variables of
    the environment. `arguments` are for pytest. `says` is a text that each file with
    such tests has, so that the others need not be read.
    """

    backend: str
    keras: str
    marks: str
    prepare: collections.abc.Callable = dict
    arguments: tuple = ()
    says: str = ""

    def __str__(self):
        return f"{self.backend}, {self.keras}"

    def files(self):
        """The files that may have tests of this unit."""
        return [
            name for name in files() if self.says in (ROOT / name).read_text("utf-8")
        ]


@dataclasses.dataclass
class Job:
    """One process: a share of the files of a unit."""

    unit: Unit
    files: list
    estimate: float
    place: str = ""
    percent: int = 0
    output: list = dataclasses.field(default_factory=list)
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    status: int | None = None
    seconds: float = 0.0
    by_file: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        return f"{self.unit}{self.place}"

    @property
    def failed(self):
        return self.status not in (0, NOTHING_COLLECTED)


def files():
    """All that pytest can be pointed at: files of tests, and folders of doctests."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    package = sorted(ROOT.glob("keras_dropout/**/[!_]*.py"))
    return [str(each.relative_to(ROOT)) for each in (*tests, *package)]


def estimates():
    """Seconds of each file in each unit: of the last run here, or as recorded."""
    path = LAST if LAST.exists() else RECORDED
    return json.loads(path.read_text()) if path.exists() else {}


def remember(jobs):
    """Keeps the seconds of each file for the estimates of the next run."""
    known = estimates()
    for job in jobs:
        unit = known.setdefault(str(job.unit), {})
        for file in job.files:
            inside = [s for name, s in job.by_file.items() if name.startswith(file)]
            unit[file] = round(sum(inside), 1)
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def plan(units, cores, whole=False):
    """The jobs for the units, the longest first.

    With `whole`, one job a unit, which collects what the arguments for pytest name.
    """
    known = estimates()
    seconds = {
        unit: {
            name: known.get(str(unit), {}).get(name, UNKNOWN[name.partition("/")[0]])
            for name in unit.files()
        }
        for unit in units
    }
    if whole:
        return [Job(unit, [], 0.0) for unit in units]
    total = sum(sum(each.values()) for each in seconds.values())
    longest = min(max(total / (SHARES * cores), SHORTEST), LONGEST)
    jobs = []
    for unit, times in seconds.items():
        shares = max(1, round(sum(times.values()) / longest))
        own = [Job(unit, [], START) for _ in range(shares)]
        for name, estimate in sorted(times.items(), key=lambda item: -item[1]):
            least = min(own, key=lambda job: job.estimate)
            least.files.append(name)
            least.estimate += estimate
        for number, job in enumerate(own, 1):
            job.place = f" ({number} of {shares})" if shares > 1 else ""
        jobs += own
    return sorted(jobs, key=lambda job: -job.estimate)


def run(job, arguments, show=False):
    """Runs one job to its end, and stores the result in it."""
    # The jobs share the cores, so each keeps to one thread.
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    own = job.unit.prepare()
    paths = filter(None, (own.pop("PYTHONPATH", None), str(ROOT)))
    with tempfile.TemporaryDirectory() as folder:
        seconds = pathlib.Path(folder) / "seconds.json"
        variables = {
            "KERAS_BACKEND": job.unit.backend,
            "PYTHONPATH": os.pathsep.join(paths),
            "MPLBACKEND": "Agg",
            "TESTS_SECONDS": str(seconds),
            **own,
        }
        command = [sys.executable, "-m", "pytest", "-p", "tests.timing"]
        if job.unit.marks:
            command += ["-m", job.unit.marks]
        # Several processes at a time have no use for one cache.
        command += [*job.files, *([] if show else ["-p", "no:cacheprovider"])]
        start = time.monotonic()
        process = subprocess.Popen(
            [*command, *job.unit.arguments, *arguments],
            cwd=ROOT,
            env={**os.environ, **threads, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            for line in process.stdout:
                _read(job, line)
                if show:
                    print(line, end="", flush=True)
            job.status = process.wait()
        finally:
            process.kill()
        job.seconds = time.monotonic() - start
        if seconds.exists():
            job.by_file = json.loads(seconds.read_text())


def _read(job, line):
    job.output.append(line)
    if found := PERCENT.search(line.strip()):
        job.percent = int(found[1])
    if " in " in line and (counts := COUNT.findall(line)):
        job.counts = collections.Counter({k.rstrip("s"): int(n) for n, k in counts})


def run_all(jobs, arguments, cores, ended, beat, heartbeat):
    """Runs all jobs, `cores` at a time.

    Calls `ended(job)` when one has ended, and `beat()` every `heartbeat` seconds.
    """
    show = len(jobs) == 1
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        running = {pool.submit(run, job, arguments, show): job for job in jobs}
        try:
            while running:
                done, _ = concurrent.futures.wait(
                    running, heartbeat, concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    future.result()
                    ended(running.pop(future))
                if not done and not show:
                    beat()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
