"""From one seed to the seeds of all generators in all calls.

Threefry encrypts (call, place of the generator) under the key (seed, batch), in NumPy
here and in the backend's operations in `random.counter`, with equal words. So a seed
gives equal noise whichever face of the sampler draws it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dropout.random import counter

# Generators of one model; those of the next model of an ensemble come after them.
_PLACES = 1 << 16


def derived(seed: int, part: int) -> int:
    """The seed for one part of the data; part 0 has the seed itself."""
    if not part:
        return seed
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0] >> 1)


def seeds(key: Any, calls: Any, generators: int, member: int = 0) -> np.ndarray:
    """Seeds for all generators in each call, integers (calls, generators, 2)."""
    places = np.arange(generators) + _PLACES * member
    words = counter.hashed_words(key, np.asarray(calls)[:, None], places)
    return np.stack(words, axis=-1)
