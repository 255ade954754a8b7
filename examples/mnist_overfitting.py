"""Overfitting on MNIST, with and without dropout.

A multilayer perceptron wide enough to learn its training images by heart, plain and
with the rates of the dropout paper: 0.2 on the visible units, 0.5 on the hidden ones.
"""

import experiment
import keras
from curves import Curves, draw_losses, report
from datasets import mnist

import keras_dropout as kd

WIDTH, DEPTH, BATCH = 512, 2, 256
MODELS = {"plain": (0.0, 0.0), "dropout": (0.2, 0.5)}
SWEPT_RATES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8)
SWEPT_IMAGES = 10_000


def build(visible_rate, hidden_rate):
    """The perceptron with dropout of its pixels and of its hidden units."""
    model = keras.Sequential([keras.layers.Flatten()])
    model.add(kd.layers.Dropout(visible_rate))
    for _ in range(DEPTH):
        model.add(keras.layers.Dense(WIDTH, activation="relu"))
        model.add(kd.layers.Dropout(hidden_rate))
    model.add(keras.layers.Dense(10, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss=loss, metrics=["accuracy"])
    return model


def train(rates, data, epochs, seed):
    """Trains one model and returns its curves."""
    (x, y), test = data
    keras.utils.set_random_seed(seed)
    model = build(*rates)
    curves = Curves((x[:10_000], y[:10_000]), test)
    model.fit(x, y, BATCH, epochs, verbose=0, callbacks=[curves])
    error = curves.errors["test"][-1]
    print(f"rates {rates}, {len(x)} images, seed {seed}: test error {error:.2f} %")
    return curves


def run(args):
    data = mnist(args)
    losses, errors = {}, {}
    for name, rates in MODELS.items():
        runs = [train(rates, data, args.epochs, seed) for seed in range(args.repeats)]
        losses[name] = [curves.losses for curves in runs]
        errors[name] = [curves.errors["test"][-1] for curves in runs]
    (x, y), test = data
    fewer = (x[:SWEPT_IMAGES], y[:SWEPT_IMAGES]), test
    sweep = {
        str(rate): [
            train((min(rate, 0.2), rate), fewer, args.epochs, seed).errors["test"][-1]
            for seed in range(args.repeats)
        ]
        for rate in (SWEPT_RATES[::3] if args.quick else SWEPT_RATES)
    }
    return {"losses": losses, "errors": errors, "sweep": sweep, "images": len(x)}


def draw_curves(results):
    return draw_losses(results["losses"])


def draw_sweep(results):
    import matplotlib.pyplot as plt
    import numpy as np

    rates = [float(rate) for rate in results["sweep"]]
    errors = [np.asarray(values) for values in results["sweep"].values()]
    figure, ax = plt.subplots(figsize=(5.5, 3.4))
    spread = [values.std(ddof=len(values) > 1) for values in errors]
    means = [values.mean() for values in errors]
    ax.errorbar(rates, means, spread, marker="o", capsize=3, color="#2a9d8f")
    ax.set(xlabel="rate on the hidden units", ylabel="test error, %")
    return figure


FIGURES = {
    "mnist_overfitting_curves": draw_curves,
    "mnist_overfitting_rate": draw_sweep,
}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(30, 2), repeats=3)
