"""Holds a model's weights still while it is sampled.

On JAX, Keras's `fit` and `predict` take the values out of a model's variables and give
their memory away, until they are done. A thread that samples the model meanwhile finds
nothing there, or sees it vanish. Other backends leave the values where they are.
"""

import time

import keras

from keras_dropout import _keras

# Seconds to wait for weights that another thread has taken.
_PATIENCE = 60.0
# What JAX raises for an array whose memory was given away, by where it finds out.
_GONE = (RuntimeError, ValueError)


def held(models, function, *arguments):
    """`function(*arguments)`, with the values that the models' variables have now.

    If another thread takes them away meanwhile, it starts again with copies of them.

    Raises:
        RuntimeError: Another thread keeps the weights for too long.
    """
    if keras.backend.backend() != "jax":
        return function(*arguments)
    variables = [variable for model in models for variable in model.variables]
    values = _values(variables)
    if any(value is None for value in values):
        values = _copies(variables)
    scope = keras.StatelessScope(zip(variables, values, strict=True))
    try:
        with scope:
            return function(*arguments)
    except _GONE:
        if not any(value.is_deleted() for value in values):
            raise
    with keras.StatelessScope(zip(variables, _copies(variables), strict=True)):
        return function(*arguments)


def _values(variables):
    return [_keras.value_now(variable) for variable in variables]


def _copies(variables):
    """Copies of all values, which nobody else can take, once all are there."""
    import jax

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        values = _values(variables)
        if all(value is not None for value in values):
            try:
                return jax.block_until_ready([value.copy() for value in values])
            except _GONE:
                # Taken between the two lines above.
                pass
        time.sleep(0.001)
    raise RuntimeError(
        "The weights of `model` must be there to sample it, but another thread "
        "trains it or predicts with it, which on JAX takes them away. Wait until that "
        f"is done, or sample a copy. Received: no weights for {_PATIENCE:g} seconds"
    )
