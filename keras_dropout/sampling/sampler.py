"""The one sampler behind all faces: batches x calls x samples, and their statistics."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_dropout._typing import Data
from keras_dropout.sampling import backends, inputs, keys, nested, noise, sizes
from keras_dropout.sampling.fixed import fixed_rows
from keras_dropout.sampling.member import Member, batch_size_of
from keras_dropout.sampling.progress import Progress
from keras_dropout.sampling.settings import Settings
from keras_dropout.sampling.total import Total, finished
from keras_dropout.sampling.weights import held
from keras_dropout.uncertainty.prediction import Prediction


class Sampler:
    """Draws samples of one or several models and pools them.

    `prepare` meets the models, `batch` samples them on one batch of inputs. `run` does
    both for all batches of a source of data.

    Args:
        models: List of Keras models.
        settings: How to sample them; with a seed.
    """

    def __init__(self, models: Sequence[keras.Model], settings: Settings) -> None:
        self.models: Sequence[keras.Model] = models
        self.settings: Settings = settings
        self.members = None

    def prepare(self, x: Data) -> None:
        """Builds the models, finds their noise and meets them on rows of `x`."""
        for model in self.models:
            build(model, x)
        self.members: list[Member] = held(self.models, self._members, x)
        held(self.models, self._meet, x)

    def _members(self, x):
        members = [
            Member(model, self.settings, number, x)
            for number, model in enumerate(self.models)
        ]
        for member in members:
            noise.require_valid(member.noises)
        if len(members) == 1:
            noise.require_some(members[0].model, members[0].noises)
        return members

    def _meet(self, x):
        for member in self.members:
            member.learn(x)

    @property
    def fills(self) -> bool:
        """Whether a batch is filled up to a size that is compiled already."""
        may = all(member.engine.learned.fills for member in self.members)
        return may and (backends.FILLS or self._fixed is not None)

    @property
    def _fixed(self):
        """The number of rows that a model is made for, if there is one."""
        fixed = (fixed_rows(model) for model in self.models)
        return next((rows for rows in fixed if rows is not None), None)

    def batch(
        self,
        x: Data,
        number: int = 0,
        rows: Any = None,
        tell: Callable[[int], None] | None = None,
    ) -> list[dict[str, np.ndarray]]:
        """The statistics of one batch, a dictionary of arrays for each output.

        Args:
            x: A structure of NumPy arrays.
            number: Integer, the number of the batch.
            rows: Integer, how many of the rows are real, or `None` for all.
            tell: Function that is told how many samples are done, or `None`.
        """
        return held(self.models, self._batch, x, number, rows, tell)

    def run(
        self,
        x: Data,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: int | Literal["auto"] = "auto",
    ) -> Any:
        """Samples all batches of `x`. Returns one result for them together."""
        each = self.each(x, batch_size, steps, verbose)
        done = [heads for heads, _, _ in each]
        # It reads the rates of silent noise.
        return held(self.models, self._collected, done)

    def each(
        self,
        x: Data,
        batch_size: int | None = None,
        steps: int | None = None,
        verbose: int | Literal["auto"] = "auto",
        targets: Any = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Samples the batches of `x` one by one.

        Yields:
            The statistics of a batch, as `batch` gives them; the batch with how many of
            its rows are real; and its targets, as `inputs.batches` has them.
        """
        is_source = inputs.is_source(x)
        if not is_source:
            x = inputs.arrays(x)
            self.prepare(x)
            batch_size = self._batch_size(x, batch_size)
        count = inputs.count(x, batch_size, steps)
        most = len(self.models) * self.settings.samples
        progress = Progress(count, most, verbose)
        for number, (batch, rows, wanted) in enumerate(
            inputs.batches(x, batch_size, steps, self._filling, targets)
        ):
            if self.members is None:
                self.prepare(batch)
            if number == 1:
                for member in self.members:
                    member.warn_of_state()
            tell = functools.partial(progress.update, number)
            yield self.batch(batch, number, rows, tell), (batch, rows), wanted
            progress.update(number + 1)
        progress.finish()

    def quiet(self, x: Data, rows: Any = None) -> Any:
        """What each model says of a batch without noise, as `Engine.quiet` gives it.

        Args:
            x: A structure of NumPy arrays.
            rows: Integer, how many of the rows are real, or `None` for all.

        Returns:
            A list of one list for each model, with a dictionary for each output.
        """
        return held(self.models, self._quiet, x, rows if self.fills else None)

    def _quiet(self, x, rows):
        return [
            [
                {name: keras.ops.convert_to_numpy(a)[:rows] for name, a in head.items()}
                for head in member.engine.quiet(x)
            ]
            for member in self.members
        ]

    def _filling(self, batch):
        """How to fill up this batch, which may be the first that comes."""
        if self.members is None:
            self.prepare(batch)
        if not self.fills:
            return None
        fixed = self._fixed
        return sizes.filled if fixed is None else lambda rows, most: fixed

    def _batch_size(self, x, asked):
        # A batch that cannot be filled up may be any, as for `predict`.
        told = asked if asked and not self.fills else self._fixed or asked
        return told or batch_size_of(self.members, x)

    def _batch(self, x, number, rows, tell):
        sampled = [
            self._sampled(member, x, number, rows, tell) for member in self.members
        ]
        _require_alike(sampled)
        most = max(totals[0].count for totals in sampled)
        for member, totals in zip(self.members, sampled, strict=True):
            if member.is_silent:
                # It drew one sample, which stands for as many as the others drew.
                for total in totals:
                    total.repeat(most if most > 1 else self.settings.samples)
        measures = self.members[0].engine.learned.measures
        return [
            finished([heads[place] for heads in sampled], measure)
            for place, measure in enumerate(measures)
        ]

    def _sampled(self, member, x, number, rows, tell):
        """All samples of one member for one batch: a `Total` for each head."""
        settings = self.settings
        before = member.number * settings.samples
        rows = rows if self.fills else None
        measures = member.engine.learned.measures
        totals = [Total(measure, rows, member.pairs_calls) for measure in measures]
        calls = member.calls(x, self._key(number))
        if not settings.tol:
            calls = _one_ahead(calls)
        for heads in calls:
            for total, head in zip(totals, heads, strict=True):
                total.add(head)
            if tell is not None:
                tell(before + totals[0].drawn)
            if settings.tol and all(total.is_within(settings.tol) for total in totals):
                break
        return totals

    def _key(self, number):
        settings = self.settings
        if settings.masks == "shared":
            # Sample t is one function, whatever the batch and the part of the data.
            return settings.seed, 0
        return keys.derived(settings.seed, settings.part), number

    def _collected(self, batches):
        """A `Prediction` for each head, in the structure of the model's outputs."""
        learned = [member.engine.learned for member in self.members]
        names = (name for member in self.members for name in member.active)
        active = tuple(dict.fromkeys(names))
        first = learned[0]
        predictions = []
        for place, kind in enumerate(first.kinds):
            class_axis = first.class_axes[place]
            arrays = _joined(
                [batch[place] for batch in batches], first.row_axes[place], class_axis
            )
            predictions.append(
                Prediction(
                    **arrays,
                    kind=kind,
                    class_axis=class_axis,
                    active=active,
                    masks=self.settings.masks,
                    seed=self.settings.seed,
                )
            )
        return keras.tree.pack_sequence_as(first.structure, predictions)


