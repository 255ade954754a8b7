"""Times the first call of `mc_predict` on a model, beside the calls that follow.

In each round a new model answers by `predict` and a new one by `mc_predict`, in turn.
The first call traces and compiles, and `mc_predict` also meets the model: it finds the
noise and tries out what it assumes. "New rows" is a call with a number of rows that is
new to the model, the mean of several. All are seconds of the processor, which other
work on the machine changes less than those of the clock. "Net" is the ratio of first
calls without the passes themselves: what `mc_predict` takes later is left out of its
first call. Run it for each backend:

    KERAS_BACKEND=jax python -m benchmarks.first_call
"""

import argparse
import statistics
import time

import keras

import keras_dropout as kd
from benchmarks.made import how_made
from benchmarks.mc_predict import MODELS, _x

L = keras.layers


def encoder(rows):
    """Four blocks of a transformer's encoder."""
    h = i = keras.Input((16, 32))
    for _ in range(4):
        a = L.MultiHeadAttention(4, 8, dropout=0.1)(h, h)
        h = L.LayerNormalization()(L.Add()([h, a]))
        a = L.Dense(32)(L.Dropout(0.1)(L.Dense(64, activation="relu")(h)))
        h = L.LayerNormalization()(L.Add()([h, a]))
    h = L.GlobalAveragePooling1D()(h)
    return keras.Model(i, L.Dense(10, activation="softmax")(h)), _x(rows, 16, 32)


MADE = {**MODELS, "encoder": encoder}


def seconds(function):
    """How long the processor works on a function."""
    start = time.process_time()
    function()
    return time.process_time() - start


def one_round(name, options):
    """Seconds of each kind of call on new models, by the name of the kind."""
    model, x = MADE[name](options.rows)
    found = {"predict, first": seconds(lambda: model.predict(x, verbose=0))}
    found["predict"] = seconds(lambda: model.predict(x, verbose=0))

    model, _ = MADE[name](options.rows)

    def ours(x):
        return kd.mc_predict(model, x, options.samples, verbose=0)

    found["mc_predict, first"] = seconds(lambda: ours(x))
    found["mc_predict"] = seconds(lambda: ours(x))
    new = range(options.rows // 2, options.rows, max(1, options.rows // 40))
    found["new rows"] = statistics.mean(seconds(lambda n=n: ours(x[:n])) for n in new)
    return found


def table(options):
    """Prints the medians, and the median of the ratios of first calls."""
    backend = keras.backend.backend()
    print(f"\n{backend}, {options.rows} rows, {options.samples} samples; seconds\n")
    kinds = ("predict, first", "mc_predict, first", "predict", "mc_predict", "new rows")
    print("| model |", " | ".join(kinds), "| first / first | net |")
    print("|---" * (len(kinds) + 3) + "|")
    for name in options.models:
        # What is imported when it is first needed counts for neither.
        rounds = [one_round(name, options) for _ in range(options.rounds + 1)][1:]
        cells = [f"{statistics.median(r[kind] for r in rounds):.3f}" for kind in kinds]
        for later in (0, 1):
            ratio = statistics.median(
                (r["mc_predict, first"] - later * r["mc_predict"]) / r["predict, first"]
                for r in rounds
            )
            cells.append(f"{ratio:.2f}")
        print("|", " | ".join([name, *cells]), "|", flush=True)
    print(f"\n{how_made()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MADE, default=list(MADE))
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    table(parser.parse_args())


if __name__ == "__main__":
    main()
