"""What TensorFlow's graphs of our layers ask of a GPU, seen without one.

By its sources (`tensorflow/core/kernels`, `cwise_op_*.cc` and `mlir_generated`) an
operation has no kernel for GPUs for some dtypes, and for integers of 32 bits many have
one that computes on the host, since such numbers are mostly shapes. Noise that went
through one of these would go to the host and back in each step.
"""

import keras
import pytest

from tests.catalogue import ROWS
from tests.random.test_accelerators import built

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)

# What has a kernel for unsigned words, on the device: draws, comparisons, sums and
# products, and changes of the dtype. Shifts have none.
UNSIGNED = {
    "AddV2",
    "Bitcast",
    "Cast",
    "GreaterEqual",
    "Mul",
    "Reshape",
    "StatelessRandomNormalV2",
    "StatelessRandomUniformFullIntV2",
    "StatelessRandomUniformV2",
}
# What has no kernel at all for bfloat16.
NOT_BFLOAT16 = {"MulNoNan"}
# What has one for integers of 32 bits that keeps them on the device.
INT32 = {"Cast", "GatherV2", "SelectV2", "TopKV2", "Transpose"}
# Layers in which integers of 32 bits go to the host, and why.
ON_HOST = {
    "EmbeddingDropout": "the ids that it is given, as in Keras's Embedding",
    "Masksembles": "the steps that it counts, and no more than one number",
}
# Here a value of the device ends, and a shape begins.
SHAPES = {"Shape", "ShapeN", "Size", "Rank", "BroadcastGradientArgs"}


def graph_of(row, layer, x):
    """The graph of a step, forward and backward."""
    import tensorflow as tf

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = row.call(layer, x, training=True)
        return y if row.inputs else tape.gradient(y, x)

    run = tf.function(step, autograph=False)
    return run.get_concrete_function(tf.constant(x)).graph


def on_device(graph):
    """The operations that depend on what a device holds: inputs, weights, noise."""
    import tensorflow as tf

    found = {}
    # What the graph gives back is the test's own.
    ends = {each.op.name for each in graph.outputs}
    for operation in graph.get_operations():
        if operation.name in ends:
            continue
        inputs = [each for each in operation.inputs if each.op.name in found]
        given = operation.type == "Placeholder"
        given &= all(each.dtype != tf.resource for each in operation.outputs)
        starts = given or operation.type == "ReadVariableOp"
        if operation.type not in SHAPES and (starts or inputs):
            outputs = [] if starts else operation.outputs
            kinds = {each.dtype.name for each in (*inputs, *outputs)}
            found[operation.name] = operation.type, kinds
    return {(name, frozenset(kinds)) for name, kinds in found.values()}


def test_each_operation_of_a_step_has_a_kernel_on_gpus(monkeypatch):
    from keras_dropout.random import _tensorflow_devices

    monkeypatch.setattr(_tensorflow_devices, "sees_accelerator", lambda: True)
    lacking, on_host = [], set()
    for row, layer, x in built(ROWS):
        for name, kinds in on_device(graph_of(row, layer, x)):
            unsigned = any(kind.startswith("uint") for kind in kinds)
            if (unsigned and name not in UNSIGNED) or name in NOT_BFLOAT16:
                lacking.append((row.name, name, *kinds))
            if "int32" in kinds and name not in INT32:
                on_host.add(row.name)
    assert not lacking
    assert on_host == set(ON_HOST)
