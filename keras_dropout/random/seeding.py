"""Making a whole model repeatable, and seeds that nobody chose."""

from __future__ import annotations

import random

import numpy as np

from keras_dropout import _away, _keras, _model, _validation
from keras_dropout._typing import Model


def reseed(model: Model, seed: int) -> None:
    """Sets the seeds of all noise in a model, so that its draws repeat.

    Each seed generator of the model, in our layers and in Keras's, gets its own seed.
    It is a hash (NumPy's `SeedSequence`) of `seed` and of the generator's place among
    the model's generators. No two generators share their noise. Two models of the same
    architecture draw the same noise after `reseed` with the same seed.

    Args:
        model: A Keras model or layer.
        seed: Integer in `[0, 2**31)`.

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is out of range.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> x = np.ones((4, 8), "float32")
        >>> model = keras.Sequential([kd.layers.MCDropout(0.5)])
        >>> kd.reseed(model, 1)
        >>> first = model.predict(x, verbose=0)
        >>> kd.reseed(model, 1)
        >>> bool(np.array_equal(first, model.predict(x, verbose=0)))
        True
    """
    if _validation.seed(seed) is None or not isinstance(seed, (int, np.integer)):
        raise TypeError(_validation.invalid("seed", "an integer in [0, 2**31)", seed))
    for place, generator in enumerate(_model.seed_generators(model)):
        words = np.random.SeedSequence([int(seed), place]).generate_state(1)
        _away.assign(generator.state, np.array([words[0] >> 1, 0], "int32"))
        _keras.set_initial_seed(generator, int(words[0] >> 1))


def new_seed() -> int:
    """A seed in `[0, 2**31)` that `keras.utils.set_random_seed` makes repeatable.

    It comes from Python's own generator, as the seeds of Keras's seed generators do.
    """
    return random.randrange(1 << 31)
