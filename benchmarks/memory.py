"""Peak memory of a training step with and without dropout.

    python -m benchmarks.memory

A stack of dense layers, each with dropout after it, is fitted to one batch, in a
process of its own for each contender. What a step takes above the same process before
it, in tensors of the batch: the stack keeps outputs, weights and gradients, and dropout
adds what it keeps for the backward pass.
"""

import argparse
import json
import resource
import statistics

from benchmarks import processes

SHAPE = (2048, 2048)
DEPTH = 6
CONTENDERS = ("none", "keras", "ours")


def measure(contender):
    """Peak memory of the first step, in tensors of the batch."""
    import keras
    import numpy as np

    import keras_dropout
    from benchmarks.steps import BACKEND

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
    return {"backend": BACKEND, "tensors": (_peak() - before) / x.nbytes}


def _peak():
    """The most memory that this process has had, in bytes; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    for backend in processes.BACKENDS:
        taken = {}
        for contender in CONTENDERS:
            passed = ["--measure", contender]
            found = [
                cell["tensors"]
                for _ in range(arguments.repeats)
                for cell in processes.measure("benchmarks.memory", passed, [backend])
            ]
            taken[contender] = round(statistics.median(found), 1)
        each = {
            name: round((taken[name] - taken["none"]) / DEPTH, 2)
            for name in CONTENDERS[1:]
        }
        print(json.dumps({backend: taken, "a dropout adds": each}), flush=True)


if __name__ == "__main__":
    main()
