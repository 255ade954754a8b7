"""The regressions of the Monte Carlo dropout paper, also with other methods.

The protocol of Gal and Ghahramani (2016): a hidden layer of 50 units, dropout before
both layers, 400 epochs of batches of 32, 20 random splits into nine tenths and one, the
rate and the precision of the noise that they chose for each set. Root mean squared
error and log-likelihood of the test rows are compared with the published ones. Then the
same is done with tuned and learned rates, with fixed masks (Masksembles), and with
moments in place of samples.
"""

import functools
import math
from typing import Any

import experiment
import keras
import numpy as np
from again import Again
from datasets import uci
from uci_networks import (
    BATCH,
    CHOICES,
    UNITS,
    Choice,
    Splits,
    alone,
    dropout,
    put,
    trained,
)
from uci_report import draw, methods, report

import keras_dropout as kd

# The page of the site asks this file for both tables.
__all__ = ["FIGURES", "methods", "report", "run"]

L = keras.layers
SAMPLES, MEMBERS = 1000, 4
# Sets of more rows than this have fewer splits, and the protocol alone.
LARGE, FEW = 5000, 5
# Only of sets with fewer rows than this Adam's epsilon is changed as well.
SMALL = 500
# Splits on which rates are learned, each network by itself.
LEARNED = 3
FACTORS = (0.25, 0.5, 1, 2, 4, 8)
# The batch of the code that the authors published later.
LATER = 128
# What Keras had when the paper was written; today it is 1e-7.
EPSILON = 1e-8


def scores(splits, place, samples, variance: Any = 0.0, precision=None):
    """RMSE, and log-likelihood of a row, in the unit of the values.

    Args:
        splits: The `Splits`.
        place: Which split.
        samples: Standardised outputs `(samples, rows)`.
        variance: What moments have in place of samples, standardised.
        precision: One over the variance of the noise, or `None` for the paper's.
    """
    scale = splits.y_scale[place]
    samples = samples * scale + splits.y_mean[place]
    y = splits.test[1][place]
    noise = 1 / (precision or splits.precision) + variance * scale**2
    exponents = -0.5 * (y - samples) ** 2 / noise
    most = exponents.max(axis=0)
    mixture = most + np.log(np.mean(np.exp(exponents - most), axis=0))
    likelihood = np.mean(mixture - 0.5 * np.log(2 * np.pi * noise))
    rmse = math.sqrt(np.mean((samples.mean(axis=0) - y) ** 2))
    return {"rmse": float(rmse), "likelihood": float(likelihood)}


def sampled(model, x, samples=SAMPLES):
    """Standardised outputs under masks, `(samples, rows)`."""
    options = {"outputs": "values", "return_samples": True, "verbose": 0}
    return kd.mc_predict(model, x, samples, seed=0, **options).samples[..., 0]


def by_the_paper(splits, epochs):
    """The protocol; the same networks without samples; and with tuned rates.

    A fifth of the training rows is used to tune the rates, with networks that are
    trained on the others. This is not done for large sets.
    """
    (x, y), rate = splits.train, splits.choice.rate
    weights = trained(splits, x, y, dropout(rate), epochs)
    network = alone(x.shape[-1], *dropout(rate)())
    cut = round(0.8 * x.shape[1])
    parts = None
    if x.shape[1] < LARGE:
        parts = trained(splits, x[:, :cut], y[:, :cut], dropout(rate), epochs)
    found = []
    for place, own in enumerate(weights):
        test, judge = splits.test[0][place], (splits, place)
        kd.set_rates(network, rate)
        put(network, own)
        moments = kd.propagate_moments(network, test, outputs="values")
        mean, variance = moments.mean[:, 0], moments.variance[:, 0]
        run: dict[str, Any] = {
            "paper": scores(*judge, sampled(network, test)),
            "no noise": scores(*judge, network.predict(test, 4096, verbose=0).T),
            "moments": scores(*judge, mean[None], variance),
        }
        if parts is not None:
            put(network, parts[place])
            held_out = x[place, cut:], y[place, cut:]
            run["factor"], precision = tuned(network, *held_out)
            precision /= splits.y_scale[place].item() ** 2
            put(network, own)
            samples = sampled(network, test)
            run["tuned"] = scores(*judge, samples)
            run["tuned, noise too"] = scores(*judge, samples, precision=precision)
        found.append(run)
    return found