def _joined(parts, row_axis, class_axis):
    """The arrays of all batches, one after the other along the axis of the rows."""
    if len(parts) == 1:
        return parts[0]
    if row_axis is None:
        raise ValueError(
            "An output of `model` has no axis for the rows of `x`, so those of several "
            "batches cannot be put together. Pass a larger `batch_size`. Received: "
            f"an output of shape {parts[0]['mean'].shape} for each of {len(parts)} "
            "batches"
        )
    rank = parts[0]["mean"].ndim

    def joined(arrays, axis=row_axis):
        # The class axis may stand before that of the rows, and is not in all arrays.
        missing = class_axis is not None and arrays[0].ndim < rank
        return np.concatenate(arrays, axis - (missing and rank + class_axis < row_axis))

    found = {}
    for name in parts[0]:
        arrays = [part[name] for part in parts]
        if name == "statistics":
            found[name] = {key: joined([x[key] for x in arrays]) for key in arrays[0]}
        elif name == "count":
            # It has the first axis alone.
            found[name] = arrays[0] if row_axis else np.concatenate(arrays)
        else:
            found[name] = joined(arrays, row_axis + (name == "samples"))
    return found


def _one_ahead(calls):
    """The same calls, each started before the one before it is waited for."""
    last = next(calls)
    for heads in calls:
        yield last
        last = heads
    yield last


def build(model: keras.Model, batch: Any) -> None:
    """Builds the model by a call on one row, as Keras's own `predict` would."""
    if not model.built:
        row = nested.mapped(lambda x: keras.ops.convert_to_tensor(x[:1]), batch)
        model(row, training=False)


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
