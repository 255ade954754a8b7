"""Runs batches x chunks of samples through the engines, and collects the result."""

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

from keras_dropout.sampling import inputs, noise, sizes
from keras_dropout.sampling.engine import engine
from keras_dropout.sampling.progress import Progress
from keras_dropout.sampling.total import Total, finished
from keras_dropout.sampling.weights import held
from keras_dropout.uncertainty.prediction import Prediction


@dataclasses.dataclass(frozen=True)
class Settings:
    """What one call of `mc_predict` asks for, checked."""

    samples: int
    seed: int
    masks: str
    layers: Any
    outputs: Any
    keep: bool
    tol: float | None
    max_rows: int | None


def run(models, settings, x, batch_size, steps, verbose):
    """Predicts on all batches of `x` and returns one result for them together."""
    members, done = None, []
    if not inputs.is_source(x):
        x = inputs.arrays(x)
        members = _prepared(models, settings, x)
        plans = [member.engine.plan for member in members]
        batch_size = (
            _fixed_batch_size(models) or batch_size or sizes.batch_size(plans, x)
        )
    count = inputs.count(x, batch_size, steps)
    progress = Progress(count, len(models) * settings.samples, verbose)
    for number, (batch, rows) in enumerate(inputs.batches(x, batch_size, steps)):
        members = members or _prepared(models, settings, batch)
        tell = functools.partial(progress.update, number)
        done.append(held(models, _batch, members, settings, batch, rows, number, tell))
        progress.update(number + 1)
    progress.finish()
    return _collect(members, settings, done)


def _prepared(models, settings, batch):
    """The members that are pooled, their models built."""
    for model in models:
        _build(model, batch)
    return held(models, _members, models, settings)


class _Member:
    """One model of those that are pooled."""

    def __init__(self, model, number, settings):
        noises = noise.find(model)
        self.noises = noise.select(model, noises, settings.layers)
        self.is_silent = all(each.is_silent for each in self.noises)
        self.model, self.number, self.settings = model, number, settings
        self.fixed = _fixed_batch_size([model]) is not None
        self.single = noise.one_sample_per_call(self.noises)
        self.pairs_calls = settings.masks == "antithetic" and self._takes_one()
        noise.require_scheme(self.noises, settings.masks)
        self.engine = engine(
            model,
            self.noises,
            masks=settings.masks,
            told=settings.outputs,
            keep=settings.keep,
        )

    def calls(self, batch, number):
        """Yields the summaries of samples, a list of heads each call."""
        wanted = 1 if self.is_silent else self.settings.samples
        size = self._samples_per_call(batch, wanted)
        prepared = self.engine.prefix(batch)
        for call, first in enumerate(range(0, wanted, size)):
            kept = first + np.arange(size) < wanted
            words = self._words(number, call)
            heads = self.engine.chunk(prepared, words, kept, first)
            if not self.is_silent:
                noise.require_drawn(self.model, self.noises, self.engine.active)
            yield heads

    def _samples_per_call(self, batch, samples):
        if self._takes_one():
            return 1
        settings, rows = self.settings, len(keras.tree.flatten(batch)[0])
        most = settings.max_rows or sizes.max_rows(self.engine.plan, batch)
        return sizes.samples_per_call(samples, rows, most, settings.masks, settings.tol)

    def _words(self, number, call):
        words = [self.settings.seed, self.number]
        if self.settings.masks == "shared":
            # The number of the sample does the rest.
            return words
        return [*words, number, call // 2 if self.pairs_calls else call]

    def _takes_one(self):
        return bool(self.single or self.fixed)


def _members(models, settings):
    made = [_Member(model, place, settings) for place, model in enumerate(models)]
    if len(made) == 1:
        noise.require_some(made[0].model, made[0].noises)
    return made


def _build(model, batch):
    """Builds the model by a call on one row, as Keras's own `predict` would."""
    if not model.built:
        row = keras.tree.map_structure(
            lambda x: keras.ops.convert_to_tensor(x[:1]), batch
        )
        model(row, training=False)


def _fixed_batch_size(models):
    """The number of rows that a model's inputs are made for, if they are."""
    for model in models:
        inputs = getattr(model, "inputs", None) if model.built else None
        for tensor in inputs or ():
            if tensor.shape and tensor.shape[0] is not None:
                return tensor.shape[0]
    return None


def _batch(members, settings, batch, rows, number, tell):
    """The finished statistics of one batch, an array dictionary for each head."""
    sampled = [
        _sampled(member, settings, batch, rows, number, tell) for member in members
    ]
    _require_alike(sampled)
    most = max(totals[0].count for totals in sampled)
    for member, totals in zip(members, sampled, strict=True):
        if member.is_silent:
            # It drew one sample, which stands for as many as the others drew.
            for total in totals:
                total.repeat(most if most > 1 else settings.samples)
    return [
        finished([heads[place] for heads in sampled], measure)
        for place, measure in enumerate(members[0].engine.measures)
    ]


def _require_alike(sampled):
    """Refuses to pool outputs that are not of one kind and shape."""
    heads = [
        [(total.measure, total.summary["mean"].shape[1:]) for total in totals]
        for totals in sampled
    ]
    if any(each != heads[0] for each in heads):
        raise ValueError(
            "Models that are pooled must have outputs of one kind, which `outputs` can "
            f"say, and of one shape. Received: kinds and shapes {heads}"
        )


def _sampled(member, settings, batch, rows, number, tell):
    """All samples of one member for one batch: a `Total` for each head."""
    before = member.number * settings.samples
    totals = None
    for heads in member.calls(batch, number):
        if totals is None:
            totals = [
                Total(measure, rows, member.pairs_calls)
                for measure in member.engine.measures
            ]
        for total, head in zip(totals, heads, strict=True):
            total.add(head)
        tell(before + totals[0].drawn)
        if settings.tol and all(total.is_within(settings.tol) for total in totals):
            break
    return totals


def _collect(members, settings, batches):
    """A `Prediction` for each head, in the structure of the model's outputs."""
    active = (name for member in members for name in member.engine.active)
    active = tuple(dict.fromkeys(active))
    first = members[0].engine
    predictions = []
    for place, kind in enumerate(first.kinds):
        parts = [batch[place] for batch in batches]
        arrays = {
            name: np.concatenate(
                [part[name] for part in parts], axis=int(name == "samples")
            )
            for name in parts[0]
        }
        predictions.append(
            Prediction(
                **arrays,
                kind=kind,
                active=active,
                masks=settings.masks,
                seed=settings.seed,
            )
        )
    return keras.tree.pack_sequence_as(first.structure, predictions)
