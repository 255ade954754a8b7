"""What a step does on a GPU, seen without one: in programs and in fake tensors."""

import re

import keras
import numpy as np
import pytest

from keras_dropout import layers, random, schedules
from tests.catalogue import ROWS, every_layer

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
torch_only = pytest.mark.skipif(BACKEND != "torch", reason="tensors of PyTorch")
# Layers in which Keras itself sends a number to the device: its attention with a mask
# makes the number that hides a key.
SENDING = ("DropKey",)


def unrolled(layer):
    """The layer, without Keras's loop over steps, which has a condition of its own."""
    for each in (layer, getattr(layer, "layer", None)):
        if hasattr(each, "unroll"):
            each.unroll = True
    return layer


# `keras.ops.repeat` of Keras 3.10 reads how often to repeat.
@pytest.mark.newest
@torch_only
@every_layer
def test_no_step_on_cuda_reads_from_the_device(row, monkeypatch):
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        layer = unrolled(row.build(seed=1))
        x = keras.ops.convert_to_tensor(row.batch())
        # The first call builds some layers, with weights that Keras draws.
        row.call(layer, x, training=True)
        watch.is_strict, watch.sent = True, []
        y = row.call(layer, x, training=True)
        assert keras.tree.flatten(y)[0].is_cuda
        assert bool(watch.sent) == (row.name in SENDING), watch.sent[:1]


@torch_only
def test_the_first_step_reads_no_seed(monkeypatch):
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        watch.is_strict = True
        x = keras.ops.ones((4, 4))
        for seed in (3, None, random.new_generator(2**31 - 1)):
            for layer in (layers.Dropout(0.5, seed=seed), layers.GaussianNoise(1.0)):
                layer(x, training=True)


@torch_only
@pytest.mark.parametrize("seed", [None, 0, 2**31 - 1])
def test_a_new_generator_is_known_as_it_is(seed, monkeypatch):
    """What the host notes of a device is what a CPU holds."""
    from keras_dropout.random import _torch_host

    noted = []
    monkeypatch.setattr(_torch_host, "note", lambda state, words: noted.append(words))
    keras.utils.set_random_seed(1)
    generator = random.new_generator(seed)
    keras.utils.set_random_seed(1)
    twin = keras.random.SeedGenerator(seed)

    assert noted == [tuple(generator.state.value.tolist())]
    assert noted == [tuple(twin.state.value.tolist())]
    assert generator.get_config()["seed"] == seed


SCHEDULES = [
    schedules.Constant(0.3),
    schedules.Linear(0.1, 0.3, 10),
    schedules.Cosine(0.1, 0.3, 10),
    schedules.Piecewise([2, 4], [0.1, 0.2, 0.3]),
    schedules.Curriculum(0.3, 10),
    schedules.Early(0.3, 10),
    schedules.Late(0.3, 10),
]


@torch_only
@pytest.mark.parametrize("rate", SCHEDULES, ids=lambda each: type(each).__name__)
def test_no_schedule_reads_or_sends_in_a_step_on_cuda(rate, monkeypatch):
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        layer, x = layers.Dropout(rate, seed=1), keras.ops.ones((4, 4))
        layer(x, training=True)
        watch.is_strict, watch.sent = True, []
        layer(x, training=True)
        assert not watch.sent, watch.sent[0]


@torch_only
def test_a_rate_that_is_assigned_is_known_without_reading(monkeypatch):
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        layer = layers.Dropout(0.25, seed=1)
        watch.is_strict = True
        assert random.plain(layer.current("rate")) == 0.25
        layer.rate = 0.1
        assert random.plain(layer.current("rate")) == np.float32(0.1)
        variable = layer.source("rate").variable
        variable.value.zero_()  # as something else may
        assert random.plain(layer.current("rate")) is variable.value


@torch_only
@pytest.mark.parametrize(
    "write",
    [
        lambda state: state.add_(1),
        lambda state: state.detach().zero_(),
        lambda state: state[:1].fill_(3),
        lambda state: setattr(state, "data", state.data.clone()),
    ],
)
def test_a_note_holds_until_something_is_written(write):
    import torch

    from keras_dropout.random import _torch_host

    state = torch.zeros(2, dtype=torch.int32, device="meta")
    _torch_host.note(state, (1, 2))
    assert _torch_host.words(state) == (1, 2)
    write(state)
    assert _torch_host.known(state) is None


