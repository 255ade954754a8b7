"""Times DropBlock and DropPath against what a user of Keras has, forward and backward.

    python -m benchmarks.family                   on the backend in force
    python -m benchmarks.family --mode jit        one mode of it

DropBlock stands beside `SpatialDropout2D` followed by a max pooling over the size of a
block, and by one of size 2; DropPath beside `keras.layers.Dropout` with a noise shape.
"""

import argparse

import keras
import numpy as np

from benchmarks.steps import BACKEND, MODES, training_step
from benchmarks.timing import take_turns
from keras_dropout import layers

MAPS = [(32, 14, 14, 256), (32, 28, 28, 64), (32, 7, 7, 512)]
TOKENS = [(64, 197, 384), (128, 14, 14, 128)]
BLOCK = 7


def drop_block(shape, mode, budget):
    """DropBlock, and a spatial dropout with either pooling."""
    spatial = keras.layers.SpatialDropout2D(0.1, seed=1)
    block = layers.DropBlock2D(0.1, BLOCK, seed=1)

    def pooled(size):
        def call(x):
            return keras.ops.max_pool(spatial(x, training=True), size, 1, "same")

        return call

    contenders = {
        "ours": (lambda x: block(x, training=True), block.variables),
        f"spatial + pool {BLOCK}": (pooled(BLOCK), spatial.variables),
        "spatial + pool 2": (pooled(2), spatial.variables),
    }
    return compare(contenders, shape, mode, budget)


def drop_path(shape, mode, budget):
    """DropPath, and Keras's way to it."""
    ours = layers.DropPath(0.1, seed=1)
    noise_shape = (None, *(1,) * (len(shape) - 1))
    theirs = keras.layers.Dropout(0.1, noise_shape=noise_shape, seed=1)
    contenders = {
        "ours": (lambda x: ours(x, training=True), ours.variables),
        "keras": (lambda x: theirs(x, training=True), theirs.variables),
    }
    return compare(contenders, shape, mode, budget)


def compare(contenders, shape, mode, budget):
    """Times the contenders by turns on one random input."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    steps = {
        name: training_step(call, variables, x, mode)
        for name, (call, variables) in contenders.items()
    }
    return take_turns(steps, budget=budget)


def report(name, shape, mode, times):
    """One line: milliseconds of each, and ours as a multiple of the others."""
    each = ", ".join(f"{k} {1e3 * times.median(k):.2f} ms" for k in times.seconds)
    ratios = []
    for other in list(times.seconds)[1:]:
        middle, low, high = times.ratio("ours", to=other)
        ratios.append(f"{middle:.2f} [{low:.2f}, {high:.2f}] of {other}")
    print(f"{BACKEND} {mode} {name} {shape}: {each}; {'; '.join(ratios)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES[BACKEND], action="append")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a cell")
    arguments = parser.parse_args()
    for mode in arguments.mode or MODES[BACKEND]:
        for name, measure, shapes in (
            ("DropBlock2D", drop_block, MAPS),
            ("DropPath", drop_path, TOKENS),
        ):
            for shape in shapes:
                times = measure(shape, mode, arguments.budget)
                report(name, shape, mode, times)


if __name__ == "__main__":
    main()
