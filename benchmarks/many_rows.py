"""Rows a second of `BatchPredictor`, in a loop and on Ray's actors.

A network of 64 inputs and 128 units, with dropout before its last layer, answers with
mean and deviation. The loop's time is that of the processor, so other work on the
machine does not count. Of Ray, where it is installed, it is the time on the clock from
the first answer on, when the actors have loaded and compiled the model.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python -m benchmarks.many_rows

writes the table to `docs/assets/benchmarks/many_rows.md`.
"""

import argparse
import importlib.util
import os
import pathlib
import time

import keras
import numpy as np

import keras_dropout as kd

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


def table(cells, settings):
    """The results as a table of Markdown."""
    lines = ["| where | rows | samples | rows a second |", "|---|--:|--:|--:|"]
    for where, rows, samples, speed in cells:
        lines.append(f"| {where} | {rows:,} | {samples} | {_rounded(speed):,} |")
    return "\n".join([*lines, "", settings, ""])


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
    for samples in told.samples:
        for rows in told.rows:
            speed = loop(model, rows, samples)
            cells.append(("a loop, seconds of its processor", rows, samples, speed))
    text = f"Keras {keras.__version__} on {keras.backend.backend()}"
    load = os.getloadavg()[0] / os.cpu_count()
    if importlib.util.find_spec("ray") is None:
        told.actors = []
    else:
        import ray

        ray.init(num_cpus=max(told.actors) + 1, log_to_driver=False)
        text += f", Ray {ray.__version__}"
    # The most of each: a start of actors takes longer than a short job.
    rows, samples = max(told.rows), max(told.samples)
    for count in told.actors:
        where = f"Ray, {count} actor{'s' * (count > 1)}, seconds on the clock"
        cells.append((where, rows, samples, actors(model, rows, samples, count)))
    text = table(
        cells,
        f"{text}. Each process has one thread. {os.cpu_count()} processors, for each "
        f"of which {load:.1f} processes were waiting or running.",
    )
    told.output.mkdir(parents=True, exist_ok=True)
    (told.output / "many_rows.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
