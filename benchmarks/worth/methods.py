"""Plain networks, noise in its forms, and ensembles, each for some seeds."""

import dataclasses

import numpy as np

import keras_dropout as kd
from benchmarks.worth import judge
from benchmarks.worth.networks import Trainer

SAMPLES, MEMBERS = 30, 5
FACTORS = (0.25, 0.5, 0.75, 1, 1.5)
NAMES = {
    "plain": "plain network",
    "temperature": "plain, temperature fitted",
    "one pass": "dropout and max-norm, one pass",
    "monte carlo": "the same, Monte Carlo",
    "tuned": "the same, rates tuned",
    "repeated": "rows repeated in the batch, tuned",
    "learned": "learned rates, Monte Carlo",
    "masksembles": "Masksembles",
    "ensemble": "ensemble of five plain networks",
}


def compare(task, seeds, epochs=None):
    """By method, the scores of each seed; every seed has a split of its own."""
    if epochs is not None:
        task = dataclasses.replace(task, epochs=epochs)
    trainers = {name: Trainer(task, name) for name in ("plain", "dropout", "learned")}
    trainers["masksembles"] = Trainer(task, "masksembles")
    if hasattr(kd, "BatchRepetition"):
        trainers["repeated"] = Trainer(task, "dropout", times=4)
    found = {}
    for seed in range(seeds):
        for name, scores in of_seed(task, trainers, seed):
            found.setdefault(name, []).append(scores)
    return found


def of_seed(task, trainers, seed):
    """Name and scores of each method, on one split."""
    train, held_out, test = task.parts(seed)
    rows = judge.rows(task, *test, seed)

    def scored(name, prediction):
        return name, judge.judged(task, prediction, rows)

    members = []
    for member in range(MEMBERS):
        model = trainers["plain"].train(*train, MEMBERS * seed + member)
        members.append(quiet(model, (rows.x, held_out[0])))
    yield scored("plain", pooled(task, [members[0][0]]))
    yield scored("ensemble", pooled(task, [member[0] for member in members]))
    if task.kind == "classes":
        scaling = kd.calibration.TemperatureScaling()
        scaling.fit(pooled(task, [members[0][1]]), held_out[1])
        yield scored("temperature", scaling.transform(pooled(task, [members[0][0]])))
    for name in [name for name in trainers if name != "plain"]:
        model = trainers[name].train(*train, seed)
        if name == "dropout":
            yield scored("one pass", pooled(task, quiet(model, (rows.x,))))
            yield scored("monte carlo", noisy(task, model, rows.x))
        if name in ("dropout", "repeated"):
            before = [(layer, float(layer.rate)) for layer in dropouts(model)]
            options = {"outputs": outputs(task), "samples": SAMPLES, "batch_size": 300}
            kd.calibration.tune_rates(model, *held_out, factors=FACTORS, **options)
            yield scored(
                "tuned" if name == "dropout" else name, noisy(task, model, rows.x)
            )
            for layer, rate in before:
                layer.rate = rate
        else:
            yield scored(name, noisy(task, model, rows.x))


def dropouts(model):
    """The layers with a rate that is tuned."""
    kinds = kd.layers.Dropout, kd.layers.SpatialDropout2D
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def outputs(task):
    """What `mc_predict` is told of the outputs."""
    return "probabilities" if task.kind == "classes" else "gaussian"


def noisy(task, model, x):
    """The prediction of samples over the noise."""
    options = {"outputs": outputs(task), "batch_size": 512, "verbose": 0}
    return kd.mc_predict(model, x, SAMPLES, seed=0, **options)


def quiet(model, several):
    """The outputs without noise for each of several arrays."""
    return [model.predict(x, batch_size=4096, verbose=0) for x in several]


def pooled(task, members):
    """The prediction that the outputs of one pass, or of several networks, make."""
    samples = np.stack(members)
    if task.kind == "classes":
        return kd.Prediction.from_samples(samples, "probabilities")
    mean, log_variance = np.split(samples, 2, axis=-1)
    noise = np.exp(log_variance)
    return kd.Prediction.from_samples(mean, "gaussian", noise_variance=noise)