def tuned(network, x, y):
    """Sets the rates with the best likelihood of some rows.

    Returns:
        The factor of the rates, and one over the variance that the samples leave.
    """
    seen = kd.calibration.tune_rates(network, x, y[:, None], factors=FACTORS, seed=0)
    samples = sampled(network, x, 100)
    left = np.mean((y - samples.mean(axis=0)) ** 2) - samples.var(axis=0).mean()
    return seen.best.factor, 1 / max(left, 1e-4)


def with_another(splits, epochs, **options):
    """The protocol with another epsilon of Adam, or another batch."""
    x, y = splits.train
    rate = splits.choice.rate
    weights = trained(splits, x, y, dropout(rate), epochs, **options)
    return judged(splits, alone(x.shape[-1], *dropout(rate)()), weights, SAMPLES)


def with_masks_that_stay(splits, epochs):
    """Masksembles in place of dropout, behind the hidden layer."""
    x, y = splits.train
    masks = kd.layers.Masksembles(MEMBERS, 2.0, seed=0)
    weights = trained(splits, x, y, lambda: ([], [masks]), epochs)
    again = kd.layers.Masksembles(MEMBERS, 2.0, seed=0)
    return judged(splits, alone(x.shape[-1], [], [again]), weights, MEMBERS)


def judged(splits, network, weights, samples):
    """The scores of each split."""
    found = []
    for place, own in enumerate(weights):
        put(network, own)
        x = splits.test[0][place]
        found.append(scores(splits, place, sampled(network, x, samples)))
    return found


def with_learned_rates(splits, epochs):
    """The first splits, with rates of both layers that are learned with the weights."""
    count = min(splits.count, LEARNED)
    return [with_learned_rates_of(splits, place, epochs) for place in range(count)]


def with_learned_rates_of(splits, place, epochs):
    x, y = (each[place] for each in splits.train)
    strengths = kd.losses.kl_weights(
        len(x),
        loss="mse",
        precision=float(splits.precision * splits.y_scale[place].item() ** 2),
        length_scale=splits.choice.length_scale,
    )

    def build():
        dense = L.Dense(UNITS, "relu"), L.Dense(1)
        wrapped = [kd.layers.ConcreteDropout(each, **strengths) for each in dense]
        return keras.Sequential([keras.Input(x.shape[1:]), *wrapped])

    model = Again(build, "mse", 1e-3).begin(place)
    model.fit(x, y[:, None], BATCH, epochs, verbose=0)
    found = scores(splits, place, sampled(model, splits.test[0][place]))
    return found | {"rates": [float(layer.rate) for layer in model.layers]}


def names(args):
    """The sets of the folder; the bundled one without a folder."""
    if args.data is None:
        return ["diabetes"]
    paths = (args.data / "uci").glob("*.npz")
    return [path.stem for path in sorted(paths, key=lambda path: path.stat().st_size)]


def run(args):
    path = args.output and args.output / "uci.json"
    cells = experiment.Cells(path, experiment.settings(args))
    sets = {}
    for name in names(args):
        x, y = uci(args, name)
        count = args.repeats if len(x) < LARGE else min(args.repeats, FEW)
        sets[name] = Splits(x, y, count, CHOICES.get(name, Choice()))
    for step, (judge, rows) in STEPS.items():
        for name, splits in sets.items():
            if sum(splits.sizes) < rows:
                cells.cell(
                    f"{name}/{step}", lambda j=judge, s=splits: j(s, args.epochs)
                )
    return {"cells": dict(cells)}


# The function for each cell. It is used for sets with fewer rows than this.
STEPS = {
    "paper": (by_the_paper, math.inf),
    "batch": (functools.partial(with_another, batch=LATER), LARGE),
    "masks": (with_masks_that_stay, LARGE),
    "epsilon": (functools.partial(with_another, epsilon=EPSILON), SMALL),
    "learned": (with_learned_rates, LARGE),
}


FIGURES = {"uci": draw}

if __name__ == "__main__":
    experiment.main(__doc__, run, report, FIGURES, epochs=(400, 2), repeats=20)
