"""Where Keras draws random numbers, and with which seeds."""

from __future__ import annotations

from typing import Any

import keras

INITIAL_SEED = "_initial_seed"


def set_initial_seed(generator: Any, seed: int | None) -> None:
    """Tells a seed generator with which seed it was made.

    On PyTorch Keras's own `Dropout` and `keras.random.dropout` pass over a generator
    that was made without one, and draw from torch's global state instead.
    """
    setattr(generator, INITIAL_SEED, seed)


# What Keras's recurrent cells with dropouts make their masks by.
CREATE_MASK = "_create_dropout_mask"


try:
    from keras.src.backend import random as _random
except ImportError:
    _random = None


# What `keras.random` draws by.
RANDOM_FUNCTIONS = (
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
)


def random_functions() -> Any:
    """The module of the backend whose functions `keras.random` calls, by name.

    Without it the functions of `keras.random` itself, which Keras's layers pass by.
    """
    return keras.random if _random is None else _random
