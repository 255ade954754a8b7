"""Masksembles on digits: between one network and an ensemble of as many.

One network, an ensemble of four of them, and four members within one network are
trained with the same number of steps each. They also get patches of a photograph, which
are not digits.
"""

import functools
import os

os.environ.setdefault("MPLBACKEND", "Agg")

import experiment
import keras
import numpy as np
from again import Again, shuffled
from learned_or_fixed_tasks import BATCH, STEPS, TASKS
from strangers import patches

import keras_dropout as kd

MEMBERS, UNITS = 4, 128
# The larger, the less the masks of two members share.
SCALES = (2.0, 4.0)
ALONE, TOGETHER = "one network", f"an ensemble of {MEMBERS}"


def plain():
    return network([])


def masked(scale):
    return network([kd.layers.Masksembles(MEMBERS, scale) for _ in range(2)])


def network(noises):
    """Two hidden layers, with one of the noises behind each."""
    layers = [keras.Input((64,))]
    for place in range(2):
        layers += [keras.layers.Dense(UNITS, "relu"), *noises[place : place + 1]]
    return keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])


def fitted(trained, data, args, seed):
    (x, y), model = data, trained.begin(seed)
    rows = shuffled(len(x), args.epochs * STEPS * BATCH, seed)
    model.fit(x[rows], y[rows], BATCH, verbose=0, shuffle=False)
    return model


def judged(samples, y):
    """Scores of the mean of some networks, on digits first and then on no digits."""
    p = np.mean(samples, axis=0)
    entropy = -np.sum(p * np.log(np.clip(p, 1e-12, 1)), axis=-1)
    inside, outside = entropy[: len(y)], entropy[len(y) :]
    return {
        "nll": kd.metrics.negative_log_likelihood(y, p[: len(y)]),
        "ece": kd.metrics.expected_calibration_error(y, p[: len(y)]),
        "auroc": kd.metrics.separation(inside, outside)["auroc"],
    }


def run(args):
    task = TASKS["digits"]
    scales = SCALES[:1] if args.quick else SCALES
    networks = Again(plain, task.loss, 2e-3)
    sharing = {
        f"Masksembles, scale {scale:g}": Again(
            functools.partial(masked, scale), task.loss, 2e-3
        )
        for scale in scales
    }

    def scores_of(seed):
        train, _, (x, y) = task.split(args, seed)
        both = np.concatenate([x, patches(len(x), seed).reshape(len(x), 64)])
        # Members of no seed that another run begins with.
        seeds = [seed + 1000 * member for member in range(MEMBERS)]
        each = [
            fitted(networks, train, args, own).predict(both, 4000, verbose=0)
            for own in seeds
        ]
        samples = {ALONE: np.stack(each[:1])}
        for name, trained in sharing.items():
            model = fitted(trained, train, args, seed)
            samples[name] = kd.mc_predict(
                model, both, MEMBERS, return_samples=True, seed=0, verbose=0
            ).samples
        samples[TOGETHER] = np.stack(each)
        return {name: judged(values, y) for name, values in samples.items()}

    cells = experiment.cells_of("masksembles", args)
    for seed in range(args.repeats):
        cells.cell(f"split {seed}", lambda seed=seed: scores_of(seed))
    return {"runs": [cells[f"split {seed}"] for seed in range(args.repeats)]}


def report(results):
    header = [
        "",
        "nll",
        "less than one network",
        "ece",
        "AUROC",
        "more than one network",
    ]
    rows = []
    for name in results["runs"][0]:
        nll, ece, auroc = (
            scores(results, name, key) for key in ("nll", "ece", "auroc")
        )
        less = scores(results, ALONE, "nll") - nll
        more = auroc - scores(results, ALONE, "auroc")
        cells = [nll, less, ece, auroc, more]
        rows.append([name, *(experiment.mean_and_spread(each, 3) for each in cells)])
    return experiment.table(header, rows)


def scores(results, name, key):
    return np.array([run[name][key] for run in results["runs"]])


FIGURES = {}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(60, 1), repeats=5)
