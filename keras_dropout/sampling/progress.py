"""A progress bar for work that takes long."""

from __future__ import annotations

import time
from typing import Any, Literal

import keras

from keras_dropout import _validation

# Seconds after which `verbose="auto"` thinks that somebody waits.
_PATIENCE = 3.0


class Progress:
    """Keras's progress bar over the samples of all batches.

    Args:
        batches: Integer, or `None` if unknown.
        samples: Integer, how many samples there are of each batch.
        verbose: 0, 1 or `"auto"`.
    """

    def __init__(
        self, batches: int | None, samples: int, verbose: int | Literal["auto"]
    ) -> None:
        self.verbose: int | Literal["auto"] = _validation.choice(
            "verbose", verbose, (0, 1, "auto")
        )
        self.samples = samples
        self.started: float = time.monotonic()
        self.done = 0
        # From the start, as it reckons how long the rest will take.
        total = None if batches is None else batches * samples
        self.bar: Any = keras.utils.Progbar(total, unit_name="sample")
        self.is_shown = False

    def update(self, batches: int, samples: int = 0) -> None:
        """Tells that so many batches are done, and so many samples of the next."""
        self.done: int = batches * self.samples + samples
        waited = time.monotonic() - self.started
        if self.verbose == 1 or (self.verbose == "auto" and waited > _PATIENCE):
            self.is_shown: bool = True
            self.bar.update(self.done, finalize=False)

    def finish(self) -> None:
        """Ends the bar's line."""
        if self.is_shown:
            self.bar.update(self.done, finalize=True)
