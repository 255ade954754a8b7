"""Noise that JAX would draw once for all steps of a loop, as in the cell of an RNN.

JAX traces the body of a loop once. So all steps get one noise, and the generator is
left with a state that only the body knows. Keras itself cannot train such a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_dropout import _keras, _model

if TYPE_CHECKING:
    from keras_dropout.sampling.engine import Engine


def states(generators: Sequence[keras.random.SeedGenerator]) -> list[Any]:
    """The states that a scope holds. JAX checks them, as they are used here."""
    found = [_keras.scoped(generator.state) for generator in generators]
    for state in found if keras.backend.backend() == "jax" else ():
        ops.add(state, 0)
    return found


def require_none(engine: Engine, states: Sequence[Any], escaped: Sequence[Any]) -> None:
    """Refuses a model whose noise took seeds in a loop on JAX.

    Args:
        engine: An `Engine`.
        states: The states of its generators after a call.
        escaped: The tensors that were used outside of the loop that they belong to.
    """
    lost = [
        generator
        for generator, state in zip(engine.seeded, states, strict=True)
        if any(state is each for each in escaped)
    ]
    if not lost:
        return
    names = [noise.name for noise in engine.noises if _draws_by(noise, lost)]
    which = f"Layer {names[0]!r}" if names else "A layer"
    raise ValueError(
        f"{which} draws random numbers in a loop that JAX compiles, as in the cell of "
        "a recurrent layer, where all steps would get the same. Pass `unroll=True` to "
        f"the recurrent layer, or draw before the loop. Received: noise of {names}"
    )


def _draws_by(noise, generators):
    own = [*noise.generators, *_model.seed_generators(noise.layer)]
    return any(one is each for one in own for each in generators)
