"""Rows a second of `BatchPredictor`, in a loop and on Ray's actors.

A network of 64 inputs and 128 units, with dropout before its last layer, answers with
mean and deviation. The loop's time is that of the processor, so other work on the
machine does not count. Of Ray, where it is installed, it is the time on the clock from
the first answer on, when the actors have loaded and compiled the model.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python -m benchmarks.many_rows

writes `many_rows.json` and the table `many_rows.md` to `docs/assets/benchmarks`.
"""

import argparse
import importlib.util
import json
import pathlib
import time

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.made import how_made, settings

L = keras.layers
OUTPUT = pathlib.Path(__file__).parents[1] / "docs" / "assets" / "benchmarks"
BLOCK = 4096
WIDTH = 64


def network():
    """A small classifier."""
    layers = [keras.Input((WIDTH,)), L.Dense(128, activation="relu")]
    layers += [kd.layers.Dropout(0.5), L.Dense(10, activation="softmax")]
    return keras.Sequential(layers)


def loop(model, rows, samples):
    """Rows a second of one process, block after block."""
    predictor = kd.integrations.BatchPredictor(model, x="x", samples=samples, seed=0)
    block = {"x": np.random.default_rng(0).normal(size=(BLOCK, WIDTH))}
    predictor(block)
    blocks = -(-rows // BLOCK)
    start = time.process_time()
    for _ in range(blocks):
        predictor(block)
    return blocks * BLOCK / (time.process_time() - start)


def actors(model, rows, samples, count):
    """Rows a second of Ray's actors, from the first answer on."""
    import ray.data

    dataset = ray.data.range_tensor(
        rows, shape=(WIDTH,), override_num_blocks=-(-rows // BLOCK)
    )
    answered = kd.integrations.ray.predict(
        dataset,
        model,
        x="data",
        samples=samples,
        seed=0,
        concurrency=count,
        block_rows=BLOCK,
    )
    answers = iter(answered.iter_batches(batch_size=None, batch_format="numpy"))
    next(answers)
    start, done = time.perf_counter(), 0
    for batch in answers:
        done += len(batch["mean"])
    return done / (time.perf_counter() - start)


LOOP = "a loop, seconds of its processor"


def name(cell):
    """Where a cell was computed, in words."""
    count = cell["actors"]
    if not count:
        return LOOP
    return f"Ray, {count} actor{'s' * (count > 1)}, seconds on the clock"


def table(results):
    """The results as a table of Markdown, and how they were made."""
    lines = ["| where | rows | samples | rows a second |", "|---|--:|--:|--:|"]
    for cell in results["cells"]:
        speed = _rounded(cell["rows_a_second"])
        size = f"{cell['rows']:,} | {cell['samples']}"
        lines.append(f"| {name(cell)} | {size} | {speed:,} |")
    made = results["settings"]
    ray = [f"Ray {made['ray']}"] if made["ray"] else []
    return "\n".join([*lines, "", how_made(made, *ray), ""])


def draw(results):
    """A figure of the rows a second by the samples, in a loop, and by the actors."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, 2, figsize=(9, 2.6), width_ratios=(3, 2), layout="constrained"
    )
    alone = [cell for cell in results["cells"] if not cell["actors"]]
    shared = [cell for cell in results["cells"] if cell["actors"]]
    labels = [f"{cell['samples']} samples\n{cell['rows']:,} rows" for cell in alone]
    axes[0].bar(labels, [cell["rows_a_second"] for cell in alone], color="#2a9d8f")
    axes[0].set(title="a loop", ylabel="rows a second")
    labels = [f"{cell['actors']}" for cell in shared]
    axes[1].bar(labels, [cell["rows_a_second"] for cell in shared], color="#2a9d8f")
    axes[1].set(title="Ray", xlabel="actors")
    return figure


def _rounded(speed):
    """Two digits: more would be chance."""
    return int(float(f"{speed:.1e}"))


def main(arguments=None):
    """Runs all and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--samples", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    told = parser.parse_args(arguments)
    model, cells = network(), []

    def add(rows, samples, count, speed):
        size = {"rows": rows, "samples": samples, "actors": count}
        cells.append({**size, "rows_a_second": float(f"{speed:.4g}")})

    for samples in told.samples:
        for rows in told.rows:
            add(rows, samples, 0, loop(model, rows, samples))
    made = {**settings(), "ray": None}
    if importlib.util.find_spec("ray") is None:
        told.actors = []
    else:
        import ray

        ray.init(num_cpus=max(told.actors) + 1, log_to_driver=False)
        made["ray"] = ray.__version__
    # The most of each: a start of actors takes longer than a short job.
    rows, samples = max(told.rows), max(told.samples)
    for count in told.actors:
        add(rows, samples, count, actors(model, rows, samples, count))
    results = {"settings": made, "cells": cells}
    told.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    (told.output / "many_rows.json").write_text(f"{text}\n")
    (told.output / "many_rows.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
