"""How long `tune_rates` takes for twenty settings, and what it computes only once.

First a small CNN with dropout after every layer: all layers after the first convolution
are computed again for each setting. Then the same network with dropout only in its
head: its convolutions are computed once for all settings, or once for each.

    KERAS_BACKEND=jax python -m benchmarks.tuning

writes the table to `docs/assets/benchmarks/tuning.md`.
"""

import argparse
import contextlib
import pathlib
import time
from unittest import mock

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.made import how_made
from benchmarks.moments import OUTPUT, data
from keras_dropout.sampling import kept

L = keras.layers
FACTORS = np.linspace(0.1, 2, 20)
ROWS, SAMPLES = 300, 50


def cnn(*, everywhere):
    """Two convolutions and a head; dropout after each, or in the head alone."""
    layers = [keras.Input((8, 8, 1))]
    for width in (32, 64):
        layers.append(L.Conv2D(width, 3, padding="same", activation="relu"))
        if everywhere:
            layers.append(kd.layers.SpatialDropout2D(0.2))
    layers += [L.MaxPooling2D(), L.Flatten(), L.Dense(64, activation="relu")]
    return keras.Sequential(
        [*layers, kd.layers.Dropout(0.4), L.Dense(10, activation="softmax")]
    )


def seconds(model, x, y, factors):
    """Seconds of the processor and of the clock, of a second run of all settings."""
    rates = [(each, float(each.rate)) for each in model.layers if hasattr(each, "rate")]
    for _ in range(2):
        for layer, rate in rates:
            layer.rate = rate
        start = time.process_time(), time.perf_counter()
        kd.calibration.tune_rates(model, x, y, factors=factors, samples=SAMPLES)
        end = time.process_time(), time.perf_counter()
    return tuple(b - a for a, b in zip(start, end, strict=True))


def measured(rows, settings):
    """By name the seconds of each way."""
    (x, y), _ = data()
    x, y, factors = x[:rows], y[:rows], FACTORS[:settings]
    found = {"dropout after every layer": seconds(cnn(everywhere=True), x, y, factors)}
    head = cnn(everywhere=False)
    found["dropout in the head, all before it once"] = seconds(head, x, y, factors)
    nothing = mock.patch.object(kept, "features", contextlib.nullcontext)
    with nothing:
        found["the same, all before it for each setting"] = seconds(head, x, y, factors)
    return found


def table(found, rows, settings):
    """The times as a table of Markdown."""
    lines = ["| model | processor, s | clock, s |", "|---|--:|--:|"]
    lines += [f"| {name} | {a:.1f} | {b:.1f} |" for name, (a, b) in found.items()]
    size = f"{settings} settings, {rows} rows, {SAMPLES} samples."
    return "\n".join([*lines, "", f"{size} {how_made()}", ""])


def main(arguments=None):
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--settings", type=int, default=len(FACTORS))
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    told = parser.parse_args(arguments)
    found = measured(told.rows, told.settings)
    text = table(found, told.rows, told.settings)
    told.output.mkdir(parents=True, exist_ok=True)
    (told.output / "tuning.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
