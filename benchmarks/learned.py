"""What learning the noise costs: a compiled training step, ours, fixed and bare.

Each learned layer stands beside fixed dropout of a rate of 0.1 in front of the same
layer, and beside that layer alone. The bound is 1.5 times the step with fixed dropout.

All stand behind a trainable factor, as within a network, so that gradients of their
inputs are needed anyway. A first layer needs none of its own. A learned rate does, and
that is a matrix product more: the rows called *first* show what it costs.

    python -m benchmarks.learned
"""

import argparse
import json
import pathlib
import sys

import keras
import numpy as np

import keras_dropout as kd
from benchmarks import processes, report
from benchmarks.made import how_made, settings
from benchmarks.timing import take_turns
from benchmarks.wrappers import model_of
from examples.experiment import rounded

L = keras.layers
BOUND = 1.5


def dense():
    return L.Dense(1024, "relu")


def conv():
    return L.Conv2D(64, 3, activation="relu")


def units():
    return kd.layers.Dropout(0.1)


def channels():
    return kd.layers.SpatialDropout2D(0.1)


class Factor(L.Layer):
    """A trainable factor of the inputs."""

    def build(self, input_shape):
        self.factor = self.add_weight(initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor


ROWS, IMAGES, MANY = (128, 1024), (16, 16, 16, 64), (1024, 1024)
FIRST = ", first"
# The learned layer around the bare one, the bare layer, fixed dropout, the inputs.
CASES = {
    "ConcreteDropout(Dense)": (kd.layers.ConcreteDropout, dense, units, ROWS),
    "ConcreteDropout(Dense), first": (
        kd.layers.ConcreteDropout,
        dense,
        units,
        ROWS,
    ),
    "ConcreteDropout(Conv2D)": (kd.layers.ConcreteDropout, conv, channels, IMAGES),
    "VariationalDropout, Dense": (
        lambda layer: [kd.layers.VariationalDropout(0.1), layer],
        dense,
        units,
        ROWS,
    ),
    "SparseVariationalDropout(Dense)": (
        kd.layers.SparseVariationalDropout,
        dense,
        units,
        ROWS,
    ),
    "SparseVariationalDropout(Dense), 1,024 rows": (
        kd.layers.SparseVariationalDropout,
        dense,
        units,
        MANY,
    ),
    "SparseVariationalDropout(Conv2D)": (
        kd.layers.SparseVariationalDropout,
        conv,
        channels,
        IMAGES,
    ),
    "Masksembles, Dense": (
        lambda layer: [kd.layers.Masksembles(4), layer],
        dense,
        units,
        ROWS,
    ),
    "Standout(Dense)": (kd.layers.Standout, dense, units, ROWS),
    "TargetedDropout(Dense)": (kd.layers.TargetedDropout, dense, units, ROWS),
    "TargetedDropout(Dense), 1,024 rows": (
        kd.layers.TargetedDropout,
        dense,
        units,
        MANY,
    ),
    "TargetedDropout(Dense), of units": (
        lambda layer: kd.layers.TargetedDropout(layer, mode="unit"),
        dense,
        units,
        ROWS,
    ),
    "InformationDropout(Dense)": (kd.layers.InformationDropout, dense, units, ROWS),
}


def measure(name, budget):
    """The times of one case by turns."""
    wrap, build, drop, shape = CASES[name]
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    learned = wrap(build())
    stacks = {
        "bare": [build()],
        "fixed": [drop(), build()],
        "learned": learned if isinstance(learned, list) else [learned],
    }

    def fronts():
        return [] if name.endswith(FIRST) else [Factor()]

    models = {
        kind: model_of([*fronts(), *layers], shape) for kind, layers in stacks.items()
    }
    y = np.zeros((shape[0], *models["bare"].output_shape[1:]), "float32")
    steps = {
        kind: lambda model=model: np.asarray(model.train_on_batch(x, y))
        for kind, model in models.items()
    }
    times = take_turns(steps, budget=budget, least=20)
    return {
        "backend": keras.backend.backend(),
        "layer": name,
        "milliseconds": {kind: 1e3 * times.median(kind) for kind in steps},
        "over fixed": times.ratio("learned", "fixed"),
        "over bare": times.ratio("learned", "bare"),
    }


def table(cells):
    """A row for each backend and layer."""
    head = ["", "", "bare, ms", "fixed, ms", "learned, ms"]
    head += ["learned over bare", "learned over fixed"]
    rows = []
    for cell in cells:
        middle, low, high = cell["over fixed"]
        taken = [f"{each:.2f}" for each in cell["milliseconds"].values()]
        bare = f"{cell['over bare'][0]:.2f}"
        mark = "**" if middle > BOUND else ""
        ratio = f"{mark}{middle:.2f}{mark} [{low:.2f}, {high:.2f}]"
        rows.append([cell["backend"], f"`{cell['layer']}`", *taken, bare, ratio])
    return report.markdown(head, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a row")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("docs/assets/benchmarks")
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        for name in CASES:
            print(json.dumps(measure(name, arguments.budget)), flush=True)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    passed = ["--measure", *sys.argv[1:]]
    cells = list(processes.measure("benchmarks.learned", passed))
    made = settings("each backend")
    results = {"settings": made, "cells": cells}
    (arguments.output / "learned.json").write_text(json.dumps(rounded(results)) + "\n")
    (arguments.output / "learned.md").write_text(f"{table(cells)}\n{how_made(made)}\n")
    print(table(cells))


if __name__ == "__main__":
    main()
