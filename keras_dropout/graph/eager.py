"""Computes at once, also where a backend is recording what is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from keras_dropout._typing import Tensor


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Within this context operations on arrays give numbers.

    A `MonteCarlo` model may be called while `predict` is compiled, or on symbolic
    inputs, and what it answers depends on what the model within gives.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            yield
    elif backend == "jax":
        import jax

        with jax.ensure_compile_time_eval():
            yield
    else:
        import torch

        # Symbolic calls run on the device "meta", which knows shapes alone.
        with keras.device("cpu"), torch.no_grad():
            yield


def numbers(tensor: Tensor) -> np.ndarray | None:
    """The values of a tensor as an array, or None if it is symbolic."""
    try:
        return np.asarray(keras.ops.convert_to_numpy(tensor))
    except Exception:
        # Each backend, and Keras, has errors of its own for it.
        return None
