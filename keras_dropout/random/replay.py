"""A forward pass that is run twice draws once.

To save memory, rematerialisation (`keras.RematScope`, `torch.utils.checkpoint`,
`tf.recompute_grad`) drops what a part of the forward pass computed, and runs the part
again where the backward pass needs it. The second run must see the noise of the first,
or the gradient belongs to another output, and it must not advance the state again.

So the draws of a part are recorded in a *log*, which lives as long as the part's place
in the backward pass, and are read from it when the part is run again. Which parts a
call is within, innermost first, is told by the backend: it looks at the functions that
are being called, since no library has a public way to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Log:
    """What was drawn in a part of the forward pass, by owner and in order."""

    def __init__(self) -> None:
        self._drawn = {}
        self._run = None
        self._read = {}

    def write(self, owner: object, value: Any) -> None:
        """Adds a value of the first run."""
        self._drawn.setdefault(owner, []).append(value)

    def read(self, owner: object, run: Any) -> Any:
        """The next value of an owner in some later run, of which there may be more."""
        if self._run != run:
            self._run, self._read = run, {}
        place = self._read.get(owner, 0)
        self._read[owner] = place + 1
        drawn = self._drawn.get(owner, ())
        if place >= len(drawn):
            raise RuntimeError(
                "A part of a forward pass that is run again for the backward pass must "
                "do what it did at first, so that it sees the same noise. Received: "
                f"draw {place + 1} of {owner!r}, for {len(drawn)} in the first run"
            )
        return drawn[place]


def once(parts: Any, owner: object, draw: Callable[[], Any]) -> Any:
    """What `draw()` gives, or what it gave if this is a later run.

    Args:
        parts: Pairs of a log and what tells its later runs apart, `None` for a first
            run: the parts that the call is within, innermost first. Only the last may
            be one that is run again.
        owner: Whose draw it is.
        draw: Function that draws.
    """
    if not parts:
        return draw()
    log, run = parts[-1]
    value = draw() if run is None else log.read(owner, run)
    for log, run in parts:
        if run is None:
            log.write(owner, value)
    return value
