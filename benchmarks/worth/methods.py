"""Plain networks, noise in its forms, and ensembles, each for some seeds."""

import dataclasses
import time

import numpy as np

import keras_dropout as kd
from benchmarks.worth import judge
from benchmarks.worth.networks import Trainer

SAMPLES, MEMBERS, FEW = 30, 5, 10
FACTORS = (0.25, 0.5, 0.75, 1, 1.5)
NAMES = {
    "plain": "plain network",
    "temperature": "plain, temperature fitted",
    "one pass": "dropout and max-norm, one pass",
    "monte carlo": "the same, Monte Carlo",
    "tuned": "the same, rates tuned",
    "refined": "the same, each rate tuned",
    "recipe": "the recipe, Monte Carlo",
    "recipe tuned": "the recipe, rates tuned",
    "learned": "learned rates, Monte Carlo",
    "masksembles": "Masksembles",
    "ensemble": "ensemble of five plain networks",
}
MASKS = "independent", "shared", "antithetic", "stratified"
# Ways to the answer of one network, the dropout network at tuned rates.
WAYS = {f"{FEW} {masks}": f"{FEW} passes, {masks} masks" for masks in MASKS}
ALL = f"{SAMPLES} independent"
WAYS |= {ALL: f"{SAMPLES} passes, independent masks", "moments": "moments, one pass"}
# What one training gives the scores of.
GROUPS = {
    "plain": ("plain", "ensemble", "temperature"),
    "dropout": ("one pass", "monte carlo", "tuned", "refined", *WAYS),
    "recipe": ("recipe", "recipe tuned"),
    "learned": ("learned",),
    "masksembles": ("masksembles",),
}


class Methods:
    """All methods on one task.

    Args:
        task: The task.
        epochs: Integer, instead of those of the task, or `None`.
    """

    def __init__(self, task, epochs=None):
        if epochs is not None:
            task = dataclasses.replace(task, epochs=epochs)
        self.task = task
        self._trainers = {}

    def names(self, group):
        """The methods of a group that the task has."""
        is_values = self.task.kind == "values"
        return [n for n in GROUPS[group] if not (is_values and n == "temperature")]

    def scores(self, group, seed):
        """By method of a group, all scores on the split of a seed."""
        train, held_out, test = self.task.parts(seed)
        rows = judge.rows(self.task, *test, seed)
        if group == "plain":
            found = self._plain(train, held_out, rows, seed)
        else:
            found = self._noisy(group, train, held_out, rows, seed)
        return {
            name: {**judge.judged(self.task, prediction, rows), **cost}
            for name, prediction, cost in found
        }

    def _trained(self, name, train, seed):
        if name not in self._trainers:
            times = 4 if name == "recipe" else 1
            self._trainers[name] = Trainer(self.task, name, times)
        return self._trainers[name].train(*train, seed)

    def _plain(self, train, held_out, rows, seed):
        task, members = self.task, []
        for member in range(MEMBERS):
            model = self._trained("plain", train, MEMBERS * seed + member)
            members.append(quiet(model, (rows.x, held_out[0])))
        first = pooled(task, [members[0][0]])
        yield "plain", first, {}
        yield "ensemble", pooled(task, [member[0] for member in members]), {}
        if task.kind == "classes":
            scaling = kd.calibration.TemperatureScaling()
            scaling.fit(pooled(task, [members[0][1]]), held_out[1])
            yield "temperature", scaling.transform(first), {}

    def _noisy(self, group, train, held_out, rows, seed):
        task, model = self.task, self._trained(group, train, seed)
        name = "monte carlo" if group == "dropout" else group
        yield name, noisy(task, model, rows.x), {}
        if group not in ("dropout", "recipe"):
            return
        if group == "dropout":
            yield "one pass", pooled(task, quiet(model, (rows.x,))), {}
        before = [(layer, float(layer.rate)) for layer in dropouts(model)]
        options = {"outputs": outputs(task), "samples": SAMPLES, "batch_size": 300}
        options["factors"] = FACTORS
        kd.calibration.tune_rates(model, *held_out, **options)
        if group == "dropout":
            yield from self._ways(model, rows)
            reset(before)
            kd.calibration.tune_rates(model, *held_out, refine=1, **options)
            yield "refined", noisy(task, model, rows.x), {}
        else:
            yield "recipe tuned", noisy(task, model, rows.x), {}
        reset(before)

    def _ways(self, model, rows):
        """Samples of each scheme, and moments, with the processor time of each."""
        found, cost = _timed(noisy, self.task, model, rows.x)
        yield "tuned", found, {}
        yield ALL, found, cost
        for masks in MASKS:
            yield (
                f"{FEW} {masks}",
                *_timed(noisy, self.task, model, rows.x, FEW, masks=masks),
            )
        yield (
            "moments",
            *_timed(
                kd.propagate_moments, model, rows.x, 512, outputs=outputs(self.task)
            ),
        )


def _timed(function, *args, **kwargs):
    start = time.process_time()
    found = function(*args, **kwargs)
    return found, {"seconds": time.process_time() - start}


def dropouts(model):
    """The layers with a rate that is tuned."""
    kinds = kd.layers.Dropout, kd.layers.SpatialDropout2D
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def reset(before):
    """Sets the rates of layers to what they were."""
    for layer, rate in before:
        layer.rate = rate


def outputs(task):
    """What `mc_predict` is told of the outputs."""
    return "probabilities" if task.kind == "classes" else "gaussian"


def noisy(task, model, x, samples=SAMPLES, **options):
    """The prediction of samples over the noise."""
    options |= {"outputs": outputs(task), "batch_size": 512, "verbose": 0}
    return kd.mc_predict(model, x, samples, seed=0, **options)


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
