"""Seeds of noise that TensorFlow draws in a loop, as in the cell of an RNN.

The body of a loop is traced once. A state that a scope holds would be the same in each
step, and so would the noise. A variable, as in training, moves in each step.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_dropout import _keras
from keras_dropout._typing import Tensor

# Odd, so that no two steps below 2^32 give one product.
_STEP_STRIDE = 0x85EBCA6B
# Longer than any loop within a loop.
_INNER_STRIDE = 0x3B9ACA07


def next_state(
    generator: keras.random.SeedGenerator, draw: Callable[[], Tensor]
) -> Tensor:
    """What `draw()` takes from a generator, another number in each step of a loop.

    It is taken where the scope's state was made, and the numbers of the steps are mixed
    in. So the next state is one that layers behind the loop can use, and also those
    behind a branch or a function.

    Args:
        generator: The seed generator that `draw` advances.
        draw: Function that returns its next state.
    """
    state = _keras.scoped(generator.state)
    if state is None or tf.executing_eagerly():
        return draw()
    home = None if tf.is_tensor(state) and hasattr(state, "numpy") else state.graph
    graph = tf.compat.v1.get_default_graph()
    if graph is home:
        return draw()
    with tf.init_scope() if home is None else home.as_default():
        words = draw()
    steps = _steps(graph, home)
    if not steps:
        return words
    place = tf.zeros((), tf.int64)
    for step in steps:
        place = place * _INNER_STRIDE + tf.cast(step, tf.int64) + 1
    mixed = (place * _STEP_STRIDE) & 0xFFFFFFFF
    return tf.bitwise.bitwise_xor(words, tf.stack([mixed, tf.zeros_like(mixed)]))


def _steps(graph, home):
    """The numbers of the steps of all loops from the graph `home` to this one."""
    steps = []
    while graph is not home and hasattr(graph, "outer_graph"):
        # TensorFlow exports no name of it. Its first input counts the steps.
        if type(graph).__name__ == "WhileBodyFuncGraph":
            steps.append(graph.inputs[0])
        graph = graph.outer_graph
    return steps[::-1]
