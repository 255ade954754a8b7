"""Trains, judges and writes what uncertainty buys.

    python -m benchmarks.worth --data FOLDER --output docs/results    all tasks
    python -m benchmarks.worth --tasks "digits, dense" --seeds 2      a part

Results of tasks that are not run again stay in the file `worth.json` of the output.
"""

import argparse
import json
import os
import pathlib
import sys
import time

# The programs of this kind run on the processor; JAX compiles small networks fastest.
os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from benchmarks.worth import methods, report, tasks
from examples.experiment import rounded


def run(names, folder, seeds, epochs=None):
    """By task and method, the scores of each seed."""
    found = {}
    for name in names:
        start = time.perf_counter()
        found[name] = methods.compare(tasks.task(name, folder), seeds, epochs)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    return found


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="a folder with the data")
    parser.add_argument("--tasks", nargs="+", help="default: all that are at hand")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="instead of those of the tasks")
    parser.add_argument("--output", type=pathlib.Path, default="outputs/worth")
    args = parser.parse_args()
    names = args.tasks or [*tasks.BUNDLED, *(tasks.IN_FOLDER if args.data else ())]
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "worth.json"
    results = json.loads(path.read_text()) if path.exists() else {"tasks": {}}
    results["settings"] = {
        "repeats": args.seeds,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "samples": methods.SAMPLES,
        "python": sys.version.split()[0],
    }
    for name in names:
        results["tasks"] |= rounded(run([name], args.data, args.seeds, args.epochs))
        path.write_text(json.dumps(results) + "\n")
    print(report.report(results))


if __name__ == "__main__":
    main()
