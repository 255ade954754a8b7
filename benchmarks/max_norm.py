"""What max-norm costs: a compiled training step of `Dense(4096)`, ours and Keras's.

Run it once for each backend:

    KERAS_BACKEND=jax python benchmarks/max_norm.py

The steps of the three models take turns, so that what else the machine does hits all
alike. Printed are medians in milliseconds, and the ratio of the paired times.
"""

import statistics
import time

import keras
import numpy as np

import keras_dropout as kd

UNITS, ROWS, ROUNDS = 4096, 64, 25
CONSTRAINTS = {
    "none": None,
    "keras": keras.constraints.MaxNorm(1.0, axis=0),
    "ours": kd.constraints.MaxNorm(1.0, axis=0),
}


def build(constraint):
    dense = keras.layers.Dense(UNITS, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((UNITS,)), dense])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def seconds(model, x):
    """The time of one step, up to its loss in NumPy."""
    start = time.perf_counter()
    np.asarray(model.train_on_batch(x, x))
    return time.perf_counter() - start


def main():
    x = np.random.default_rng(0).normal(size=(ROWS, UNITS)).astype("float32")
    models = {name: build(constraint) for name, constraint in CONSTRAINTS.items()}
    for model in models.values():
        seconds(model, x), seconds(model, x)
    times = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            times[name].append(seconds(model, x))
    print(f"Dense({UNITS}), {ROWS} rows, {keras.backend.backend()}")
    for name, measured in times.items():
        print(f"  {name:6} {1e3 * statistics.median(measured):8.1f} ms")
    pairs = zip(times["ours"], times["keras"], strict=True)
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    print(f"  ours / keras {ratio:.3f}")


if __name__ == "__main__":
    main()
