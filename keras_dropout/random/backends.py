"""The file that draws on the backend of Keras that is in force."""

from __future__ import annotations

import importlib

import keras

if keras.backend.backend() not in ("tensorflow", "jax", "torch"):
    raise ImportError(
        "keras_dropout runs on the TensorFlow, JAX and PyTorch backends of Keras. "
        f"Received: KERAS_BACKEND={keras.backend.backend()}"
    )
backend = importlib.import_module(f"keras_dropout.random._{keras.backend.backend()}")
