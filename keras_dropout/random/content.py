"""Keys for noise outside of a model, whose state a compiled step may not keep."""

from __future__ import annotations

import keras

from keras_dropout._typing import Tensor


def mix(key: Tensor, tensor: Tensor) -> Tensor:
    """The key with the bits of a tensor mixed into it, where it might stand still.

    JAX's compiled training keeps the state of the model's variables only. The seed
    generator of a loss is none of them, so it gives one key for all steps. The bits of
    a tensor that changes from step to step, hashed, make a new key of it. On the other
    backends the generator moves, and the key is returned as it is.

    Args:
        key: A key of `random.next_key`.
        tensor: Float32 tensor, such as the predictions.
    """
    if keras.backend.backend() != "jax":
        return key
    import jax.numpy as jnp
    from jax import lax

    from keras_dropout.random._jax import _rotate
    from keras_dropout.random.threefry import threefry

    bits = lax.bitcast_convert_type(tensor, jnp.uint32).ravel()
    place = jnp.arange(bits.size, dtype=jnp.uint32)
    # Each place encrypts its own bits, and the sums (modulo 2^32) depend on all.
    words = threefry(key.astype(jnp.uint32), place, bits, _rotate)
    return jnp.stack([word.sum(dtype=jnp.uint32) for word in words]).astype(key.dtype)
