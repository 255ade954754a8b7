"""Attention with dropout in one operation of PyTorch, which draws by our seeds.

It is for CUDA. Here the CPU stands in, where PyTorch computes the same in several steps
and draws from the same kind of generator.
"""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import layers, random, schedules
from tests.bounds import near
from tests.test_contract import array
from tests.test_fused_attention import KINDS, batch, built, every_kind, multi_head

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="an operation of PyTorch"
)

RATE = 0.3


@pytest.fixture
def asked(monkeypatch):
    """Lets CPUs count as CUDA, and lists the rates that the operation was asked for."""
    import torch

    from keras_dropout.random import _torch_attention

    own = torch.nn.functional.scaled_dot_product_attention
    rates = []

    def counted(*args, dropout_p=0.0, **kwargs):
        rates.append(dropout_p)
        return own(*args, dropout_p=dropout_p, **kwargs)

    monkeypatch.setattr(_torch_attention, "_lies_there", lambda tensor: True)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    return rates


def tokens(rows=64, count=24, heads=3, dim=4):
    """A query, a key, and values that make the output the weights themselves."""
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(2, rows, count, heads, dim)).astype("float32")
    value = np.broadcast_to(np.eye(count)[:, None], (rows, count, heads, count))
    return [ops.convert_to_tensor(x, "float32") for x in (query, key, value)]


def key_of(seed):
    return random.next_key(keras.random.SeedGenerator(seed))


CAUSAL = np.tril(np.ones((24, 24), bool))
MASK = CAUSAL[:, ::-1] | np.eye(24, dtype=bool)
# A query that sees no key, where all weigh alike.
MASK[5] = False
# What the operation is told, and the pairs that it is to see.
SEEN = {
    "whole": ({}, None),
    "causal": ({"is_causal": True}, CAUSAL),
    "masked": ({"mask": MASK}, MASK),
    "both": ({"is_causal": True, "mask": MASK}, MASK & CAUSAL),
}


@pytest.mark.parametrize("name", SEEN)
def test_weights_are_dropped_and_scaled_one_by_one(name, asked):
    (query, key, value), (told, mask) = tokens(), SEEN[name]
    if "mask" in told:
        told = {**told, "mask": ops.convert_to_tensor(told["mask"])[None, None]}
    mask = None if mask is None else ops.convert_to_tensor(mask)[None, None]
    whole = array(ops.dot_product_attention(query, key, value, mask=mask, scale=0.5))

    outputs = random.attend(
        query, key, value, RATE, lambda: key_of(1), scale=0.5, **told
    )

    found, seen = array(outputs), whole > 0
    assert asked[-1] == RATE
    kept = found[seen] > 0
    np.testing.assert_allclose(
        found[seen], np.where(kept, whole[seen] / (1 - RATE), 0), rtol=1e-4
    )
    assert (found[~seen] == 0).all()
    assert near(~kept, RATE, RATE * (1 - RATE))


def test_a_seed_is_ours_and_what_pytorch_draws_is_not_changed(asked):
    import torch

    given = tokens()

    def attend(seed):
        return array(random.attend(*given, RATE, lambda: key_of(seed)))

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = attend(1)

    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(attend(1), first)
    assert not np.array_equal(attend(2), first)


def test_what_pytorch_draws_is_not_changed_by_an_error(asked):
    import torch

    query, key, value = tokens()
    before = torch.get_rng_state()

    with pytest.raises(RuntimeError):
        random.attend(query, key[:, :, :, :2], value, RATE, lambda: key_of(1))

    assert torch.equal(torch.get_rng_state(), before)


@every_kind
@pytest.mark.parametrize(
    "options", [{}, {"use_causal_mask": True}], ids=["plain", "causal"]
)
def test_layers_train_in_one_operation(kind, options, asked):
    layer, x = built(KINDS[kind](dropout=0.5)), batch()

    def call():
        asked.clear()
        return array(layer(x, x, training=True, **options))

    first = call()
    assert asked == [0.5]
    assert not np.array_equal(call(), first)
    kd.reseed(layer, 3)
    again = call()
    kd.reseed(layer, 3)
    np.testing.assert_array_equal(call(), again)


