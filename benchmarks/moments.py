"""Compares `propagate_moments` with `mc_predict`: accuracy, scores and time.

A network and a small CNN are trained on scikit-learn's digits, with a dropout before
each dense layer, or of channels after each convolution. What the truth is
taken from is `mc_predict` with many samples. Times are taken by turns.

    KERAS_BACKEND=torch python -m benchmarks.moments

writes the table to `docs/assets/benchmarks/moments.md`.
"""

import argparse
import pathlib

import keras
import numpy as np

import keras_dropout as kd
from benchmarks.made import how_made
from benchmarks.timing import take_turns

L = keras.layers
OUTPUT = pathlib.Path(__file__).parents[1] / "docs" / "assets" / "benchmarks"


def mlp():
    """Noise before each layer: the sums are of correlated units."""
    layers = [keras.Input((8, 8, 1)), L.Flatten()]
    for _ in range(2):
        layers += [kd.layers.Dropout(0.2), L.Dense(128, activation="relu")]
    layers += [kd.layers.Dropout(0.2), L.Dense(10, activation="softmax")]
    return keras.Sequential(layers)


def last():
    """Noise before the last layer only: mean and variance of the logits are exact."""
    layers = [keras.Input((8, 8, 1)), L.Flatten(), L.Dense(128, activation="relu")]
    layers += [L.Dense(128, activation="relu"), kd.layers.Dropout(0.5)]
    return keras.Sequential([*layers, L.Dense(10, activation="softmax")])


def cnn():
    """Whole channels, and units before the head."""
    layers = [keras.Input((8, 8, 1))]
    for width in (16, 32):
        layers += [L.Conv2D(width, 3, padding="same", activation="relu")]
        layers += [L.MaxPooling2D(), kd.layers.SpatialDropout2D(0.1)]
    layers += [L.Flatten(), L.Dense(64, activation="relu"), kd.layers.Dropout(0.2)]
    return keras.Sequential([*layers, L.Dense(10, activation="softmax")])


MODELS = {"MLP, noise before the last layer": last, "MLP": mlp, "CNN": cnn}


def data():
    """Digits for training and for the test, shuffled once."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x = (images[order] / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    return (x[:600], labels[order][:600]), (x[600:], labels[order][600:])


def compare(make, train, test, samples, truth, epochs, budget):
    """A row of numbers for moments, one softmax, and each number of samples."""
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*train, epochs=epochs, batch_size=32, verbose=0)
    x, y = test
    exact = kd.mc_predict(model, x, truth, seed=123, verbose=0)
    ways = {"moments": lambda: kd.propagate_moments(model, x)}
    for count in samples:
        ways[f"{count} samples"] = lambda count=count: kd.mc_predict(
            model, x, count, seed=1, verbose=0
        )
    times = take_turns(ways, budget=budget, least=3)
    rows = {"no noise": (*_softmax(model, x, y, exact), None)}
    for name, way in ways.items():
        found = way()
        apart = [np.abs(getattr(found, n) - getattr(exact, n)).mean() for n in _TOLD]
        scores = kd.evaluate(found, y)
        rows[name] = (
            *apart,
            float(scores["nll"]),
            float(scores["ece"]),
            times.ratio(name, "moments")[0],
        )
    seconds = times.median("moments")
    rows[f"{truth} samples"] = _judged(exact, y, (0.0, 0.0))
    return rows, seconds


_TOLD = ("mean", "std")


def _judged(prediction, y, apart):
    scores = kd.evaluate(prediction, y)
    return (*apart, float(scores["nll"]), float(scores["ece"]), None)


def _softmax(model, x, y, exact):
    p = model.predict(x, verbose=0)
    found = kd.Prediction.from_moments(
        p, np.zeros_like(p), "probabilities", exact=False
    )
    scores = kd.evaluate(found, y)
    apart = [np.abs(getattr(found, n) - getattr(exact, n)).mean() for n in _TOLD]
    return (*apart, float(scores["nll"]), float(scores["ece"]))


def table(found, settings):
    """The results as a table of Markdown."""
    lines = [
        "| model | prediction | error of the mean | of the std | nll | ece | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, (rows, seconds) in found.items():
        for name, (mean, std, nll, ece, ratio) in rows.items():
            time = "" if ratio is None else f"{ratio:.1f}"
            if name == "moments":
                time = f"1 ({1000 * seconds:.0f} ms)"
            lines.append(
                f"| {model} | {name} | {mean:.4f} | {std:.4f} | {nll:.3f} | {ece:.3f} "
                f"| {time} |"
            )
    return "\n".join([*lines, "", settings, ""])


def main(arguments=None):
    """Runs the comparison and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[10, 50, 200])
    parser.add_argument("--truth", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds a model")
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    told = parser.parse_args(arguments)
    train, (x, y) = data()
    test = x[: told.rows], y[: told.rows]
    found = {
        name: compare(
            make, train, test, told.samples, told.truth, told.epochs, told.budget
        )
        for name, make in MODELS.items()
    }
    size = f"{len(test[1])} test digits, 600 digits to train on, one seed."
    text = table(found, f"{size} {how_made()}")
    told.output.mkdir(parents=True, exist_ok=True)
    (told.output / "moments.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
