"""A progress bar for work that takes long."""

import time

import keras

from keras_dropout import validation

# Seconds after which `verbose="auto"` thinks that somebody waits.
_PATIENCE = 3.0


class Progress:
    """Keras's progress bar over batches.

    Args:
        total: Integer, or `None` if unknown.
        verbose: 0, 1 or `"auto"`.
    """

    def __init__(self, total, verbose):
        self.verbose = validation.choice("verbose", verbose, (0, 1, "auto"))
        self.total = total
        self.started = time.monotonic()
        self.done = 0
        self.bar = None

    def update(self, done):
        """Tells that so many batches are done."""
        self.done = done
        waited = time.monotonic() - self.started
        if self.verbose == 1 or (self.verbose == "auto" and waited > _PATIENCE):
            self.bar = self.bar or keras.utils.Progbar(self.total, unit_name="batch")
            self.bar.update(done, finalize=False)

    def finish(self):
        """Ends the bar's line."""
        if self.bar is not None:
            self.bar.update(self.done, finalize=True)
