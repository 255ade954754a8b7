"""What the parts of a step of dropout take, and so what bounds the whole.

    python -m benchmarks.parts

The parts, each a step of its own: a mere multiplication; the same in a Keras layer;
drawing the mask and nothing else; selecting by a mask that is there. Beside them our
whole `Dropout` and Keras's. Writes `parts.md` to the folder `--output`.

`torch.compile` makes one loop of mask and selection, so they have no times of their
own there.
"""

import argparse
import json
import pathlib
import sys

from benchmarks import processes, report
from benchmarks.layers import FLAT
from benchmarks.made import how_made, settings
from benchmarks.timing import geometric_mean, take_turns

RATE = 0.3
COLUMNS = {
    "multiply": "multiplication",
    "call": "in a Keras layer",
    "draw": "mask",
    "select": "selection",
    "ours": "our `Dropout`",
    "keras": "Keras's",
}
BOUNDS = {
    "ours": "faster than Keras",
    "select": "were the mask free",
    "call": "a layer that multiplies",
    "multiply": "a multiplication",
}


def measure(size, mode, budget):
    """Milliseconds of each part and of the whole."""
    import keras
    import numpy as np

    import keras_dropout
    from benchmarks.steps import BACKEND, drawing, training_step
    from keras_dropout import random

    class Multiply(keras.layers.Layer):
        def call(self, x, training=False):
            return x * 1.5

    shape = FLAT[size]
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype("float32")
    keep = rng.random(shape) >= RATE
    layer = keras_dropout.layers.Dropout(RATE, seed=1)

    def draw():
        return random.keep_mask(shape, layer.current("rate"), layer.key())

    def select(x, keep):
        return random.select(keep, x, 1.0 / (1.0 - RATE))

    def whole(layer):
        layer.build(shape)
        return training_step(
            lambda x: layer(x, training=True), layer.variables, x, mode
        )

    contenders = {
        "multiply": training_step(lambda x: x * 1.5, [], x, mode),
        "call": whole(Multiply()),
        "ours": whole(layer),
        "keras": whole(keras.layers.Dropout(RATE, seed=1)),
    }
    if mode != "compile":
        contenders["draw"] = drawing(draw, layer.variables, mode)
        contenders["select"] = training_step(select, [], x, mode, [keep])
    times = take_turns(contenders, budget=budget)
    taken = {name: 1e3 * times.median(name) for name in contenders}
    return {"mode": f"{BACKEND} {mode}", "size": size, "milliseconds": taken}


def table(cells):
    """Milliseconds, a row for each mode and size, and the ratios over all sizes."""
    cells = list(cells)
    rows = [
        [c["mode"], c["size"], *(_digits(c["milliseconds"].get(p)) for p in COLUMNS)]
        for c in cells
    ]
    times = report.markdown(["", "", *COLUMNS.values()], rows)
    rows = []
    for mode in dict.fromkeys(c["mode"] for c in cells):
        own = [c["milliseconds"] for c in cells if c["mode"] == mode]
        row = [mode]
        for part in BOUNDS:
            known = all(part in each for each in own)
            ratios = [each["keras"] / each[part] for each in own] if known else []
            row.append(_digits(geometric_mean(ratios) if known else None))
        rows.append(row)
    return f"{times}\n{report.markdown(['', *BOUNDS.values()], rows)}"


def _digits(number):
    """Three digits, as a plain decimal."""
    if number is None:
        return "-"
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a row")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("docs/assets/benchmarks")
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        from benchmarks.steps import BACKEND, MODES

        for mode in MODES[BACKEND]:
            for size in FLAT:
                print(json.dumps(measure(size, mode, arguments.budget)), flush=True)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    passed = ["--measure", *sys.argv[1:]]
    found = table(processes.measure("benchmarks.parts", passed))
    found += f"\n{how_made(settings('each backend'))}\n"
    (arguments.output / "parts.md").write_text(found)
    print(found)


if __name__ == "__main__":
    main()