@torch_only
def test_keys_on_a_device_follow_the_state(monkeypatch):
    """Read once, then counted along; and read again after an assignment."""
    from keras_dropout.random import _torch_host
    from tests.random.fake_cuda import fake_cuda

    reads = iter([[5, 0], [-7, 0xFFFFFFFF]])
    monkeypatch.setattr(_torch_host, "read", lambda tensor: next(reads))
    with fake_cuda(monkeypatch):
        generator = keras.random.SeedGenerator(5)
        first, second = (random.next_key(generator) for _ in range(2))
        generator.state.assign([-7, -1])
        third, fourth = (random.next_key(generator) for _ in range(2))
        found = [_torch_host.known(key) for key in (first, second, third, fourth)]
    seed = -7 & 0xFFFFFFFF
    assert found == [(5, 0), (5, 1), (seed, 0xFFFFFFFF), (seed, 0)]


@torch_only
def test_what_a_cuda_graph_advances_is_read_ever_after(monkeypatch):
    import torch

    from keras_dropout.random import _torch_host
    from tests.random.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as watch:
        layer = layers.Dropout(0.5, seed=1)
        x = keras.ops.ones((8, 8))
        layer(x, training=True)
        watch.is_strict = True
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        layer(x, training=True)
        assert random.plain(layer.current("rate")) is layer.current("rate")
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        reads = []
        monkeypatch.setattr(
            _torch_host, "read", lambda tensor: reads.append(tensor) or [1, 0]
        )
        for _ in range(2):
            layer(x, training=True)
        assert len(reads) == 2


def built(rows):
    """Layers and their inputs, built by symbolic calls."""
    for row in rows:
        layer, x = unrolled(row.build(seed=1)), row.batch()
        row.call(layer, keras.KerasTensor(x.shape, str(x.dtype)))
        yield row, layer, x


@pytest.mark.skipif(BACKEND != "jax", reason="programs of XLA")
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_no_step_has_a_branch_on_an_accelerator_in_jax(platform):
    import jax

    rows = ROWS if platform == "cuda" else ROWS[:1]
    for row, layer, x in built(rows):

        def step(x, row=row, layer=layer):
            with keras.StatelessScope():
                y = row.call(layer, x, training=True)
            return sum(each.sum() for each in keras.tree.flatten(y))

        # One gradient stands for all: what a layer adds to it has no branch.
        first = row is ROWS[0]
        run = jax.jit(jax.value_and_grad(step) if first else step)
        text = run.trace(x).lower(lowering_platforms=(platform,)).as_text()
        found = set(re.findall(r"stablehlo\.(case|if|while)\b", text))
        # XLA knows how often its loop runs, and asks the device nothing.
        counted = {"while"} if row.name == "TargetedDropout" else set()
        assert found <= counted, row.name


@pytest.mark.skipif(BACKEND != "jax", reason="programs of XLA")
def test_a_mask_in_jax_is_the_same_for_all_platforms_and_within_vmap():
    import jax

    from keras_dropout.random import _jax

    keys = jax.numpy.array([[3, 4], [5, 6]], "uint32")
    rates = jax.numpy.array([0.0, 0.3, 1.0], "float32")

    def draw(rate, key):
        return random.keep_mask((8, 40), rate, key)

    both = jax.vmap(jax.vmap(draw, (0, None)), (None, 1))(rates, keys.T)
    for i, key in enumerate(keys):
        for j, rate in enumerate(rates):
            mask = draw(rate, key)
            np.testing.assert_array_equal(mask, both[i, j])
            elsewhere = _jax._reached(rate, key, (8, 40), 1)
            np.testing.assert_array_equal(mask, elsewhere)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="graphs of TensorFlow")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_no_step_has_a_branch_on_an_accelerator_in_tensorflow(jit_compile, monkeypatch):
    import tensorflow as tf

    from keras_dropout.random import _tensorflow_devices

    monkeypatch.setattr(_tensorflow_devices, "sees_accelerator", lambda: True)
    rows = ROWS[:1] if jit_compile else ROWS
    for row, layer, x in built(rows):

        def step(x, row=row, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = row.call(layer, x, training=True)
            return y if row.inputs else tape.gradient(y, x)

        run = tf.function(step, jit_compile=jit_compile, autograph=False)
        graph = run.get_concrete_function(tf.constant(x)).graph.as_graph_def()
        nodes = [*graph.node]
        for function in graph.library.function:
            nodes += function.node_def
        branches = [
            node.op
            for node in nodes
            if re.fullmatch("(Stateless)?(If|Case|While)|Switch|Merge", node.op)
        ]
        assert not branches, row.name


@pytest.mark.skipif(BACKEND != "tensorflow", reason="masks of TensorFlow")
@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.3, 1.0])
def test_a_mask_for_an_accelerator_meets_the_rate(rate, monkeypatch):
    from keras_dropout.random import _tensorflow_devices

    monkeypatch.setattr(_tensorflow_devices, "is_on_accelerator", lambda key: True)
    shape = (400, 1000)
    dropped = 1 - np.mean(random.keep_mask(shape, rate, np.array([3, 4])))
    assert abs(dropped - rate) <= 5 * np.sqrt(rate * (1 - rate) / np.prod(shape))
