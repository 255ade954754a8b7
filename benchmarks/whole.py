"""A step of training of a small Transformer and of a ResNet, with and without dropout.

    KERAS_BACKEND=torch python -m benchmarks.whole           at a size for a GPU
    KERAS_BACKEND=torch python -m benchmarks.whole --quick   seconds, small

Three models of each kind take turns: with our layers, with Keras's, and with none. A
step is `train_on_batch`, which waits for the loss.
"""

import argparse
import json

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.steps import BACKEND
from benchmarks.timing import take_turns

RATE = 0.1
# Of the Transformer: rows, tokens, features, blocks. Of the ResNet: rows, side of the
# image, channels, blocks.
SIZES = {"transformer": (32, 512, 512, 4), "resnet": (128, 32, 64, 6)}
QUICK = {"transformer": (2, 8, 8, 1), "resnet": (2, 8, 4, 1)}


def _none(**options):
    return keras.layers.Identity()


def _noise(source, name):
    return _none if source is None else getattr(source, name)


def transformer(source, rows, tokens, features, blocks):
    """An encoder with dropout after attention and within its dense part."""
    drop = _noise(source, "Dropout")
    inputs = x = keras.Input((tokens, features), batch_size=rows)
    for _ in range(blocks):
        attention = keras.layers.MultiHeadAttention(4, features // 4)
        y = keras.layers.LayerNormalization()(x)
        x = keras.layers.Add()([x, drop(rate=RATE)(attention(y, y))])
        y = keras.layers.LayerNormalization()(x)
        y = keras.layers.Dense(4 * features, activation="gelu")(y)
        y = keras.layers.Dense(features)(drop(rate=RATE)(y))
        x = keras.layers.Add()([x, drop(rate=RATE)(y)])
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(drop(rate=RATE)(pooled)))


def resnet(source, rows, side, channels, blocks):
    """Convolutions with shortcuts, and dropout of channels in each block."""
    drop = _noise(source, "SpatialDropout2D")

    def convolution(x):
        y = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        return keras.layers.Activation("relu")(keras.layers.BatchNormalization()(y))

    inputs = keras.Input((side, side, 3), batch_size=rows)
    x = convolution(inputs)
    for _ in range(blocks):
        y = convolution(drop(rate=RATE)(convolution(x)))
        x = keras.layers.Add()([x, y])
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    pooled = _noise(source, "Dropout")(rate=RATE)(pooled)
    return keras.Model(inputs, keras.layers.Dense(10)(pooled))


def step(kind, source, size, jit_compile):
    """A function that trains a model on one batch, and waits for the loss."""
    keras.utils.set_random_seed(0)
    model = {"transformer": transformer, "resnet": resnet}[kind](source, *size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    x = rng.normal(size=model.input_shape).astype("float32")
    x, y = map(keras.ops.convert_to_tensor, (x, rng.integers(0, 10, size[0])))
    return lambda: model.train_on_batch(x, y)


def measure(kind, size, jit_compile, budget):
    """Times of the three, and what ours costs beside the others."""
    sources = {"none": None, "keras": keras.layers, "ours": kd.layers}
    contenders = {
        name: step(kind, source, size, jit_compile) for name, source in sources.items()
    }
    times = take_turns(contenders, budget=budget, least=3)
    return {
        "model": kind,
        "size": list(size),
        "mode": f"{BACKEND} {'jit' if jit_compile else 'plain'}",
        "milliseconds": {n: _rounded(1e3 * times.median(n)) for n in contenders},
        "ours_over_none": [_rounded(q) for q in times.ratio("ours", to="none")],
        "keras_over_ours": [_rounded(q) for q in times.ratio("keras", to="ours")],
    }


def _rounded(number):
    """Four digits: more would be noise."""
    return float(f"{number:.4g}")


def modes():
    """What `jit_compile` may be: JAX always compiles, PyTorch is compiled elsewhere."""
    return {"tensorflow": (False, True), "jax": (True,), "torch": (False,)}[BACKEND]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    for kind, size in (QUICK if quick else SIZES).items():
        for jit_compile in modes():
            budget = 0.0 if quick else 10.0
            print(json.dumps(measure(kind, size, jit_compile, budget)), flush=True)


if __name__ == "__main__":
    main()
