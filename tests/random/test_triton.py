"""The kernels for CUDA, run on NumPy: what they draw, and what they select."""

import keras
import numpy as np
import pytest

from keras_dropout import layers, random

pytestmark = [
    pytest.mark.everywhere,
    pytest.mark.skipif(
        keras.backend.backend() != "torch", reason="kernels for PyTorch"
    ),
]


@pytest.fixture(autouse=True)
def kernels(monkeypatch):
    from tests.random import fake_triton

    return fake_triton.kernels(monkeypatch)


def make(shape, dtype="float32", seed=0):
    import torch

    numbers = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return torch.from_numpy(numbers).to(getattr(torch, dtype))


@pytest.fixture
def key():
    import torch

    return torch.tensor([5, -7], dtype=torch.int32)


@pytest.mark.parametrize(
    ("rounds", "seed", "counter", "words"),
    [
        (7, 0, 0, "5f6fb709 0d893f64 4f121f81 4f730a48"),
        (7, 2**64 - 1, 0xFFFFFFFF, "5207ddc2 45165e59 4d8ee751 8c52f662"),
        (10, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (10, 2**64 - 1, 0xFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ],
)
def test_the_stand_in_has_the_published_words_of_philox(rounds, seed, counter, words):
    """Of the known answers that Salmon et al. distribute with Random123."""
    from tests.random import fake_triton

    found = fake_triton.philox(seed, *[counter] * 4, n_rounds=rounds)
    assert [int(each[0]) for each in found] == [int(w, 16) for w in words.split()]


def test_a_mask_is_of_seven_rounds(key):
    """The fewest that pass the tests of Salmon et al. (2011)."""
    from keras_dropout.random import _torch_cuda
    from tests.random import fake_triton

    words = fake_triton.philox(
        5 | (2**32 - 7) << 32, np.arange(512), 0, 3, 0, n_rounds=7
    )
    kept = _torch_cuda.keep_mask((512,), 0.5, key, 3).numpy()

    np.testing.assert_array_equal(kept, np.asarray(words[0]) >= 2**31)


@pytest.mark.parametrize("rate", [1e-3, 0.3, 0.5, 1 - 1e-3])
def test_a_mask_meets_its_rate_and_each_key_and_rank_has_its_own(rate, key):
    from keras_dropout.random import _torch_cuda

    count = 200_000
    masks = [
        _torch_cuda.keep_mask((count,), rate, each, rank).numpy()
        for each, rank in ((key, 0), (key + 1, 0), (key, 1))
    ]
    error = np.sqrt(rate * (1 - rate) / count)
    agree = rate**2 + (1 - rate) ** 2
    for place, mask in enumerate(masks):
        assert abs(1 - mask.mean() - rate) <= 5 * error
        others = masks[:place]
        shares = [np.mean(mask == each) for each in others]
        shares += [np.mean(mask[:-step] == mask[step:]) for step in (1, 512, 4096)]
        # Pairs of one mask may share a place, so that their error is larger.
        bound = 5 * np.sqrt(2 * agree * (1 - agree) / count)
        assert all(abs(share - agree) <= bound for share in shares)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_certain_rate_keeps_all_or_none(rate, key):
    assert (random.keep_mask((5000,), rate, key) == (rate == 0)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("large", [0, 1 << 25])
def test_drop_is_the_selection_by_the_mask_forward_and_backward(
    large, on_device, dtype, key, monkeypatch
):
    import torch

    from keras_dropout.random import _torch_cuda

    monkeypatch.setattr(_torch_cuda, "_LARGE", large)
    for shape in ((7,), (5, 900), (3, 4, 5, 6)):
        x = make(shape, dtype)
        x[0] = float("nan")
        x.requires_grad_()
        rate, scale = (torch.tensor(v) if on_device else v for v in (0.3, 2.0))
        keep = random.keep_mask(shape, rate, key)
        y = random.drop(x, shape, rate, key, scale)
        wanted = torch.where(keep, x * 2.0, 0.0)
        torch.testing.assert_close(y, wanted, rtol=0, atol=0, equal_nan=True)
        if on_device:
            # The backward pass takes them as they were.
            rate.fill_(0.9)
        upstream = make(shape, dtype, seed=1)
        (gradient,) = torch.autograd.grad(y, x, upstream)
        torch.testing.assert_close(gradient, torch.where(keep, upstream * 2.0, 0.0))
        x = x.detach()
        assert torch.equal(y.isnan(), random.drop(x, shape, 0.3, key, scale).isnan())


def views(x):
    """The tensor as it lies in the memory in other orders, and with gaps."""
    return [
        x,
        x.permute(0, 2, 3, 1),
        x.permute(3, 1, 0, 2),
        x[:, ::2],
        x.expand(2, *x.shape),
    ]


def test_a_selection_is_that_of_pytorch_in_every_layout():
    import torch

    from keras_dropout.random import _torch_select

    for x in views(make((4, 6, 5, 7))):
        rows, *between, last = x.shape
        one = [1] * len(between)
        for shape in (
            x.shape,
            (rows, *one, last),
            (rows, *one, 1),
            (last,),
            (1,),
            (1, *between, 1),
        ):
            keep = make(shape, seed=2) > 0
            given = x.detach().requires_grad_()
            y = _torch_select.select(keep, given, 1.5)
            assert torch.equal(y, torch.where(keep, x * 1.5, 0.0))
            upstream = make(x.shape, seed=3).transpose(0, 1).contiguous()
            upstream = upstream.reshape(x.shape[1], rows, *x.shape[2:]).transpose(0, 1)
            (gradient,) = torch.autograd.grad(y, given, upstream)
            assert torch.equal(gradient, torch.where(keep, upstream * 1.5, 0.0))


def test_a_mask_wider_than_the_tensor_or_of_too_many_axes_is_pytorchs_own():
    import torch

    from keras_dropout.random import _torch_select

    wide = make((3, 4)) > 0
    many = make((2, 1, 2, 1, 2, 1)) > 0
    for keep, x in ((wide, make((1, 4))), (many, make((2,) * 6))):
        wanted = torch.where(keep, x * 2.0, 0.0)
        assert torch.equal(_torch_select.select(keep, x, 2.0), wanted)


def test_a_compiled_mask_has_the_bits_of_the_eager_one(key):
    import torch

    for shape in ((3, 777), (4096,)):
        eager = random.keep_mask(shape, 0.3, key)

        def draw(key, shape=shape):
            return random.keep_mask(shape, 0.3, key)

        compiled = torch.compile(draw, backend="eager", fullgraph=True)(key)
        assert torch.equal(eager, compiled)


def test_a_step_of_a_layer_asks_the_host_for_no_key(monkeypatch):
    from keras_dropout.random import _torch_host

    def refuse(key):
        raise AssertionError("The host was asked for a key.")

    monkeypatch.setattr(_torch_host, "words", refuse)
    x = make((8, 16, 16, 4)).requires_grad_()
    for layer in (
        layers.Dropout(0.3, seed=1),
        layers.Dropout(0.3, scaling="inference", seed=1),
        layers.SpatialDropout2D(0.3, seed=1),
        layers.DropPath(0.5, seed=1),
        layers.AlphaDropout(0.3, seed=1),
    ):
        first, second = (layer(x, training=True) for _ in range(2))
        assert not (first == second).all()
        first.sum().backward()


def test_a_subclass_that_overrides_the_mask_is_asked():
    import torch

    class Halves(layers.Dropout):
        def keep_mask(self, x):
            return torch.arange(x.shape[-1]) % 2 == 0, 3.0

    y = Halves(0.5)(torch.ones((2, 4)), training=True)
    assert y.tolist() == [[3.0, 0.0, 3.0, 0.0]] * 2
