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
from cells import Cells


def main(description, run, report, figures, *, epochs, repeats=1):
    """Runs one experiment as a command.

    Args:
        description: Docstring of the experiment, shown by `--help`.
        run: Function from the parsed arguments to a dictionary of results that JSON
            can hold. `args.cell(key, find)` keeps a part of them, so that a run that
            was stopped goes on where it was.
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
    name, own = pathlib.Path(inspect.getfile(run)).stem, settings(args)
    path = None if args.output is None else args.output / f"{name}.cells"
    args.cell = Cells(path, own)
    results = {"settings": own, "origin": origin(), **run(args)}
    print(report(results))
    if args.output is not None:
        write(args.output, name, results, figures)
        args.cell.forget()


def settings(args):
    """What a run has to be repeated with."""
    return {
        "epochs": args.epochs,
        "repeats": args.repeats,
        "quick": args.quick,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "machine": platform.machine(),
    }


def origin():
    """Where and when results were made, and by what."""
    packages = ("keras", "numpy", "tensorflow", "jax", "torch", "scikit-learn")
    return {
        "date": datetime.date.today().isoformat(),
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "processor": _processor(),
        "versions": {name: v for name in packages if (v := _version(name))},
    }


def _said(*command):
    """What a command prints, or an empty text."""
    folder = pathlib.Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip()


def _processor():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


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


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
