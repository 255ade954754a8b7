"""Active learning on digits: which rows to label next, compared with random rows.

A small network is trained on a few labelled digits. In each round a method chooses 20
of the others. These are labelled, and a new network is trained on all labelled digits.
Every method starts with the same digits.
"""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import experiment
import keras
import numpy as np
from again import Again, shuffled
from datasets import bundled_digits

import keras_dropout as kd

FIRST, MORE, ROUNDS = 20, 20, 8
BATCH, STEPS, SAMPLES = 20, 10, 20
METHODS = "random", "mutual_information", "entropy", "margin"
LINES = {
    "random": ("#8c8c8c", ":", "o"),
    "mutual_information": ("#2a9d8f", "-", "^"),
    "entropy": ("#7a6fc0", "--", "s"),
    "margin": ("#d9603f", "-.", "D"),
}


def network():
    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, activation="relu"),
            kd.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def digits(seed):
    """Rows that may be labelled, and rows for the test."""
    parts = bundled_digits()
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    x = (x.reshape(-1, 64) / 255).astype("float32")
    order = np.random.default_rng(seed).permutation(len(x))
    return [(x[places], y[places]) for places in np.split(order, [1197])]


def select(model, x, pool, method, seed):
    """The places in the pool of the digits to label next."""
    options = {"batch_size": 600, "seed": seed, "verbose": 0}
    prediction = kd.mc_predict(model, x[pool], samples=SAMPLES, **options)
    return kd.acquisition.select(prediction, MORE, method, seed=seed)


def rounds_of(trained, method, train, test, epochs, seed):
    """The accuracy on the test rows before each round and after the last."""
    x, y = train
    labelled, pool = np.split(np.arange(len(x)), [FIRST])
    accuracies = []
    for number in range(ROUNDS + 1):
        model = trained.begin(seed)
        rows = shuffled(len(labelled), epochs * STEPS * BATCH, seed)
        model.fit(x[labelled][rows], y[labelled][rows], BATCH, verbose=0, shuffle=False)
        found = model.predict(test[0], batch_size=600, verbose=0).argmax(-1)
        accuracies.append(float(np.mean(found == test[1])))
        if number < ROUNDS:
            wanted = select(model, x, pool, method, seed * ROUNDS + number)
            labelled, pool = np.append(labelled, pool[wanted]), np.delete(pool, wanted)
    return accuracies


def run(args):
    trained = Again(network, "sparse_categorical_crossentropy", 0.01)
    found = {method: [] for method in METHODS}
    for seed in range(args.repeats):
        train, test = digits(seed)
        for method, runs in found.items():
            runs.append(rounds_of(trained, method, train, test, args.epochs, seed))
        print(f"seed {seed}: {[runs[-1][-1] for runs in found.values()]}", flush=True)
    return {"labels": [FIRST + MORE * i for i in range(ROUNDS + 1)], "accuracy": found}


def report(results):
    """Accuracy after some rounds, and the difference to random rows at the end."""
    labels = results["labels"]
    shown = [0, 2, 4, len(labels) - 1]
    header = [
        "",
        *(f"{labels[place]} labels, %" for place in shown),
        "more than at random, at last",
    ]
    at_random = np.array(results["accuracy"]["random"])
    rows = []
    for method, runs in results["accuracy"].items():
        runs = np.array(runs)
        cells = [experiment.mean_and_spread(100 * runs[:, i], 1) for i in shown]
        gain = experiment.mean_and_spread(100 * (runs - at_random)[:, -1], 1)
        rows.append([f"`{method}`", *cells, "" if method == "random" else gain])
    return experiment.table(header, rows)


def draw(results):
    """The accuracy over the number of labels, mean over seeds and their spread."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for method, runs in results["accuracy"].items():
        colour, line, marker = LINES[method]
        runs = 100 * np.array(runs)
        mean = runs.mean(axis=0)
        (drawn,) = ax.plot(results["labels"], mean, markersize=4, lw=1.5)
        drawn.set(color=colour, linestyle=line, marker=marker)
        drawn.set_label(method.replace("_", " "))
        if len(runs) > 1:
            spread = runs.std(axis=0, ddof=1)
            ends = mean - spread, mean + spread
            ax.fill_between(results["labels"], *ends, color=colour, alpha=0.12, lw=0)
    ax.set(xlabel="labelled digits", ylabel="accuracy on test digits (%)")
    ax.legend()
    return figure


FIGURES = {"active_learning": draw}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(20, 1), repeats=5)
