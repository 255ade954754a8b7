"""Peak memory of a training step with and without dropout.

    python -m benchmarks.memory

A stack of dense layers, each with dropout after it, is fitted to one batch, in a
process of its own for each contender. What a step takes above the same process before
it, in tensors of the batch: the stack keeps outputs, weights and gradients, and dropout
adds what it keeps for the backward pass. Writes `memory.md` to the folder `--output`.
"""

import argparse
import json
import pathlib
import resource
import statistics

from benchmarks import processes, report
from benchmarks.made import how_made, settings

SHAPE = (32768, 512)
DEPTH = 6
CONTENDERS = ("none", "keras", "ours")


def measure(contender):
    """Peak memory of the first step, in tensors of the batch."""
    import keras
    import numpy as np

    import keras_dropout

    sources = {"none": None, "keras": keras.layers, "ours": keras_dropout.layers}
    source = sources[contender]
    layers = [keras.Input(SHAPE[1:])]
    for place in range(DEPTH):
        layers.append(keras.layers.Dense(SHAPE[1], "relu"))
        if source is not None:
            layers.append(source.Dropout(0.3, seed=place))
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones(SHAPE, "float32")
    y = np.ones((len(x), 1), "float32")
    # A small batch first, for all that a process loads once.
    model.train_on_batch(x[:8], y[:8])
    before = _peak()
    model.train_on_batch(x, y)
    return {"tensors": (_peak() - before) / x.nbytes}


def _peak():
    """The most memory that this process has had, in bytes; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(taken):
    """A Markdown table of the tensors of a step, and of what each dropout adds."""
    adds = ["each of Keras's adds", "each of ours adds"]
    rows = []
    for backend, tensors in taken.items():
        row = [backend, *(f"{tensors[name]:.1f}" for name in CONTENDERS)]
        for name in CONTENDERS[1:]:
            row.append(f"{(tensors[name] - tensors['none']) / DEPTH:.1f}")
        rows.append(row)
    return report.markdown(["", "without", "Keras's", "ours", *adds], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("docs/assets/benchmarks")
    )
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    taken = {backend: {} for backend in processes.BACKENDS}
    for backend in taken:
        for contender in CONTENDERS:
            passed = ["--measure", contender]
            found = [
                cell["tensors"]
                for _ in range(arguments.repeats)
                for cell in processes.measure("benchmarks.memory", passed, [backend])
            ]
            taken[backend][contender] = statistics.median(found)
    text = f"{table(taken)}\n{how_made(settings('each backend'))}\n"
    (arguments.output / "memory.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
