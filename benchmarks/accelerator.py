"""Measures the package on a GPU, in ten minutes at most, one backend a run.

    KERAS_BACKEND=torch python -m benchmarks.accelerator           ten minutes
    KERAS_BACKEND=torch python -m benchmarks.accelerator --quick   seconds, small

How well the masks of the device meet their rates; `mc_predict` beside the loop by hand;
the time of the kernels alone, on PyTorch;
each layer with a twin beside `keras.layers`, a multiplication and on PyTorch
`torch.nn.functional.dropout`, forward and backward; attention with and without noise;
and the step of a small Transformer and of a ResNet with our layers, with Keras's and
with none. What does not fit into the time is listed as left out. Prints a line of JSON
for each, with the name of the device, and writes them to `--output`.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import keras_dropout
from benchmarks import attention, kernels, layers, whole
from benchmarks.made import settings
from benchmarks.report import markdown
from benchmarks.steps import BACKEND, MODES
from benchmarks.timing import take_turns

# Compiling a cell can take half a minute beyond it.
LIMIT = 480.0
# The largest of 2^26 elements, 67 million.
FLAT = {"small": (64, 1024), "medium": (1024, 4096), "large": (8192, 8192)}
CHANNELS = {
    "SpatialDropout1D": {"large": (1024, 128, 512)},
    "SpatialDropout2D": {"large": (256, 32, 32, 256)},
    "SpatialDropout3D": {"large": (64, 16, 16, 16, 256)},
}
# The heart first.
SHAPES = {
    name: CHANNELS.get(name, FLAT)
    for name in ("Dropout", "AlphaDropout", "GaussianDropout", *CHANNELS)
} | {"GaussianNoise": FLAT}
QUICK = {"Dropout": {"small": (32, 64)}, "SpatialDropout1D": {"small": (8, 4, 8)}}


def device():
    """The name of the device that Keras computes on."""
    if BACKEND == "torch":
        import torch

        place = keras.ops.zeros(()).device
        return torch.cuda.get_device_name(place) if place.type == "cuda" else str(place)
    if BACKEND == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(found[0]) if found else {}
    return details.get("device_name", "cpu")


def twins(shapes, dtypes, modes, budget):
    """A cell for each layer, size, dtype and mode, as functions, the heart first."""
    for name, sizes in shapes.items():
        for mode in modes:
            for size in reversed(sizes):
                for dtype in dtypes:
                    told = [name, size, dtype, mode]
                    shape = sizes[size]
                    yield (
                        told,
                        lambda told=told, shape=shape: layers.measure(
                            told[0], told[1], 0.3, *told[2:], budget, shape
                        ),
                    )


def models(sizes, budget):
    """The steps of whole models, as functions."""
    for kind, size in sizes.items():
        for jit in whole.modes():
            told = kind, size, jit
            yield list(told), lambda told=told: whole.measure(*told, budget)


def attentions(tokens, modes, budget):
    """Attention with its noise and without, as functions."""
    for mode in modes:
        for count, rows in tokens.items():
            for training in (False, True):
                told = count, rows, training, mode
                yield list(told), lambda told=told: attention.measure(*told, budget)


def until(end, cells):
    """What the functions give, and the names of those that came too late."""
    for told, measure in cells:
        late = time.monotonic() > end
        yield {"left_out": told} if late else measure()


def sampling(samples, rows, width, budget):
    """How many times as long as `mc_predict` the loop of calls takes."""
    model = keras.Sequential([keras.Input((width,))])
    for _ in range(3):
        model.add(keras.layers.Dense(width, activation="relu"))
        model.add(keras_dropout.layers.Dropout(0.3, seed=1))
    model.add(keras.layers.Dense(1))
    x = np.random.default_rng(0).normal(size=(rows, width)).astype("float32")

    def loop():
        calls = [model(x, training=True) for _ in range(samples)]
        return [keras.ops.convert_to_numpy(y) for y in calls]

    def ours():
        return keras_dropout.mc_predict(model, x, samples=samples, seed=0)

    times = take_turns({"loop": loop, "ours": ours}, budget=budget, least=3)
    ratio = [float(f"{q:.4g}") for q in times.ratio("loop", to="ours")]
    return {"mc_predict": samples, "rows": rows, "loop_over_ours": ratio}


def battery(count):
    """The masks of the device: how far from their rates, and from one another.

    Each score is in standard errors: the share that is dropped, and how often
    neighbours in a row, and masks of two keys, agree.
    """
    for rate in (1e-3, 0.1, 0.5, 0.9):
        generator = keras.random.SeedGenerator(1)
        masks = [
            keras.ops.convert_to_numpy(
                keras_dropout.random.keep_mask(
                    (count,), rate, keras_dropout.random.next_key(generator)
                )
            )
            for _ in range(2)
        ]
        pairs = {
            "neighbours": (masks[0][::2], masks[0][1::2]),
            "keys": (masks[0], masks[1]),
        }
        agree = rate**2 + (1 - rate) ** 2
        scores = {"rate": _score(1 - masks[0].mean(), rate, count)}
        for name, (first, second) in pairs.items():
            scores[name] = _score(np.mean(first == second), agree, len(first))
        yield {"battery": rate, "scores": scores, "fine": max(scores.values()) < 5}


def _score(share, expected, count):
    error = np.sqrt(expected * (1 - expected) / count)
    return float(abs(share - expected) / error)


def results(quick, limit=LIMIT):
    """All that is measured, a dictionary each."""
    end = time.monotonic() + limit
    first, *compiled = MODES[BACKEND]
    if quick:
        yield from battery(1 << 16)
        yield sampling(4, 8, 16, 0.0)
        cells = [
            twins(QUICK, ("float32",), [first], 0.0),
            models(whole.QUICK, 0.0),
            attentions({16: 2}, [first], 0.0),
        ]
    else:
        yield from battery(1 << 24)
        yield sampling(100, 256, 1024, 5.0)
        dtypes = ("float32", "bfloat16")
        if kernels.is_possible():
            yield kernels.measure("float32", "eager")
            yield kernels.measure("bfloat16", "eager")
            yield kernels.measure("float32", "compile")
        heart = {"Dropout": SHAPES["Dropout"]}
        others = {name: SHAPES[name] for name in SHAPES if name not in heart}
        cells = [
            twins(heart, dtypes, [first], 1.0),
            models(whole.SIZES, 5.0),
            attentions(attention.SIZES, [first], 1.0),
            twins(others, dtypes, [first], 0.5),
            # Here each cell compiles anew, which takes half a minute.
            twins(heart, dtypes, compiled, 1.0),
            attentions(attention.SIZES, compiled, 1.0),
            twins(others, dtypes, compiled, 0.5),
        ]
    for each in cells:
        yield from until(end, each)


def table(found):
    """What was measured as tables, from dictionaries of `results`."""
    alone = [
        [
            each["kernels"],
            each["dtype"],
            *_two(each["ratio"], ("torch", "keras", "ours")),
        ]
        for each in found
        if "kernels" in each
    ]
    steps = [
        [
            each["mode"],
            f"`{each['layer']}`",
            f"{each['elements']:,}",
            each["dtype"],
            f"{each['cost'][0]:.2f}",
            f"{each['gain'][0]:.2f}",
            f"{each['gain_torch'][0]:.2f}" if "gain_torch" in each else "",
        ]
        for each in found
        if "layer" in each
    ]
    whole = [
        [
            each["mode"],
            each["model"],
            f"{each['milliseconds']['none']:.1f} ms",
            f"{each['ours_over_none'][0]:.2f}",
            f"{each['keras_over_ours'][0]:.2f}",
        ]
        for each in found
        if "model" in each
    ]
    samples = [
        [str(each[name]) for name in ("backend", "mc_predict", "rows")]
        + [f"{each['loop_over_ours'][0]:.1f}"]
        for each in found
        if "mc_predict" in each
    ]
    ratios = ["ours / multiply", "Keras / ours", "`F.dropout` / ours"]
    parts = [
        (["", "", "`F.dropout`", "Keras", "ours"], alone),
        (
            ["", "", "elements", "dtype", *ratios],
            steps,
        ),
        (["", "", "no dropout", "ours / none", "Keras / ours"], whole),
        (["", "samples", "rows", "loop / `mc_predict`"], samples),
    ]
    tables = [markdown(head, rows) for head, rows in parts if rows]
    weighed = [each for each in found if "tokens" in each]
    if weighed:
        tables.append(attention.table(weighed))
    return "\n".join(tables)


def _two(numbers, names):
    return [f"{numbers[name]:.2f}" if name in numbers else "" for name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=LIMIT)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, help="of results that are there")
    arguments = parser.parse_args()
    if arguments.table:
        lines = arguments.table.read_text().splitlines()
        print(table([json.loads(line) for line in lines]))
        return
    place = {"device": device(), "backend": BACKEND, "keras": keras.__version__}
    lines = [json.dumps({**place, "settings": settings()})]
    for found in results(arguments.quick, arguments.seconds):
        lines.append(json.dumps({**place, **found}))
        print(lines[-1], flush=True)
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
