"""Replicas, shards and ranks, in fresh processes with two CPU devices.

Each script trains under a distribution, with a schedule and a mask that differs between
the devices, draws samples, and saves.
"""

import os
import subprocess
import sys

import keras
import pytest

pytestmark = pytest.mark.everywhere
BACKEND = keras.backend.backend()

COMMON = """
import os, sys, tempfile
import keras, numpy as np
import keras_dropout as kd

x, y = np.ones((32, 64), "float32"), np.ones((32, 1), "float32")
folder = sys.argv[1]


def network():
    keras.utils.set_random_seed(0)
    ramp = kd.schedules.Linear(0.25, 0.5, steps=4)
    layers = [keras.Input((64,)), kd.layers.Dropout(ramp, seed=1)]
    return keras.Sequential([*layers, keras.layers.Dense(1, name="dense")])


def differ(first, second):
    # Of masks with a rate of a half, apart by chance.
    error = abs(np.mean(first == second) - 0.5)
    return error < 5 * np.sqrt(0.25 / first.size)


def check(model, steps):
    # After training: the schedule, samples, and a file.
    assert kd.layers.Dropout.rate.__get__(model.layers[0]) == 0.25 + steps / 16
    plain = network()
    plain.set_weights([keras.ops.convert_to_numpy(w) for w in model.weights])
    plain.layers[0].noise_state.step.assign(steps)
    for options in ({}, {"masks": "shared"}, {"part": 1}):
        told = {"samples": 4, "seed": 0, "verbose": 0, **options}
        found, wanted = (kd.mc_predict(m, x, **told) for m in (model, plain))
        np.testing.assert_allclose(found.std, wanted.std, rtol=1e-5, atol=1e-7)
        assert (found.std > 0).all()
    path = os.path.join(folder, f"{os.getpid()}.keras")
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.layers[0].rate == model.layers[0].rate
    told = {"batch_size": 32, "verbose": 0}
    wanted = model.predict(x, **told)
    np.testing.assert_allclose(loaded.predict(x, **told), wanted, rtol=1e-5)
"""

REPLICAS = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    noises = kd.layers.Dropout(0.5, seed=1), kd.layers.Dropout(0.5)
    for layer in noises:
        layer.build((None, 64))
    model = network()
    model.compile("sgd", "mse")


for layer in noises:
    draw = tf.function(lambda: layer(tf.ones((64, 64)), training=True))
    for _ in range(3):
        masks = strategy.run(draw).values
        assert differ(*(np.asarray(mask) for mask in masks))
        assert all(0.3 < np.mean(mask) < 1.7 for mask in masks)
model.fit(x, y, batch_size=16, verbose=0)
check(model, 2)
"""

SHARDS = """
import jax
from jax.sharding import NamedSharding, PartitionSpec
from keras_dropout import random

count = jax.device_count()
assert count > 1
mesh = jax.make_mesh((count,), ("batch",))
key = np.array([3, 4], "uint32")


def step(x):
    return random.select(random.keep_mask(x.shape, 0.5, key), x, 2.0)


split = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
run = jax.jit(jax.value_and_grad(lambda x: (step(x) ** 2).sum()))
text = run.lower(split).compile().as_text()
assert "all-gather" not in text and "all-to-all" not in text, text
mask = np.asarray(jax.jit(step)(split))
assert np.array_equal(mask, jax.jit(step)(x))
assert differ(mask[:16], mask[16:])

keras.distribution.set_distribution(keras.distribution.DataParallel())
model = network()
model.compile("sgd", "mse")
model.fit(x, y, batch_size=16, verbose=0)
check(model, 2)

devices = keras.distribution.DeviceMesh((1, count), ("batch", "model"))
layout = keras.distribution.LayoutMap(devices)
layout["dense/kernel"] = ("model", None)
keras.distribution.set_distribution(
    keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
)
model = network()
assert len(model.layers[1].kernel.value.sharding.device_set) == count
model.compile("sgd", "mse")
model.fit(x, y, batch_size=16, verbose=0)
check(model, 2)
"""

RANKS = """
import torch
import torch.distributed as dist

rank = int(sys.argv[2])
place = f"file://{folder}/meeting"
dist.init_process_group("gloo", init_method=place, rank=rank, world_size=2)


def of_both(array):
    mine = torch.from_numpy(np.array(array, "float32"))
    found = [torch.zeros_like(mine) for _ in range(2)]
    dist.all_gather(found, mine)
    return [each.numpy() for each in found]


layer = kd.layers.Dropout(0.5, seed=1)
assert differ(*of_both(layer(np.ones((64, 64), "float32"), training=True)))
model = network()
parallel = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(parallel.parameters(), 0.1)
for _ in range(2):
    optimizer.zero_grad()
    ((parallel(torch.from_numpy(x), training=True) - 1) ** 2).mean().backward()
    optimizer.step()
assert np.array_equal(*of_both(model.layers[1].kernel.value.detach()))
for options in ({}, {"masks": "shared"}):
    found = kd.mc_predict(model, x, samples=4, seed=0, verbose=0, **options)
    assert np.array_equal(*of_both(found.std))
found = kd.mc_predict(model, x, samples=4, seed=0, part=rank, verbose=0)
assert not np.array_equal(*of_both(found.std))
check(model, 2)
dist.destroy_process_group()
"""


def run(script, *arguments, **variables):
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, **variables}
    return subprocess.Popen(
        [sys.executable, "-c", COMMON + script, *map(str, arguments)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(*processes):
    errors = [process.communicate()[1] for process in processes]
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 0, error[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies of TensorFlow")
def test_replicas_of_a_strategy_train_and_draw_different_masks(tmp_path):
    check(run(REPLICAS, tmp_path, TF_CPP_MIN_LOG_LEVEL="3"))


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="meshes of JAX")
def test_shards_draw_their_parts_of_one_mask_without_gathering(tmp_path):
    flag = "--xla_force_host_platform_device_count=2"
    check(run(SHARDS, tmp_path, XLA_FLAGS=flag))


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "torch", reason="ranks of PyTorch")
def test_ranks_draw_different_masks_and_predict_alike(tmp_path):
    check(*(run(RANKS, tmp_path, rank) for rank in range(2)))
