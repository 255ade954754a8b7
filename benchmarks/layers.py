"""Compares every layer that has a twin in Keras, forward and backward.

    python -m benchmarks.layers                   all, on each backend (half an hour)
    python -m benchmarks.layers --quick           the heart of it (some minutes)
    python -m benchmarks.layers --backend jax     one backend

Writes `layers.json`, `layers.md` and `layers.svg` to the folder `--output`.
"""

import argparse
import json
import pathlib
import sys

from benchmarks import processes, report
from benchmarks.made import how_made, settings
from benchmarks.timing import take_turns

FLAT = {"small": (32, 64), "medium": (128, 1024), "large": (256, 8192)}
SHAPES = {
    "Dropout": FLAT,
    "GaussianDropout": FLAT,
    "GaussianNoise": FLAT,
    "AlphaDropout": FLAT,
    "SpatialDropout1D": {
        "small": (32, 8, 8),
        "medium": (64, 32, 64),
        "large": (64, 256, 128),
    },
    "SpatialDropout2D": {
        "small": (16, 4, 4, 8),
        "medium": (32, 16, 16, 16),
        "large": (64, 32, 32, 32),
    },
    "SpatialDropout3D": {
        "small": (8, 4, 4, 4, 4),
        "medium": (16, 8, 8, 8, 16),
        "large": (32, 16, 16, 16, 16),
    },
}
RATES = (0.1, 0.3, 0.5)
DTYPES = ("float32", "float16", "bfloat16")


def cells(quick):
    """What is measured: (layer, name of the shape, rate, dtype)."""
    for layer, shapes in SHAPES.items():
        for size in shapes:
            for rate in RATES:
                for dtype in DTYPES:
                    central = rate == 0.3 and dtype == "float32"
                    if not quick or central:
                        yield layer, size, rate, dtype


def measure(layer, size, rate, dtype, mode, budget, shape=None):
    """Ours, Keras's and a multiplication, by turns."""
    import keras
    import ml_dtypes
    import numpy as np

    import keras_dropout
    from benchmarks.steps import BACKEND, training_step

    shape = shape or SHAPES[layer][size]
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    x = np.random.default_rng(0).normal(size=shape).astype(kind)

    def step(source):
        twin = getattr(source, layer)(rate, seed=1, dtype=dtype)
        twin.build(shape)
        return training_step(lambda x: twin(x, training=True), twin.variables, x, mode)

    contenders = {
        "multiply": training_step(lambda x: x * 1.5, [], x, mode),
        "keras": step(keras.layers),
        "ours": step(keras_dropout.layers),
    }
    if BACKEND == "torch" and layer == "Dropout":
        import torch

        def unseeded(x):
            return torch.nn.functional.dropout(x, rate)

        contenders["torch"] = training_step(unseeded, [], x, mode)
    times = take_turns(contenders, budget=budget)
    cell = {"mode": f"{BACKEND} {mode}", "layer": layer, "size": size}
    cell |= {"rate": rate, "dtype": dtype, "elements": int(np.prod(shape))}
    cell["milliseconds"] = {n: _rounded(1e3 * times.median(n)) for n in contenders}
    cell["gain"] = [_rounded(q) for q in times.ratio("keras", to="ours")]
    cell["cost"] = [_rounded(q) for q in times.ratio("ours", to="multiply")]
    if "torch" in contenders:
        cell["gain_torch"] = [_rounded(q) for q in times.ratio("torch", to="ours")]
    return cell


def _rounded(number):
    """Four digits: more would be noise."""
    return float(f"{number:.4g}")


def measure_backend(arguments):
    """All cells of the backend in force, one line of JSON each."""
    from benchmarks.steps import BACKEND, MODES

    if BACKEND == "torch" and arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    for mode in arguments.mode or MODES[BACKEND]:
        for cell in cells(arguments.quick):
            print(json.dumps(measure(*cell, mode, arguments.budget)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--backend", choices=processes.BACKENDS, action="append")
    parser.add_argument("--mode", action="append", help="of one backend, as `jit`")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds a cell")
    parser.add_argument("--threads", type=int, help="of PyTorch; default: its own")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("docs/assets/benchmarks")
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure_backend(arguments)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    backends = arguments.backend or processes.BACKENDS
    passed = [a for a in sys.argv[1:] if a != "--backend" and a not in backends]
    found = []
    for cell in processes.measure(
        "benchmarks.layers", ["--measure", *passed], backends
    ):
        found.append(cell)
        print(report.line(cell), flush=True)
    lines = ",\n".join(json.dumps(cell) for cell in found)
    (arguments.output / "layers.json").write_text(f"[\n{lines}\n]\n")
    table = f"{report.table(found)}\n{how_made(settings('each backend'))}\n"
    (arguments.output / "layers.md").write_text(table)
    report.plot(found, arguments.output / "layers.svg")
    print(table)


if __name__ == "__main__":
    main()
