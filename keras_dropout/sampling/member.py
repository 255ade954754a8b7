"""One of the models that are sampled: which calls draw its samples."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout import _model
from keras_dropout._typing import Tensors
from keras_dropout.sampling import kept, keys, nested, noise, sizes
from keras_dropout.sampling.engine import Engine, engine
from keras_dropout.sampling.settings import Settings
from keras_dropout.sampling.sources import Noise
from keras_dropout.sampling.summaries import Running

# For batches of unknown size, as in an exported model.
_ROWS = 32


class Member:
    """A built model with the noises that are on.

    Args:
        model: A built Keras model.
        settings: How to sample it.
        number: Its place among the models that are sampled together.
        rows: Rows of inputs, to see what unknown layers draw, or `None`.
    """

    def __init__(
        self, model: keras.Model, settings: Settings, number: int = 0, rows: Any = None
    ) -> None:
        self.model: keras.Model = model
        self.settings: Settings = settings
        self.number: int = number
        found = noise.find(model, rows)
        if type(model).predict is not keras.Model.predict:
            name = type(model).__name__
            warnings.warn(
                f"{name} overrides `predict`, which is not called here. So the answers "
                f"may differ from those of `predict`. Put its code into `call` or "
                f"`predict_step`",
                stacklevel=2,
            )
        self.noises: list[Noise] = noise.select(model, found, settings.layers)
        noise.require_scheme(self.noises, settings.masks)
        self.engine: Engine = engine(
            model,
            self.noises,
            masks=settings.masks,
            told=settings.outputs,
            keep=settings.keep,
        )

    def learn(self, inputs: Tensors) -> Any:
        """Meets the model on these rows, and refuses what it turns out not to do."""
        learned = self.engine.learn(inputs)
        if self.noises:
            noise.require_drawn(self.model, self.noises, learned.active)
        if learned.is_folded and self.settings.masks == "shared":
            raise ValueError(
                "masks='shared' must know which places of a noisy tensor belong to one "
                f"row, but {self.model.name!r} puts other axes before the rows and "
                "joins them. Choose other masks, or join the axes with the rows first. "
                "Received: masks='shared'"
            )
        if learned.why_single is not None and self.settings.masks == "stratified":
            raise ValueError(
                "masks='stratified' joins the samples of one call, but each call to "
                f"{self.model.name!r} computes one sample, because "
                f"{learned.why_single}. Choose masks='antithetic'. "
                "Received: masks='stratified'"
            )

    def warn_of_state(self) -> None:
        """Says that a second batch does not go on from the states of the first."""
        layers = _model.flatten_layers(self.model)
        names = [each.name for each in layers if getattr(each, "stateful", False)]
        if names:
            warnings.warn(
                f"{self.model.name!r} keeps the states of {names} from batch to batch "
                "in `predict`. Here each batch starts from the states that they have "
                "now. Pass whole sequences, or one batch a call",
                stacklevel=2,
            )

    @functools.cached_property
    def is_silent(self) -> bool:
        """Whether all samples are equal, as far as the strengths of the noise tell.

        It reads live numbers, which have no values within a graph.
        """
        return all(each.is_silent for each in self.noises)

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the layers that were noisy, those of strength zero apart."""
        silent = {each.name for each in self.noises if each.is_silent}
        return tuple(n for n in self.engine.learned.active if n not in silent)

    @property
    def wanted(self) -> int:
        """How many samples to draw: one where all would be equal."""
        return 1 if self.is_silent else self.settings.samples

    @property
    def takes_one(self) -> bool:
        """Whether each call computes one sample, as far as it was learned."""
        learned = self.engine.learned
        return learned is None or learned.why_single is not None

    @property
    def pairs_calls(self) -> bool:
        """Whether two calls, one after the other, draw a pair of samples."""
        return self.settings.masks == "antithetic" and self.takes_one

    def samples_per_call(self, inputs: Tensors, samples: int) -> int:
        """How many of so many samples of these rows one call computes."""
        settings = self.settings
        masks, told = settings.masks, settings.max_rows
        if self.takes_one:
            if masks == "stratified":
                raise ValueError(
                    "masks='stratified' joins the samples of one call, but "
                    f"{self.model.name!r} was not tested yet, so each call computes "
                    "one sample. Call `learn(x)` of the `MonteCarlo` with some rows "
                    "first. Received: masks='stratified'"
                )
            return 1
        rows = nested.rows(inputs)
        is_known = isinstance(rows, int)
        # As for a batch that is filled up: one size for all numbers of rows up to it.
        rows = sizes.filled(rows) if is_known else _ROWS
        plan, learned = self.engine.plan, self.engine.learned
        most = told or sizes.max_rows(plan, inputs, learned.wider)
        is_told = told is not None and is_known
        if is_told and masks == "stratified" and most < 2 * rows and samples > 1:
            least = sizes.joined(samples, masks)
            raise ValueError(
                "masks='stratified' joins the samples of one call, but `max_rows` has "
                f"room for one sample of a batch of {rows} rows. Raise it to "
                f"{least * rows} for {least} samples, leave it out, or take fewer rows "
                f"with `batch_size`. Received: max_rows={told}"
            )
        return sizes.samples_per_call(samples, rows, most, masks, settings.tol, is_told)

    def key_of_call(self, call: int) -> int:
        """The number that the seeds of a call are hashed from."""
        if self.settings.masks == "shared":
            # The number of the sample does the rest.
            return 0
        return call // 2 if self.pairs_calls else call

    def calls(self, batch: Any, key: Any) -> Iterator[Running]:
        """Starts the calls that draw the samples, and yields each.

        Args:
            batch: The inputs, a structure of arrays.
            key: The pair of integers (seed, number of the batch).
        """
        size = self.samples_per_call(batch, self.wanted)
        prepared = kept.once(
            (self.engine, tuple(key)), lambda: self.engine.prefix(batch)
        )
        firsts = range(0, self.wanted, size)
        seeds = self._seeds(key, len(firsts))
        for first, seed in zip(firsts, seeds, strict=True):
            counts = first + np.arange(size) < self.wanted
            yield self.engine.chunk(prepared, seed, counts, first)

    def _seeds(self, key, calls):
        """The seeds of all generators in each of so many calls."""
        count, apart = self.engine.generators, self.engine.apart
        joined = [self.key_of_call(call) for call in range(calls)]
        seeds = keys.seeds(key, joined, count, self.number)
        if apart.any():
            alone = keys.seeds(key, range(calls), count, self.number)
            seeds = np.where(apart[:, None], alone, seeds)
        return seeds


def batch_size_of(members: Sequence[Member], inputs: Tensors) -> int:
    """How many rows of `inputs` to take at a time, if nobody says."""
    settings = members[0].settings
    return sizes.batch_size(
        [member.engine.plan for member in members],
        inputs,
        [member.engine.learned.wider for member in members],
        sizes.joined(settings.samples, settings.masks),
        settings.max_rows,
    )
