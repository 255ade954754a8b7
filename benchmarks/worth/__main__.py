"""Trains, judges and writes what uncertainty buys.

    python -m benchmarks.worth --data FOLDER --output docs/results    all tasks
    python -m benchmarks.worth --tasks "digits, dense" --seeds 2      a part

A cell is one training of a method on one split of a task. What the file `worth.json` of
the output holds already is not run again, and each cell is written as it is done: stop
the command when you like, and start it again to go on. `--again` runs the tasks and
groups that are named anew, and leaves the others as they are.
"""

import argparse
import json
import os
import pathlib
import time

# The programs of this kind run on the processor; JAX compiles small networks fastest.
os.environ.setdefault("KERAS_BACKEND", "jax")

import keras_dropout as kd
from benchmarks.worth import methods, report, tasks
from examples.experiment import origin, rounded


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="a folder with the data")
    parser.add_argument("--tasks", nargs="+", help="default: all that are at hand")
    parser.add_argument("--groups", nargs="+", choices=methods.GROUPS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="instead of those of the tasks")
    parser.add_argument("--output", type=pathlib.Path, default="outputs/worth")
    parser.add_argument("--again", action="store_true", help="run what is named anew")
    args = parser.parse_args()
    names = args.tasks or [*tasks.BUNDLED, *(tasks.IN_FOLDER if args.data else ())]
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "worth.json"
    results = json.loads(path.read_text()) if path.exists() else {"tasks": {}}
    results["settings"] = settings(args.seeds)
    for name in names:
        run(name, args, results, path)
    print(report.report(results))


def run(name, args, results, path):
    """Adds what is missing of one task to the results, cell by cell."""
    found = results["tasks"].setdefault(name, {})
    groups = args.groups or list(methods.GROUPS)
    every = methods.Methods(tasks.task(name, args.data), args.epochs)
    if args.again:
        for method in (method for group in groups for method in every.names(group)):
            found.pop(method, None)
    for seed in range(args.seeds):
        for group in groups:
            missing = [n for n in every.names(group) if len(found.get(n, ())) <= seed]
            if not missing:
                continue
            start = time.perf_counter()
            scores = rounded(every.scores(group, seed))
            for method in missing:
                found.setdefault(method, []).append(scores[method])
            write(path, results)
            taken = time.perf_counter() - start
            print(f"{name}, {group}, seed {seed}: {taken:.0f} s", flush=True)


def write(path, results):
    """Writes the results in one step, so that a stop leaves a whole file."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results) + "\n")
    part.replace(path)


def settings(seeds):
    """What a run has to be repeated with."""
    return {
        "repeats": seeds,
        "samples": methods.SAMPLES,
        "keras_dropout": kd.__version__,
        **origin(),
    }


if __name__ == "__main__":
    main()
