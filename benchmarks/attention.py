"""Attention with dropout at 512 and 4,096 tokens, with and without its noise.

    for backend in tensorflow jax torch; do
        KERAS_BACKEND=$backend python -m benchmarks.attention --write
    done

Four heads of 16. By turns: `keras.layers.MultiHeadAttention` with a rate of 0, which
takes the fused operation, the same with a rate of 0.1, that one after `set_rates`,
`DropHead` with a rate of 0.1 within too, and `DropKey` in place of that dropout.
`--write` keeps the results in `docs/assets/benchmarks`, as `attention.json`, one part a
backend, and as a table.
"""

import argparse
import json
import pathlib

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.made import how_made, settings
from benchmarks.report import markdown
from benchmarks.steps import BACKEND, MODES, training_step
from benchmarks.timing import take_turns

ROOT = pathlib.Path(__file__).parents[1]
OUTPUT = ROOT / "docs" / "assets" / "benchmarks"
# Tokens, and the rows of a batch.
SIZES = {512: 8, 4096: 1}
HEADS, WIDTH, RATE = 4, 16, 0.1
NAMES = {
    "rate 0": "Keras, rate 0",
    "keras": "Keras, rate 0.1",
    "set_rates": "after `set_rates`",
    "DropHead": "`DropHead`",
    "DropKey": "`DropKey`",
}


def contenders(tokens):
    """The layers, built."""

    def keras_own(rate):
        return keras.layers.MultiHeadAttention(HEADS, WIDTH, dropout=rate)

    made = {
        "rate 0": keras_own(0.0),
        "keras": keras_own(RATE),
        "set_rates": keras_own(RATE),
        "DropHead": kd.layers.DropHead(HEADS, WIDTH, RATE, dropout=RATE),
        "DropKey": kd.layers.DropKey(HEADS, WIDTH, RATE),
    }
    shape = (None, tokens, HEADS * WIDTH)
    for layer in made.values():
        layer.build(shape, shape)
    kd.set_rates(made["set_rates"], RATE)
    return made


def measure(tokens, rows, training, mode, budget):
    """Milliseconds of each, forward and backward, and times of the fused one."""
    x = np.random.default_rng(0).normal(size=(rows, tokens, HEADS * WIDTH))
    x = x.astype("float32")

    def step(layer):
        def call(x):
            return layer(x, x, training=training)

        return training_step(call, layer.variables, x, mode)

    made = {name: step(layer) for name, layer in contenders(tokens).items()}
    times = take_turns(made, budget=budget, least=3)
    return {
        "mode": f"{BACKEND} {mode}",
        "tokens": tokens,
        "rows": rows,
        "noise": training,
        "milliseconds": {n: float(f"{1e3 * times.median(n):.4g}") for n in made},
        "ratio": {n: _rounded(times.ratio(n, "rate 0")) for n in made},
    }


def _rounded(numbers):
    """Four digits: more would be noise."""
    return [float(f"{each:.4g}") for each in numbers]


def table(cells):
    """A row for each size, with the noise and without."""
    head = ["", "", "tokens", *NAMES.values()]
    rows = []
    for cell in cells:
        where = "noise" if cell["noise"] else "no noise"
        took = [f"{cell['ratio'][name][0]:.2f}" for name in NAMES]
        took[0] = f"{cell['milliseconds']['rate 0']:.3g} ms"
        rows.append([cell["mode"], where, f"{cell['tokens']:,}", *took])
    return markdown(head, rows)


def report(results):
    """The table of all backends, and how it was made."""
    cells = [cell for part in results["parts"].values() for cell in part]
    sentences = map(how_made, results["settings"].values())
    return "\n".join([table(cells), "\n\n".join(sentences), ""])


def main(arguments=None):
    """Measures the backend in force."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--budget", type=float, default=10.0, help="seconds a cell")
    parser.add_argument("--mode", default=MODES[BACKEND][0])
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args(arguments)
    for tokens in told.tokens:
        for training in (False, True):
            rows = SIZES.get(tokens, 2)
            cell = measure(tokens, rows, training, told.mode, told.budget)
            print(json.dumps(cell), flush=True)
            if told.write:
                write(cell)


def write(cell):
    """Adds a cell to the results, and writes the table again."""
    path = OUTPUT / "attention.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    results = {"settings": {}, "parts": {}, **found}
    same = ("tokens", "noise", "mode")
    others = [
        each
        for each in results["parts"].get(BACKEND, [])
        if any(each[name] != cell[name] for name in same)
    ]
    cells = sorted([*others, cell], key=lambda each: (each["tokens"], each["noise"]))
    results["settings"][BACKEND] = settings()
    results["parts"][BACKEND] = cells
    path.write_text(json.dumps(results, indent=1) + "\n")
    (OUTPUT / "attention.md").write_text(report(results))


if __name__ == "__main__":
    main()
