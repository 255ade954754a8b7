"""Times `mc_predict` against three ways that people use today.

Each is timed in turn, round after round, and the medians are compared:

a. a loop of `model(x, training=True)`, which also corrupts batch normalisation;
b. a loop of `predict` on a clone whose dropout is always on;
c. one `predict` on that clone with all rows repeated for all samples.

All of them end in mean and variance. `mc_predict` chooses its batches itself, c takes
1,024 rows at a time, a and b take `--batch-size`. Run it for each backend:

    KERAS_BACKEND=jax python -m benchmarks.mc_predict --samples 10 50 500

With `--memory` it prints the peak memory of a process for each number of samples.
Compare numbers that give calls of one size, from 20 on. With fewer samples than that
a call itself has fewer rows.
"""

import argparse
import math
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.made import how_made

L = keras.layers


def cnn(rows):
    """Noise in the head: nearly all work comes before it."""
    layers = [keras.Input((28, 28, 1))]
    layers += [L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D()]
    layers += [L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()]
    layers += [L.Dropout(0.5), L.Dense(10, activation="softmax")]
    return keras.Sequential(layers), _x(rows, 28, 28, 1)


def mlp(rows):
    """Noise in every layer."""
    layers = [keras.Input((64,))]
    for _ in range(3):
        layers += [L.Dropout(0.2), L.Dense(256, activation="relu")]
    layers += [L.Dropout(0.2), L.Dense(10, activation="softmax")]
    return keras.Sequential(layers), _x(rows, 64)


def lstm(rows):
    """Noise in the recurrence."""
    layers = [keras.Input((20, 16)), L.LSTM(32, dropout=0.2, recurrent_dropout=0.2)]
    return keras.Sequential([*layers, L.Dense(1)]), _x(rows, 20, 16)


def attention(rows):
    """Noise on attention weights, with two layers before them."""
    i = keras.Input((16, 32))
    h = L.Dense(32, activation="relu")(L.Dense(32, activation="relu")(i))
    h = L.Add()([h, L.MultiHeadAttention(4, 8, dropout=0.2)(h, h)])
    h = L.GlobalAveragePooling1D()(h)
    return keras.Model(i, L.Dense(10, activation="softmax")(h)), _x(rows, 16, 32)


MODELS = {"cnn": cnn, "mlp": mlp, "lstm": lstm, "attention": attention}


def _x(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


class AlwaysOn(keras.Model):
    """The clone that is noisy in `predict`, as people build it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, x, training=None):
        return self.model(x, training=True)


def ways(model, x, samples, options):
    """The functions to time, by name."""
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    noisy = AlwaysOn(clone)
    batch_size = options.batch_size
    batches = np.array_split(x, max(1, len(x) // batch_size))

    def moments(drawn):
        return np.mean(drawn, axis=0), np.var(drawn, axis=0, ddof=1)

    def loop_of_calls():
        def once():
            parts = [clone(batch, training=True) for batch in batches]
            return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])

        return moments([once() for _ in range(samples)])

    def loop_of_predict():
        def once():
            return noisy.predict(x, batch_size=batch_size, verbose=0)

        return moments([once() for _ in range(samples)])

    def tiled_predict():
        tiled = np.repeat(x[None], samples, axis=0).reshape(-1, *x.shape[1:])
        drawn = noisy.predict(tiled, batch_size=1024, verbose=0)
        return moments(drawn.reshape(samples, len(x), -1))

    def ours():
        return kd.mc_predict(
            model,
            x,
            samples,
            verbose=0,
            masks=options.masks,
            max_rows=options.max_rows,
        )

    return {
        "mc_predict": ours,
        "a": loop_of_calls,
        "b": loop_of_predict,
        "c": tiled_predict,
    }


def quick(functions, former, times, patience):
    """Those that will be done soon, as `former` took so much for fewer samples.

    Args:
        functions: Functions by name.
        former: Seconds by name, empty if there are none.
        times: How many times as many samples are wanted now.
        patience: Seconds.
    """
    return {
        name: function
        for name, function in functions.items()
        if not former or former.get(name, math.inf) * times <= patience
    }


def timed(functions, rounds, limit):
    """Median seconds of each function, timed in turn; slow ones once."""
    times = {}
    for name, function in functions.items():
        # Compiles; what takes longer than the limit is timed by this call alone.
        start = time.perf_counter()
        function()
        first = time.perf_counter() - start
        times[name] = [first] if first > limit else []
    fast = [name for name, found in times.items() if not found]
    for _ in range(rounds):
        for name in fast:
            start = time.perf_counter()
            functions[name]()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def table(options):
    """Prints the times and the ratios to `mc_predict`."""
    backend = keras.backend.backend()
    print(f"\n{backend}, {options.rows} rows\n")
    print("| model | T | mc_predict (s) | a / ours | b / ours | c / ours |")
    print("|---|---|---|---|---|---|")
    for name in options.models:
        model, x = MODELS[name](options.rows)
        took, before = {}, 1
        for samples in options.samples:
            functions = ways(model, x, samples, options)
            functions = quick(functions, took, samples / before, options.patience)
            took, before = timed(functions, options.rounds, options.limit), samples
            ours = took["mc_predict"]
            ratios = [
                f"{took[w] / ours:.1f}" if w in took else "too long" for w in "abc"
            ]
            row = " | ".join([name, str(samples), f"{ours:.4f}", *ratios])
            print(f"| {row} |", flush=True)
    print(f"\n{how_made()}")


def peak(options):
    """Prints this process's peak memory after one prediction, in MiB."""
    model, x = MODELS[options.models[0]](options.rows)
    kd.mc_predict(model, x, options.samples[0], verbose=0)
    # Linux counts in KiB.
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def memory(options):
    """Prints the peak memory for each number of samples.

    Each is the median of three processes: what an allocator keeps differs by a few per
    cent from run to run.
    """
    for name in options.models:
        found = []
        for samples in options.samples:
            command = [sys.executable, __file__, "--peak", "--models", name]
            command += ["--samples", str(samples), "--rows", str(options.rows)]
            peaks = [
                subprocess.run(command, capture_output=True, text=True, check=True)
                for _ in range(3)
            ]
            found.append(statistics.median(int(p.stdout.split()[-1]) for p in peaks))
        peaks = ", ".join(f"{peak} MiB" for peak in found)
        print(f"{name}: {peaks}, {found[-1] / found[0]:.3f} times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--samples", nargs="+", type=int, default=[10, 50, 500])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-rows", type=int)
    parser.add_argument("--masks", default="independent")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=5.0, help="seconds")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds; slower ways are left out"
    )
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    run = peak if options.peak else memory if options.memory else table
    run(options)


if __name__ == "__main__":
    main()
