"""Functions on TensorFlow that all graphs share, so that each is traced once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


@functools.cache
def optimised(
    function: Callable[..., tf.Tensor], signature: tuple[tf.TensorSpec, ...]
) -> Any:
    """The function as a part of any graph, once for all of its calls there."""
    # Put into the graph at each call, it would be optimised there each time.
    attributes = {"_noinline": True}
    return tf.function(
        function,
        input_signature=signature,
        autograph=False,
        experimental_attributes=attributes,
    )


@functools.cache
def as_it_is(
    function: Callable[..., tf.Tensor], signature: tuple[tf.TensorSpec, ...]
) -> Callable[..., tf.Tensor]:
    """As `optimised`, but TensorFlow's optimizer of graphs leaves it as it is.

    To optimise it in a new graph takes longer than hundreds of calls gain. This is for
    graphs that may be called once. No gradient goes through it.

    Args:
        function: Function that gives a Boolean tensor.
        signature: What it takes.
    """
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    text = config.SerializeToString()
    with tf.init_scope():
        concrete = optimised(function, signature).get_concrete_function()

    def call(*arguments):
        (result,) = tf.raw_ops.PartitionedCall(
            args=arguments, Tout=[tf.bool], f=concrete, config_proto=text
        )
        return result

    return call
