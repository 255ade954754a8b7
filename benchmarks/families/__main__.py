"""Trains small networks with and without each family of layers.

    python -m benchmarks.families --data FOLDER --output docs/results
    python -m benchmarks.families --studies units mixout --seeds 2

The folder holds `cifar10_subset.npz` and `tinyshakespeare.txt`; without it, the studies
on digits run. Cells that the file of the output has already are not run again.
"""

from __future__ import annotations

import argparse
import os
import pathlib

# JAX runs the loops of recurrent networks fastest on a processor.
os.environ.setdefault("KERAS_BACKEND", "jax")

from benchmarks.families import report, studies
from examples import experiment


def run(names, folder, cells, seeds, epochs=None):
    """Fills in the cells of some studies."""
    for name in names:
        study = studies.STUDIES[name]
        for method in study.methods:
            cells.cell(
                f"{name}/{method}",
                lambda s=study, m=method: studies.measured(s, m, folder, seeds, epochs),
            )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, help="a folder with the data")
    parser.add_argument("--studies", nargs="+", help="default: all that have data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="instead of those of the studies")
    parser.add_argument("--output", type=pathlib.Path, default="outputs/families")
    args = parser.parse_args()
    at_hand = [n for n, s in studies.STUDIES.items() if args.data or not s.needs]
    quick = args.epochs is not None
    settings = {"repeats": args.seeds, "quick": quick, **experiment.origin()}
    cells = experiment.Cells(args.output / "families.json", settings)
    run(args.studies or at_hand, args.data, cells, args.seeds, args.epochs)
    print(report.report({"settings": settings, "cells": cells}))


if __name__ == "__main__":
    main()
