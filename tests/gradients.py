"""Gradients of a layer's trainable weights, on the backend in force."""

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()


def weight_gradients(loss, variables):
    """The gradients of `loss()` with respect to `variables`, as NumPy arrays."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, [v.value for v in variables])
        gradients = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    elif BACKEND == "torch":
        import torch

        values = [v.value for v in variables]
        gradients = torch.autograd.grad(loss(), values, allow_unused=True)
        gradients = [None if g is None else g.detach() for g in gradients]
    else:
        import jax

        def stateless(values):
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return loss()

        gradients = jax.grad(stateless)([v.value for v in variables])
    return [
        np.zeros(v.shape) if g is None else ops.convert_to_numpy(g)
        for g, v in zip(gradients, variables, strict=True)
    ]


def slope(loss, variable, direction, step):
    """The central difference of `loss()` along a direction of one variable."""
    start = ops.convert_to_numpy(variable).copy()
    values = []
    for sign in (1, -1):
        variable.assign(start + sign * step * direction)
        values.append(float(ops.convert_to_numpy(ops.stop_gradient(loss()))))
    variable.assign(start)
    return (values[0] - values[1]) / (2 * step)
