"""Compiles what samples a model: one small class a backend.

The functions that come out take everything that may change as arguments, or read it
anew on each call: weights, rates and seeds. Nothing that the functions do to a
variable is kept. They belong to us; the model's own `predict_function` is never made.
"""

import keras
import numpy as np


def compiled(function, variables, generators):
    """`function(*arrays)` compiled, as one that takes seeds first.

    Args:
        function: A function of arrays that returns a structure of tensors.
        variables: All variables that it may read.
        generators: Seed generators. In each call they start from the `seeds` given,
            an array `(generators, 2)` of 31-bit integers.
    """
    make = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
    return make[keras.backend.backend()](function, variables, generators)


def _with_seeds(function, variables, values, generators, seeds, arguments):
    states = [generator.state for generator in generators]
    mapping = [*zip(variables, values, strict=True)]
    mapping += [(state, seeds[place]) for place, state in enumerate(states)]
    with keras.StatelessScope(mapping):
        return function(*arguments)


def _jax(function, variables, generators):
    import jax

    @jax.jit
    def step(values, seeds, *arguments):
        return _with_seeds(function, variables, values, generators, seeds, arguments)

    def run(seeds, *arguments):
        values = [variable.value for variable in variables]
        return step(values, seeds.astype("uint32"), *arguments)

    return run


def _tensorflow(function, variables, generators):
    import tensorflow as tf

    # TensorFlow reads variables anew on each call by itself.
    @tf.function(autograph=False)
    def step(seeds, *arguments):
        return _with_seeds(function, (), (), generators, seeds, arguments)

    # By shape and type. Left to itself, `step` would warn of many shapes.
    traced = {}

    def run(seeds, *arguments):
        seeds = tf.convert_to_tensor(seeds, tf.int64)
        arguments = _converted(tf.convert_to_tensor, arguments)
        signature = str(
            keras.tree.map_structure(
                lambda x: None if x is None else (x.shape, x.dtype), arguments
            )
        )
        if signature not in traced:
            traced[signature] = step.get_concrete_function(seeds, *arguments)
        return traced[signature](seeds, *arguments)

    return run


def _torch(function, variables, generators):
    import torch

    def run(seeds, *arguments):
        with torch.no_grad():
            arguments = _converted(keras.ops.convert_to_tensor, arguments)
            seeds = keras.ops.convert_to_tensor(seeds.astype("int32"))
            return _with_seeds(function, (), (), generators, seeds, arguments)

    return run


def _converted(convert, arguments):
    return keras.tree.map_structure(
        lambda x: None if x is None else convert(x), arguments
    )


def derive_seeds(words, generators):
    """Seeds for so many generators, hashed from a sequence of integers."""
    state = np.random.SeedSequence(words).generate_state(2 * generators)
    # 30 bits, so that counting on from there stays within every backend's integers.
    return (state >> 2).astype(np.int64).reshape(generators, 2)
