"""What the experiments share: arguments, data, repeats, and where results go."""

import argparse
import inspect
import json
import pathlib
import platform

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
    """What a run has to be repeated with."""
    return {
        "epochs": args.epochs,
        "repeats": args.repeats,
        "quick": args.quick,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "machine": platform.machine(),
    }


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
