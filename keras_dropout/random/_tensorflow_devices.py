"""Where TensorFlow computes: on a CPU or not, by XLA or not."""

from __future__ import annotations

import tensorflow as tf


def is_on_accelerator(key):
    """Whether what belongs to a key is, or will be, on a device that is no CPU."""
    # Within a function, a tensor has a device only if somebody chose one.
    device = key.device if tf.is_tensor(key) else ""
    return "CPU" not in device if device else sees_accelerator()


def sees_accelerator():
    """Whether TensorFlow places what it can on a device that is no CPU."""
    kinds = {device.device_type for device in tf.config.list_logical_devices()}
    return bool(kinds & {"GPU", "TPU"})


def in_xla():
    """Whether what is being traced will be compiled by XLA."""
    # Private in TensorFlow, which has no public way to ask. Where it changes, the
    # numbers stay right and only the speed under XLA is lost.
    try:
        from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
    except ImportError:
        return False
    if tf.executing_eagerly():
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
