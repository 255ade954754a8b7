"""Runs batches x chunks of samples through the engines, and collects the result."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_dropout.uncertainty import inputs, noise, statistics
from keras_dropout.uncertainty.engine import engine
from keras_dropout.uncertainty.prediction import Prediction
from keras_dropout.uncertainty.progress import Progress


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
    max_rows: int


def run(models, settings, x, batch_size, steps, verbose):
    """Predicts on all batches of `x` and returns one result for them together."""
    batch_size = _fixed_batch_size(models) or batch_size
    progress = Progress(inputs.count(x, batch_size, steps), verbose)
    members, done = None, []
    for number, (batch, rows) in enumerate(inputs.batches(x, batch_size, steps)):
        if members is None:
            members = _members(models, settings, batch)
        done.append(_batch(members, settings, batch, rows, number))
        progress.update(number + 1)
    progress.finish()
    return _collect(members, settings, done)


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
        if self.single and settings.masks == "stratified":
            names = ", ".join(repr(each.name) for each in self.single)
            raise ValueError(
                "masks='stratified' joins the samples of one call, but the noise of "
                f"weights allows one sample in each: {names}. Choose 'antithetic' "
                "masks, or leave these layers out with `layers`"
            )
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
        size = self._samples_per_call(len(keras.tree.flatten(batch)[0]), wanted)
        prepared = self.engine.prefix(batch)
        for call, first in enumerate(range(0, wanted, size)):
            kept = first + np.arange(size) < wanted
            yield self.engine.chunk(prepared, self._words(number, call), kept, first)

    def _samples_per_call(self, rows, samples):
        if self._takes_one():
            return 1
        step = 2 if self.settings.masks == "antithetic" else 1
        most = max(step, self.settings.max_rows // rows // step * step)
        calls = -(-samples // most)
        return -(-samples // (calls * step)) * step

    def _words(self, number, call):
        words = [self.settings.seed, self.number]
        if self.settings.masks == "shared":
            # The number of the sample does the rest.
            return words
        return [*words, number, call // 2 if self.pairs_calls else call]

    def _takes_one(self):
        return bool(self.single or self.fixed)


def _members(models, settings, batch):
    for model in models:
        _build(model, batch)
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


def _batch(members, settings, batch, rows, number):
    """The finished statistics of one batch, an array dictionary for each head."""
    sampled = [_sampled(member, settings, batch, rows, number) for member in members]
    measures = [_measure(kind) for kind in members[0].engine.kinds]
    return [
        _finished([heads[place] for heads in sampled], measure)
        for place, measure in enumerate(measures)
    ]


def _sampled(member, settings, batch, rows, number):
    """All samples of one member for one batch: a `_Total` for each head."""
    totals = None
    for heads in _one_behind(member.calls(batch, number)):
        if totals is None:
            measures = [_measure(kind) for kind in member.engine.kinds]
            totals = [_Total(measure, rows, member.pairs_calls) for measure in measures]
        for total, head in zip(totals, heads, strict=True):
            total.add(head)
        if settings.tol and all(total.is_within(settings.tol) for total in totals):
            break
    if member.is_silent:
        for total in totals:
            total.repeat(settings.samples)
    return totals


class _Total:
    """The running summary of one head, in double precision."""

    def __init__(self, measure, rows, pairs_calls):
        self.measure, self.rows, self.pairs_calls = measure, rows, pairs_calls
        self.summary = self.mask = self.partner = None
        self.samples = []

    def add(self, head):
        """Adds the summary of one call."""
        head = {name: keras.ops.convert_to_numpy(value) for name, value in head.items()}
        self.mask = head.pop("mask", None)
        kept = head.pop("samples", None)
        if kept is not None:
            self.samples.append(kept[:, : self.rows])
        head = {
            name: value[: self.rows].astype(np.float64) if value.ndim else float(value)
            for name, value in head.items()
        }
        if self.pairs_calls:
            if self.partner is None:
                self.partner = head
                return
            pair = statistics.merge(self.partner, head, self.measure, np)
            head, self.partner = statistics.join_blocks(pair, np), None
        self.summary = (
            head
            if self.summary is None
            else statistics.merge(self.summary, head, self.measure, np)
        )

    def repeat(self, samples):
        """Counts the one sample of a model without noise so many times."""
        for name in ("count", "votes"):
            if name in self.summary:
                self.summary[name] = self.summary[name] * samples
        self.samples = [np.repeat(kept, samples, axis=0) for kept in self.samples]

    def is_within(self, tol):
        """Whether the mean is known well enough, from ten samples on."""
        if self.summary is None or self.summary["count"] < 10:
            return False
        return bool(np.max(statistics.error_variance(self.summary)) <= tol**2)


def _one_behind(calls):
    """The same, each only once the next is under way, for a backend that runs ahead."""
    waiting = None
    for call in calls:
        if waiting is not None:
            yield waiting
        waiting = call
    yield waiting


def _measure(kind):
    return {"logits": "probabilities", "gaussian": "values"}.get(kind, kind)


def _finished(totals, measure):
    """The arrays of a `Prediction`, pooled over the members."""
    rows = totals[0].rows
    summary = statistics.pool([total.summary for total in totals], measure)
    arrays = {
        "mean": summary["mean"],
        "variance": summary["variance"],
        "standard_error": np.sqrt(summary["error"]),
    }
    if measure in statistics.CLASSES:
        count = summary["count"]
        spread = summary["information_m2"] / max(count - 1.0, 1.0)
        arrays["_information"] = summary["information"]
        arrays["_information_error"] = np.sqrt(spread / count)
        arrays["_votes"] = summary["votes"]
    if "aleatoric" in summary:
        arrays["_aleatoric"] = summary["aleatoric"]
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    arrays["count"] = np.full(rows, round(summary["count"]))
    if totals[0].mask is not None:
        arrays["mask"] = totals[0].mask[:rows]
    if totals[0].samples:
        arrays["samples"] = _limited(totals)
    return arrays


def _limited(totals):
    """The samples that count; those of a last call that do not are left out."""
    per_model = round(totals[0].summary["count"])
    kept = [np.concatenate(total.samples)[:per_model] for total in totals]
    return np.concatenate(kept)


def _collect(members, settings, batches):
    """A `Prediction` for each head, in the structure of the model's outputs."""
    active = tuple(dict.fromkeys(n.name for m in members for n in m.noises))
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
