"""Tells whether XLA will compile what TensorFlow traces."""

from __future__ import annotations

import tensorflow as tf


def in_xla() -> bool:
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
