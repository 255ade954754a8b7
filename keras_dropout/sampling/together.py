"""Tries out whether two samples of one call are the two samples of two calls.

That is what putting samples one after the other along the rows must not change. Where
it does, rows look at each other once they are noisy, or a noise belongs to other places
than to the rows in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from keras_dropout._typing import Tensor, Tensors
from keras_dropout.random.schemes import Arrangement, Places
from keras_dropout.sampling import backends, draws, keys

if TYPE_CHECKING:
    from keras_dropout.sampling.engine import Engine


class _Tape(draws.Watcher):
    """Repeats in a call of two samples what layers of a user's own drew in two calls.

    Attributes:
        has_rows: Whether each draw of both samples was twice as long as that of one.
    """

    def __init__(self) -> None:
        self.has_rows = True
        self._takes = []
        self._calls = 0

    def start(self) -> None:
        """The next call starts. The third call computes both samples."""
        self._calls += 1
        if self._calls < 3:
            self._takes.append([])

    def result(self, name: str, own: Callable[..., Any], given: Any) -> Any:
        if name != "dropout":
            return self._taken(own(*given.args, **given.kwargs))
        # What is repeated is the mask, not what it is put on.
        place = next(iter(given.arguments))
        x = given.arguments[place]
        given.arguments[place] = ops.ones_like(x)
        return x * self._taken(own(*given.args, **given.kwargs))

    def _taken(self, drawn: Tensor) -> Tensor:
        if self._calls < 3:
            self._takes[-1].append(drawn)
            return drawn
        if all(self._takes):
            both = [take.pop(0) for take in self._takes]
            rows, *rest = both[0].shape or (0,)
            if rows and tuple(drawn.shape) == (2 * rows, *rest):
                return ops.concatenate(both, axis=0)
        self.has_rows = False
        return drawn


def two_samples(
    engine: Engine, inputs: Tensors, scheme: str
) -> tuple[list[Any], list[Any], bool]:
    """Each output of two samples: of two calls, of one call, and if draws have rows.

    Args:
        engine: The engine of a model.
        inputs: Some rows, a structure of NumPy arrays.
        scheme: A scheme with samples that do not depend on how many a call draws.
    """
    tape = _Tape()
    first = keys.seeds((0, 0), [0, 1], engine.generators)
    # Both samples of a pair have one seed; layers that draw by themselves have two.
    second = np.where(engine.apart[:, None], first[1], first[0])

    def call(inputs):
        values = [(each, ops.convert_to_tensor(each)) for each in engine.variables]
        features, masks = engine.plan.prefix(inputs)
        rows = engine.plan.rows(features)

        def heads(samples, number, seeds):
            arrangement = Arrangement(samples, rows, scheme, number, Places())
            states = [each.state for each in engine.seeded]
            seeded = zip(states, seeds[: len(states)], strict=True)
            # After the values, which have the states of some generators, too.
            mapping = [*values]
            mapping += [(s, ops.convert_to_tensor(seed, s.dtype)) for s, seed in seeded]
            tape.start()
            with keras.StatelessScope(mapping), draws.supplied(tape):
                drawn = engine.draw(features, masks, arrangement)
            return [head.values for head in drawn.heads]

        apart = heads(1, 0, first[0]), heads(1, 1, second)
        return apart, heads(2, 0, first[0])

    apart, both = backends.run_once(call, engine.variables, inputs)
    return (
        [np.concatenate(pair) for pair in zip(*apart, strict=True)],
        both,
        (tape.has_rows),
    )
