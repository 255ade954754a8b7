"""What the experiments share: arguments, data, repeats, and where results go."""

import argparse
import datetime
import importlib.metadata
import inspect
import json
import pathlib
import platform
import subprocess

import keras
import numpy as np


def main(description, run, report, figures, *, epochs, repeats=1):
    """Runs one experiment as a command.

    Args:
        description: Docstring of the experiment, shown by `--help`.
        run: Function from the parsed arguments to a dictionary of results that JSON
            can hold.
        report: Function from the results to a Markdown table.
        figures: Dictionary from a name to a function from results to a figure.
        epochs: Default of `--epochs`, and that of `--quick`.
        repeats: Default of `--repeats`.
    """
    parser = argparse.ArgumentParser(
        description=inspect.cleandoc(description),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    full, quick = epochs
    parser.add_argument("--epochs", type=int, help=f"default {full}, quick {quick}")
    parser.add_argument("--repeats", type=int, help=f"seeds, default {repeats}")
    parser.add_argument("--data", type=pathlib.Path, help="a folder with the data")
    parser.add_argument("--output", type=pathlib.Path, help="a folder for the results")
    parser.add_argument(
        "--quick", action="store_true", help="a minute, without a network"
    )
    args = parser.parse_args()
    args.epochs = args.epochs or (quick if args.quick else full)
    args.repeats = args.repeats or (1 if args.quick else repeats)
    results = {"settings": settings(args), **run(args)}
    print(report(results))
    if args.output is not None:
        name = pathlib.Path(inspect.getfile(run)).stem
        write(args.output, name, results, figures)


def settings(args):
    """The settings that are needed to repeat a run."""
    return {
        "epochs": args.epochs,
        "repeats": args.repeats,
        "quick": args.quick,
        **origin(),
    }


def origin():
    """The date, the machine and the versions of the results."""
    backend = keras.backend.backend()
    packages = {"numpy", {"tensorflow": "tensorflow-cpu"}.get(backend, backend)}
    return {
        "keras": keras.__version__,
        "backend": backend,
        "machine": platform.machine(),
        "processor": processor(),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in sorted(packages)},
        "commit": commit(),
    }


def version(package):
    """The version of an installed package, or `None`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor():
    """The name of the processor, as Linux tells it."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def commit():
    """The commit that the programs are of, or `None` outside of a repository."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    folder = pathlib.Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


class Cells(dict):
    """Results by name, written after each one, so that a stopped run can continue.

    Args:
        path: File of JSON, or `None` to keep nothing.
        settings: What the run is repeated with. Cells of a file with another backend,
            or of a quick run, are computed again.
    """

    def __init__(self, path, settings):
        self.path, self.settings = path, settings
        if path is None or not path.exists():
            return
        before = json.loads(path.read_text())
        same = ("backend", "quick", "epochs")
        if all(before["settings"].get(k) == settings.get(k) for k in same):
            self.update(before["cells"])

    def cell(self, name, compute):
        """Computes a cell unless the file has it."""
        if name in self:
            return
        self[name] = rounded(compute())
        print(name, flush=True)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            results = {"settings": self.settings, "cells": self}
            self.path.write_text(json.dumps(results) + "\n")


def cells_of(name, args):
    """The cells of an experiment whose results are made of them in the end."""
    path = None if args.output is None else args.output / f"{name}.cells.json"
    return Cells(path, settings(args))


def write(folder, name, results, figures):
    """Writes the results as JSON and the figures as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rounded(results)) + "\n")
    for figure, draw in figures.items():
        draw(results).savefig(folder / f"{figure}.svg", bbox_inches="tight")


def steps_per_execution(steps):
    """How many steps to compile into one, where the backend can."""
    return 1 if keras.backend.backend() == "torch" else steps


def rounded(value):
    """The results with numbers of five digits, to keep the files short."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def mean_and_spread(values, digits=2):
    """The mean and the standard deviation over repeats, as text."""
    values = np.asarray(values)
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def mean_and_error(values, digits=2):
    """The mean and its standard error over repeats, as text."""
    values = np.asarray(values)
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {standard_error(values):.{digits}f}"


def standard_error(values):
    """The standard error of the mean."""
    return np.std(values, ddof=1) / np.sqrt(len(values))


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
