"""The places where Keras draws random numbers, and their seeds."""

from __future__ import annotations

from typing import Any

import keras

INITIAL_SEED = "_initial_seed"


def set_initial_seed(generator: Any, seed: int | None) -> None:
    """Sets the seed that a seed generator says it was made with.

    On PyTorch Keras's own `Dropout` and `keras.random.dropout` ignore a generator that
    was made without a seed, and draw from the global state of torch.
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
    """The random functions of the backend, which `keras.random` calls by name.

    If Keras has no such module, `keras.random` itself. Keras's layers do not call it.
    """
    return keras.random if _random is None else _random
