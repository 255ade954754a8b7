"""Replicas and shards, each in a fresh process with two CPU devices."""

import os
import subprocess
import sys

import keras
import pytest

BACKEND = keras.backend.backend()

REPLICAS = """
import keras, numpy as np, tensorflow as tf
import keras_dropout as kd

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layer = kd.layers.Dropout(0.5, seed=1)
    model = keras.Sequential([keras.Input((64,)), layer, keras.layers.Dense(1)])
    model.compile(loss="mse")


@tf.function
def masks():
    one = tf.ones((64, 64))
    return strategy.run(lambda: layer(one, training=True))


first, second = (np.asarray(m) for m in masks().values)
error = abs(np.mean(first == second) - 0.5)
assert error < 5 * np.sqrt(0.25 / first.size), error
model.fit(np.ones((32, 64)), np.ones((32, 1)), batch_size=16, verbose=0)
"""

SHARDS = """
import jax, keras, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
import keras_dropout as kd
from keras_dropout import random

pytestmark = pytest.mark.everywhere

assert jax.device_count() == 2
mesh = jax.make_mesh((2,), ("batch",))
x = np.ones((64, 48), "float32")
key = np.array([3, 4], "uint32")


def step(x):
    return random.select(random.keep_mask(x.shape, 0.5, key), x, 2.0)


split = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
run = jax.jit(jax.value_and_grad(lambda x: (step(x) ** 2).sum()))
text = run.lower(split).compile().as_text()
assert "all-gather" not in text and "all-to-all" not in text, text
assert np.array_equal(jax.jit(step)(split), jax.jit(step)(x))

keras.distribution.set_distribution(keras.distribution.DataParallel())
layer = kd.layers.Dropout(0.5, seed=1)
model = keras.Sequential([keras.Input((48,)), layer, keras.layers.Dense(1)])
model.compile(loss="mse")
model.fit(x, np.ones((64, 1)), batch_size=32, verbose=0)
"""


def run(script, **variables):
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, **variables}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies of TensorFlow")
def test_replicas_of_a_strategy_draw_different_masks():
    run(REPLICAS, TF_CPP_MIN_LOG_LEVEL="3")


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="meshes of JAX")
def test_shards_draw_their_parts_of_one_mask_without_gathering():
    run(SHARDS, XLA_FLAGS="--xla_force_host_platform_device_count=2")
