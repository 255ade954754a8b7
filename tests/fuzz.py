"""Layers built and called with arguments of every kind, valid and invalid.

    python -m tests.fuzz --count 10000 --out torch.txt     on the backend of Keras
    python -m tests.fuzz --backend jax --count 10000 --out jax.txt
    python -m tests.fuzz --compare torch.txt jax.txt --out tests/fuzz.json

Hypothesis draws a case: a layer, its arguments, the shape and dtype of an input. The
outcome is a right answer (shape, dtype, values among what the noise allows), or
ValueError or TypeError; all else is a mistake. The same seed draws the same cases on
each backend, and files of verdicts can be compared. A run that is called again goes on
from its file, and runs again what was a mistake. JAX compiles each operation for each
shape. That takes less than half the time with these variables:

    JAX_DISABLE_MOST_OPTIMIZATIONS=1 XLA_FLAGS=--xla_cpu_use_fusion_emitters=false
"""

import argparse
import collections
import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import warnings

VERDICTS = ("right", "ValueError", "TypeError")
# What is written of a case while it runs.
ENDED = "ended the process"
# What is written of the run itself.
ABOUT = "about"


def main(arguments=None):
    """Runs many cases, or compares the verdicts of several runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=("torch", "jax", "tensorflow"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--compare", type=pathlib.Path, nargs="+")
    options = parser.parse_args(arguments)
    if options.compare:
        return compare(options.compare, options.out)
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    # Not before the backend is chosen.
    from tests import fuzz_cases

    warnings.simplefilter("ignore")
    cases = fuzz_cases.drawn(options.count, options.seed)
    verdicts = run(cases, options.out, fuzz_cases.verdict)
    for case, verdict in verdicts.items():
        if verdict not in VERDICTS:
            print(verdict, "\n   ", case)
    print(counts(verdicts))
    return not {*verdicts.values()} <= {*VERDICTS}


def run(cases, out, judge):
    """The verdicts by case. What stands in the file `out` is not run again.

    A case is written before it is run, so that the file names what ends the process.
    """
    told = read(out) if out and out.exists() else {}
    verdicts = {t: v for t, v in told.items() if t in cases and v in VERDICTS}
    with out.open("a") if out else contextlib.nullcontext() as file:

        def note(verdict, text):
            if file:
                file.write(f"{verdict}\t{text}\n")
                file.flush()

        note(ABOUT, json.dumps(about()))
        for text in [each for each in cases if each not in verdicts]:
            note(ENDED, text)
            verdicts[text] = judge(cases[text])
            note(verdicts[text], text)
    return verdicts


def about():
    """The versions, the commit, the processor and the date of a run."""
    import keras

    backend = keras.backend.backend()
    names = {"tensorflow": ("tensorflow", "tensorflow-cpu")}.get(backend, (backend,))
    versions = {name: _version(name) for name in ("keras", *names, "numpy")}
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return {
        "backend": backend,
        "versions": {name: each for name, each in versions.items() if each},
        "commit": done.stdout.strip(),
        "processor": platform.machine(),
        "date": str(datetime.datetime.now(datetime.UTC).date()),
    }


def _version(name):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)


def lines(path):
    """The lines of a file, each a verdict and a case."""
    return [each.partition("\t")[::2] for each in path.read_text().splitlines()]


def read(path):
    """The verdicts by case; the last word on a case counts."""
    return {text: verdict for verdict, text in lines(path) if verdict != ABOUT}


def counts(verdicts):
    """How many cases had which verdict."""
    kinds = [each if each in VERDICTS else "mistake" for each in verdicts.values()]
    return {
        "cases": len(verdicts),
        "layers": len({case.split("'")[3] for case in verdicts}),
        **dict.fromkeys((*VERDICTS, "mistake"), 0),
        **collections.Counter(kinds),
    }


def compare(paths, out=None):
    """Prints the cases that have another verdict on another backend."""
    runs, told = collections.defaultdict(dict), collections.defaultdict(list)
    for path in paths:
        records = [json.loads(text) for kind, text in lines(path) if kind == ABOUT]
        backend = records[-1]["backend"]
        runs[backend] |= read(path)
        told[backend] += records
    common = set.intersection(*map(set, runs.values()))
    differing = {c: {b: runs[b][c] for b in runs} for c in common}
    differing = {c: v for c, v in differing.items() if len({*v.values()}) > 1}
    for case, each in sorted(differing.items()):
        print(each, "\n   ", case)
    result = {
        "backends": {b: counts(runs[b]) | {"runs": _once(told[b])} for b in runs},
        "compared": len(common),
        "differing": len(differing),
    }
    if out:
        out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{len(common)} cases on {', '.join(runs)}, {len(differing)} differ")
    return bool(differing)


def _once(records):
    return [each for n, each in enumerate(records) if each not in records[:n]]


if __name__ == "__main__":
    sys.exit(main())
