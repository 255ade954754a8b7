"""What dropout adds to a step of `fit`, and what it keeps for the backward pass.

KERAS_BACKEND=jax python -m benchmarks.training
"""

import argparse
import json

import keras
import numpy as np

import keras_dropout
from benchmarks.timing import take_turns

BACKEND = keras.backend.backend()


def perceptron(dropout):
    """Two hidden layers of 512 units, dropout after each."""
    layers = [keras.Input((256,))]
    for _ in range(2):
        layers += [keras.layers.Dense(512, "relu"), *dropout(0.5)]
    return keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])


def convolutional(dropout):
    """Three convolutions with dropout after each, on images of 32 x 32."""
    layers = [keras.Input((32, 32, 3))]
    for filters in (16, 32, 32):
        layers.append(keras.layers.Conv2D(filters, 3, 2, "same", activation="relu"))
        layers += dropout(0.2)
    layers += [keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    return keras.Sequential(layers)


def fit_step(build, dropout, jit):
    """A function that fits one batch of 128."""
    model = build(dropout)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 10, 128)
    return lambda: model.train_on_batch(x, y)


def bytes_kept(layer, shape=(256, 8192)):
    """Bytes an element that one call keeps for its backward pass."""
    x = np.ones(shape, "float32")
    if BACKEND == "torch":
        import torch

        x = torch.from_numpy(x).requires_grad_()
        kept = {}

        def note(tensor):
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            layer(x, training=True)
        return sum(kept.values()) / x.numel()
    if BACKEND == "jax":
        import jax

        def backward(x):
            with keras.StatelessScope([(v, v.value) for v in layer.variables]):
                return jax.vjp(lambda x: layer(x, training=True), x)[1]

        kept = jax.tree.leaves(jax.eval_shape(backward, x))
        return sum(k.size * k.dtype.itemsize for k in kept) / x.size
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=4.0, help="seconds a model")
    budget = parser.parse_args().budget
    choices = {
        "none": lambda rate: [],
        "keras": lambda rate: [keras.layers.Dropout(rate, seed=1)],
        "ours": lambda rate: [keras_dropout.layers.Dropout(rate, seed=1)],
    }
    for jit in (False, True) if BACKEND == "tensorflow" else ("auto",):
        for build in (perceptron, convolutional):
            contenders = {k: fit_step(build, d, jit) for k, d in choices.items()}
            times = take_turns(contenders, budget=budget)
            found = {"backend": BACKEND, "jit": jit, "model": build.__name__}
            found |= {k: round(1e3 * times.median(k), 3) for k in contenders}
            found["keras over ours"] = [
                round(r, 3) for r in times.ratio("keras", "ours")
            ]
            print(json.dumps(found), flush=True)
    for name in ("keras", "ours"):
        layer = choices[name](0.3)[0]
        layer.build((256, 8192))
        print(json.dumps({"bytes kept an element": {name: bytes_kept(layer)}}))


if __name__ == "__main__":
    main()