@every_kind
def test_the_mean_is_attention_without_noise(kind, asked):
    layer = built(KINDS[kind](dropout=0.5))
    x = np.repeat(batch()[:1], 4000, axis=0)

    noisy = array(layer(x, x, training=True))

    assert asked == [0.5]
    assert near(noisy, array(layer(x[:1], x[:1]))[0], noisy.var(axis=0))


def test_a_pass_that_is_run_again_has_the_same_noise(asked):
    import torch
    from torch.utils.checkpoint import checkpoint

    layer = built(KINDS["set_rates"](dropout=0.5))

    def gradient(call):
        kd.reseed(layer, 3)
        x = torch.tensor(batch(), requires_grad=True)
        call(lambda x: layer(x, x, training=True), x).sum().backward()
        return array(x.grad)

    plain = gradient(lambda function, x: function(x))
    again = gradient(lambda *given: checkpoint(*given, use_reentrant=False))

    assert asked == [0.5] * 3
    np.testing.assert_allclose(again, plain, rtol=1e-6)


def test_a_schedule_counts_its_steps(asked):
    layer, x = built(multi_head(dropout=0.5)), batch()
    rate = schedules.Piecewise([1], [0.25, 0.75])
    kd.replace_dropout(layer, lambda old: layers.Dropout(rate), in_place=True)

    for _ in range(2):
        layer(x, x, training=True)

    assert asked == [0.25, 0.75]


@pytest.mark.parametrize(
    "make",
    [
        lambda old: layers.GaussianDropout(0.5),
        lambda old: layers.Dropout(0.5, noise_shape=(None, 1, None, None)),
        lambda old: layers.Dropout(1.0),
        lambda old: layers.Dropout(0.5, scaling="inference"),
    ],
    ids=["another noise", "shared", "all", "scaled at inference"],
)
def test_what_the_operation_does_not_do_is_done_in_several(make, asked):
    layer, x = built(multi_head(dropout=0.5)), batch()
    kd.replace_dropout(layer, make, in_place=True)

    layer(x, x, training=True)

    assert not asked


def test_samples_have_masks_of_their_scheme(asked):
    inputs = keras.Input((5, 6))
    layer = built(KINDS["set_rates"](dropout=0.5))
    model = keras.Model(inputs, layer(inputs, inputs))

    kd.mc_predict(model, batch(), samples=4, seed=0, verbose=0)

    assert not any(asked)


def test_where_nothing_can_be_seeded_several_operations_draw(asked, monkeypatch):
    """A program or a CUDA graph repeats what the host told it."""
    from keras_dropout.random import _torch_host

    monkeypatch.setattr(_torch_host, "is_unknown", lambda tensor: True)
    layer, x = built(KINDS["set_rates"](dropout=0.5)), batch()

    layer(x, x, training=True)

    assert not any(asked)


# Keras 3.10 itself has what PyTorch cannot trace.
@pytest.mark.newest
@pytest.mark.release
def test_a_compiled_program_draws_by_itself(asked):
    import torch

    layer, x = built(KINDS["set_rates"](dropout=0.5)), ops.convert_to_tensor(batch())
    call = torch.compile(
        lambda x: layer(x, x, training=True), fullgraph=True, backend="aot_eager"
    )

    first = array(call(x))

    assert not any(asked)
    assert not np.array_equal(array(call(x)), first)


def test_no_step_on_cuda_reads_from_the_device(asked, monkeypatch):
    import torch

    from tests.random.fake_cuda import fake_cuda

    monkeypatch.setattr(torch.cuda, "default_generators", (torch.Generator(),))
    with fake_cuda(monkeypatch) as watch:
        layer = built(KINDS["set_rates"](dropout=0.5))
        x = ops.convert_to_tensor(batch())
        told = {"attention_mask": ops.ones((4, 5, 5), "bool"), "training": True}
        layer(x, x, **told)
        watch.is_strict, watch.sent = True, []
        assert layer(x, x, **told).is_cuda
        assert not watch.sent
    assert asked == [0.5] * 2
