"""Runs functions of a model's arrays on each backend: compiled, once, or abstractly.

The functions that come out take everything that may change as arguments, or read it
anew on each call: weights, rates and seeds. Nothing that the functions do to a
variable is kept. They belong to us; the model's own `predict_function` is never made.

If the output of a row depends only on that row, compiled functions are used for many
numbers of rows: TensorFlow leaves the number open, and JAX, which compiles for fixed
shapes, pads batches to a few sizes. PyTorch compiles nothing here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout import random
from keras_dropout.sampling.signatures import Latest, signature

# Whether another number of rows needs a recompile, so that batches are filled up.
FILLS: bool = keras.backend.backend() == "jax"


def compiled(
    function: Callable[..., Any],
    variables: Iterable[keras.Variable],
    generators: Sequence[keras.random.SeedGenerator],
    data: int = 1,
) -> Callable[..., Any]:
    """`function(*arrays)` compiled, as one that takes seeds first.

    It also takes `rows=`, the number of rows if the next batch may have another one.

    Args:
        function: A function of arrays that returns a structure of tensors.
        variables: All variables that it may read.
        generators: Seed generators. In each call they start from the `seeds` given,
            an array `(generators, 2)` of 31-bit integers.
        data: How many of the arrays, from the first, have rows.
    """
    make = {"jax": _jax, "tensorflow": _tensorflow, "torch": eager}
    return make[keras.backend.backend()](function, variables, generators, data)


def probed(
    function: Callable[..., Any],
    variables: Iterable[keras.Variable],
    seeds: Any,
    generators: Sequence[keras.random.SeedGenerator],
    *arguments: Any,
) -> tuple[Any, list[Any]]:
    """`function(*arguments)` for what it learns: on JAX in thought, without values.

    Args:
        function: A function of arrays that returns a structure of tensors.
        variables: All variables that it may read.
        seeds: As `compiled` takes them.
        generators: As in `compiled`.
        *arguments: Structures of NumPy arrays.

    Returns:
        The results, and on JAX the tensors that were used outside of the loop that
        they belong to.
    """
    if keras.backend.backend() != "jax":
        return _in_scope(function, (), (), generators, seeds, arguments), []
    import jax

    def step(values, seeds, *arguments):
        return _with_seeds(function, variables, values, generators, seeds, arguments)

    values = [variable.value for variable in variables]
    made, results = jax.make_jaxpr(step, return_shape=True)(
        values, seeds.astype("uint32"), *arguments
    )
    # JAX takes what the body of a loop left behind for a constant.
    return results, [x for x in made.consts if isinstance(x, jax.core.Tracer)]


def run_once(
    function: Callable[..., Any], variables: Iterable[keras.Variable], *arguments: Any
) -> Any:
    """`function(*arguments)` as NumPy arrays, with little time for compiling it."""
    if keras.backend.backend() == "jax":
        import jax

        def step(values, *arguments):
            return _with_seeds(function, variables, values, (), (), arguments)

        values = [variable.value for variable in variables]
        lowered = jax.jit(step).lower(values, *arguments)
        # It runs this once.
        options = {"xla_backend_optimization_level": 0}
        results = lowered.compile(options)(values, *arguments)
    else:
        results = _in_scope(function, (), (), (), (), arguments)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, results)


def fetched(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    """Tensors as NumPy arrays, which may be views of them."""
    if keras.backend.backend() == "jax":
        import jax

        # All at once, which is faster than one by one.
        return jax.device_get(arrays)
    return {name: keras.ops.convert_to_numpy(x) for name, x in arrays.items()}


def on_accelerator() -> bool:
    """Whether Keras puts its tensors on a GPU or TPU, also within a graph."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # Tensors of a graph that is made have no device.
        with jax.ensure_compile_time_eval():
            devices = jax.device_put(0.0).devices()
        return any(device.platform != "cpu" for device in devices)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            device = keras.ops.zeros(()).device
        return "GPU" in device or "TPU" in device
    return keras.ops.zeros(()).device.type not in ("cpu", "meta")


def _with_seeds(function, variables, values, generators, seeds, arguments):
    states = [generator.state for generator in generators]
    mapping = [*zip(variables, values, strict=True)]
    if states:
        if not isinstance(seeds, tuple):
            # In one operation.
            seeds = keras.ops.unstack(seeds, len(states))
        mapping += zip(states, seeds, strict=True)
    with keras.StatelessScope(mapping):
        return function(*arguments)


def _in_scope(function, variables, values, generators, seeds, arguments):
    """As `_with_seeds`, on arrays and without gradients."""
    backend = keras.backend.backend()
    convert = keras.ops.convert_to_tensor
    if backend == "jax":
        import jax

        # It would compile a program for each shape.
        convert = jax.device_put
    arguments = _converted(convert, arguments)
    if generators:
        seeds = random.keys(seeds)
    run = functools.partial(
        _with_seeds, function, variables, values, generators, seeds, arguments
    )
    if backend == "torch":
        import torch

        with torch.no_grad():
            return run()
    return run()


def _jax(function, variables, generators, data):
    import jax

    @jax.jit
    def step(values, seeds, *arguments):
        return _with_seeds(function, variables, values, generators, seeds, arguments)

    signatures = Latest()

    def run(seeds, *arguments, rows=None):
        if signatures.is_full_with(signature(arguments)):
            step.clear_cache()
        values = [variable.value for variable in variables]
        return step(values, seeds.astype("uint32"), *arguments)

    return run


def _tensorflow(function, variables, generators, data):
    import tensorflow as tf

    # TensorFlow itself reads the variables in each call.
    def step(seeds, *arguments):
        return _with_seeds(function, (), (), generators, seeds, arguments)

    # By shape and type. A `tf.function` keeps all of its traces, and warns of many.
    traced = Latest()
    # Whether the model can be traced without knowing the number of rows.
    may_be_open = True

    def run(seeds, *arguments, rows=None):
        seeds = tf.convert_to_tensor(seeds, tf.int64)
        arguments = _converted(tf.convert_to_tensor, arguments)
        # One row may stand for all rows, where that is what a shape says.
        rows = rows if rows != 1 and may_be_open else None
        found = signature(arguments, rows, data)
        if found not in traced:
            traced[found] = trace(seeds, arguments, rows)
        return traced[found](seeds, *arguments)

    def trace(seeds, arguments, rows):
        made = tf.function(step, autograph=False)
        if rows is None:
            return made.get_concrete_function(seeds, *arguments)
        specs = _converted(lambda x: _spec(x, rows), arguments[:data])
        try:
            return made.get_concrete_function(seeds, *specs, *arguments[data:])
        except (TypeError, ValueError):
            # What Python and TensorFlow say of a size that is `None`. Any other trouble
            # comes again.
            nonlocal may_be_open
            may_be_open = False
            return trace(seeds, arguments, None)

    return run


def _spec(x, rows):
    """The signature of a traced function, with any number of rows for row axes."""
    import tensorflow as tf

    shape = [*x.shape]
    if shape and shape[0] == rows:
        shape[0] = None
    return tf.TensorSpec(shape, x.dtype)


def eager(
    function: Callable[..., Any],
    variables: Iterable[keras.Variable],
    generators: Sequence[keras.random.SeedGenerator],
    data: int = 1,
) -> Callable[..., Any]:
    """As `compiled`, without compiling it."""

    def run(seeds, *arguments, rows=None):
        return _in_scope(function, (), (), generators, seeds, arguments)

    return run


def _converted(convert, arguments):
    return keras.tree.map_structure(
        lambda x: None if x is None else convert(x), arguments
    )
