"""Sonar, mines and rocks: dropout and max-norm on 208 rows, cross-validated.

A small network has no dropout, dropout on its inputs, or dropout on its hidden units,
the latter two with max-norm 3 on all weights. It is trained by stochastic gradient
descent with momentum, in a stratified 10-fold cross-validation, which is repeated with
other splits and other initial weights.
"""

import experiment
import keras
import numpy as np
from datasets import sonar
from scipy import stats
from sklearn.model_selection import StratifiedKFold

import keras_dropout as kd

FOLDS, BATCH, RATE, LIMIT = 10, 16, 0.2, 3.0


def plain(units, activation):
    return keras.layers.Dense(units, activation)


def limited(units, activation):
    """A dense layer with max-norm alone."""
    limit = kd.constraints.MaxNorm(LIMIT)
    return keras.layers.Dense(units, activation, kernel_constraint=limit)


def dropped(units, activation):
    """A dense layer with max-norm and dropout of its units."""
    return kd.layers.MaxNormDropout(plain(units, activation), RATE, LIMIT)


def baseline():
    return [plain(60, "relu"), plain(30, "relu"), plain(1, "sigmoid")]


def max_norm():
    return [limited(60, "relu"), limited(30, "relu"), limited(1, "sigmoid")]


def visible():
    return [kd.layers.Dropout(RATE), *max_norm()]


def hidden():
    return [dropped(60, "relu"), dropped(30, "relu"), limited(1, "sigmoid")]


MODELS = {
    "baseline": baseline,
    "max-norm alone": max_norm,
    "visible dropout": visible,
    "hidden dropout": hidden,
}


def accuracy(layers, train, test, epochs, seed):
    """Trains on one fold; the accuracy on what was held out, in per cent."""
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = train, test
    mean, scale = x.mean(axis=0), x.std(axis=0)
    model = keras.Sequential(layers())
    sgd = keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)
    at_once = experiment.steps_per_execution(len(x) // BATCH)
    model.compile(sgd, loss="binary_crossentropy", steps_per_execution=at_once)
    model.fit((x - mean) / scale, y, BATCH, epochs, verbose=0)
    predicted = model.predict((x_test - mean) / scale, batch_size=1000, verbose=0)
    return 100 * float(np.mean((predicted[:, 0] > 0.5) == y_test))


def run(args):
    x, y = sonar(args)
    folds = 2 if args.quick else FOLDS
    accuracies = {name: [] for name in MODELS}
    for repeat in range(args.repeats):
        splits = StratifiedKFold(folds, shuffle=True, random_state=repeat)
        for fold, (train, test) in enumerate(splits.split(x, y)):
            seed = repeat * folds + fold
            for name, layers in MODELS.items():
                parts = (x[train], y[train]), (x[test], y[test])
                accuracies[name].append(accuracy(layers, *parts, args.epochs, seed))
        means = {name: np.mean(values) for name, values in accuracies.items()}
        print(f"after repeat {repeat + 1}: {means}")
    return {"accuracies": accuracies, "folds": folds}


def corrected_t_test(differences, folds):
    """Two-sided p-value that folds differ, for training sets that overlap.

    Nadeau and Bengio (2003): the variance of the mean is multiplied by
    `1 / n + 1 / (folds - 1)` instead of `1 / n`.
    """
    differences = np.asarray(differences)
    n = len(differences)
    spread = differences.std(ddof=1) * np.sqrt(1 / n + 1 / (folds - 1))
    if spread == 0:
        return 1.0
    return float(2 * stats.t.sf(abs(differences.mean() / spread), n - 1))


def report(results):
    header = ["model", "accuracy, %", "over repeats", "against baseline", "p"]
    folds = results["folds"]
    first = np.asarray(results["accuracies"]["baseline"])
    rows = []
    for name, values in results["accuracies"].items():
        values = np.asarray(values)
        repeats = values.reshape(-1, folds).mean(axis=1)
        row = [name, f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"]
        row.append(f"{repeats.min():.1f} to {repeats.max():.1f}")
        if name == "baseline":
            row += ["", ""]
        else:
            p = corrected_t_test(values - first, folds)
            row += [f"{np.mean(values - first):+.1f}", f"{p:.2f}"]
        rows.append(row)
    return experiment.table(header, rows)


def draw(results):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6.5, 3.2))
    names = list(results["accuracies"])
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, 1000)
    for row, name in enumerate(names):
        values = np.asarray(results["accuracies"][name])
        noise = jitter[: len(values)]
        ax.scatter(values, row + noise, s=14, alpha=0.55, color="#2a9d8f", lw=0)
        ax.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color="#e76f51", lw=2.5)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel("accuracy on a fold, %")
    return figure


FIGURES = {"sonar_folds": draw}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(300, 5), repeats=3)
