"""What every draw promises, whatever the backend."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout import random
from keras_dropout.random import context
from keras_dropout.random.fusion import is_cheap_to_fuse
from tests.bounds import near

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
ODD = (7, 3, 5)


def key(seed=0, skip=0):
    generator = keras.random.SeedGenerator(seed)
    for _ in range(skip):
        random.next_key(generator)
    return random.next_key(generator)


def mask(rate, seed=0, skip=0, shape=(64, 64)):
    drawn = random.keep_mask(shape, rate, key(seed, skip))
    return ops.convert_to_numpy(drawn)


@pytest.mark.parametrize("shape", [(), (1,), (5, 1), ODD, (2, 0)])
def test_draws_have_the_asked_shape(shape):
    keep = random.keep_mask(shape, 0.5, key())

    assert tuple(keep.shape) == shape
    assert keras.backend.standardize_dtype(keep.dtype) == "bool"
    for draw in (random.uniform, random.normal):
        numbers = draw(shape, key())
        assert tuple(numbers.shape) == shape
        assert keras.backend.standardize_dtype(numbers.dtype) == "float32"


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_masks_keep_the_share_that_is_scaled_by(rate):
    rate = ops.convert_to_tensor(np.float32(rate))
    kept = float(random.keep_probability(rate))

    assert kept == 1 - rate
    assert near(mask(rate, shape=(2048, 2048)), kept, kept * (1 - kept))


@pytest.mark.parametrize(("rate", "share"), [(0.0, 1.0), (1.0, 0.0)])
def test_certain_rates_are_certain(rate, share):
    rate = ops.convert_to_tensor(np.float32(rate))

    assert float(random.keep_probability(rate)) == share
    assert mask(rate, shape=(512, 512)).mean() == share


# Large masks are drawn in another way than small ones, on some backends.
@pytest.mark.parametrize("shape", [(64, 64), (256, 256)])
@pytest.mark.parametrize("rate", [0.001, 0.5])
def test_one_key_draws_one_mask_and_others_draw_others(shape, rate):
    first = mask(rate, shape=shape)
    alike = rate**2 + (1 - rate) ** 2

    assert np.array_equal(first, mask(rate, shape=shape))
    for seed, skip in ((0, 1), (1, 0), (1, 1), (2**31 - 1, 0)):
        other = mask(rate, seed, skip, shape)
        assert not np.array_equal(first, other)
        assert near(first == other, alike, alike * (1 - alike))


def test_the_words_of_a_key_are_not_added():
    """Keras on PyTorch: the second mask of seed 1 is the first of seed 2."""
    assert not np.array_equal(mask(0.5, seed=1, skip=1), mask(0.5, seed=2))


@pytest.mark.parametrize("shape", [(96, 64), (96, 1), (1, 64), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_selection_is_exact_and_stops_nan_and_infinity(shape, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 64)).astype("float32")
    keep = rng.random(shape) < 0.5
    x[~np.broadcast_to(keep, x.shape)] = np.nan
    x[np.broadcast_to(keep, x.shape) & (x > 2)] = np.inf
    x = ops.cast(x, dtype)

    found = random.select(ops.convert_to_tensor(keep), x, 2.0)

    expected = ops.convert_to_numpy(ops.cast(x * 2, "float32"))
    expected = np.where(keep, expected, 0)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert np.array_equal(ops.convert_to_numpy(ops.cast(found, "float32")), expected)


@pytest.mark.parametrize(
    ("shape", "fused"),
    [
        ((8, 1, 1, 16), True),
        ((8, 1), True),
        ((8, 1, 128), False),
        ((8, 16), False),
        ((1, 16), False),
        ((8,), False),
        ((), False),
    ],
)
def test_xla_fuses_short_masks_that_are_shared(shape, fused):
    assert is_cheap_to_fuse(shape) is fused


@pytest.mark.skipif(BACKEND == "torch", reason="XLA")
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_fused_and_kept_apart_xla_draws_one_mask(rate):
    def draw(rate, key):
        return [random.keep_mask(shape, rate, key) for shape in ((8, 1, 16), (8, 16))]

    rate = ops.convert_to_tensor(rate, "float32")
    if BACKEND == "jax":
        import jax

        fused, apart = jax.jit(draw)(rate, key())
    else:
        import tensorflow as tf

        fused, apart = tf.function(draw, jit_compile=True)(rate, key())

    np.testing.assert_array_equal(np.asarray(fused)[:, 0], np.asarray(apart))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA on TensorFlow")
def test_draws_under_xla_take_symbolic_shapes_and_live_rates():
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def draw(x, rate, key):
        shape = (tf.shape(x)[0], 3, tf.shape(x)[1])
        numbers = random.uniform(shape, key), random.normal(shape, key)
        return random.keep_mask(shape, rate, key), *numbers

    for rate in (0.0, 0.25, 1.0):
        keep, u, z = draw(tf.zeros((128, 64)), tf.constant(rate), key())
        assert keep.shape == (128, 3, 64)
        assert near(keep, 1 - rate, rate * (1 - rate))
        assert near(u, 0.5, 1 / 12)
        assert near(z, 0, 1)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="graphs of TensorFlow")
def test_graphs_share_one_trace_of_a_mask_and_draw_what_eager_calls_draw():
    import tensorflow as tf

    from keras_dropout.random import _tensorflow, _tensorflow_shared, context

    shared = _tensorflow_shared.optimised(
        _tensorflow._count_reach, _tensorflow._COUNT_REACH
    )
    # Other tests, such as those of replicas, may have traced it, too.
    before = shared.experimental_get_tracing_count()
    rates = (0.0, 0.001, 0.3, 0.999, 1.0)
    for size in (64, 128):

        @tf.function
        def draw(rows, rate, key, size=size):
            known = random.keep_mask((size, 100), rate, key)
            with context.sampling([]):
                sampled = random.keep_mask((rows, 100), rate, key)
            return known, random.keep_mask((rows, 100), rate, key), sampled

        for rate in rates:
            eager = random.keep_mask((size, 100), rate, key())
            for found in draw(tf.constant(size), tf.constant(rate), key()):
                np.testing.assert_array_equal(found, eager)

    assert shared.experimental_get_tracing_count() <= before + 1


@pytest.mark.skipif(BACKEND != "tensorflow", reason="graphs of TensorFlow")
def test_graphs_keep_the_mask_and_not_a_factor_of_floats():
    """Two equal casts would be merged, and their result kept for the backward pass."""
    import tensorflow as tf

    @tf.function
    def step(x, keep, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = random.select(keep, x, 1.25)
        return tape.gradient(y, x, upstream)

    floats, bools = tf.TensorSpec((8, 16)), tf.TensorSpec((8, 16), tf.bool)
    graph = step.get_concrete_function(floats, bools, floats).graph
    casts = [op for op in graph.get_operations() if op.type == "Cast"]

    forward, backward = casts
    assert [op.name for op in backward.control_inputs] == ["upstream"]
    assert not forward.control_inputs


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA on TensorFlow")
@pytest.mark.parametrize("jit", [False, True])
def test_selection_has_exact_gradients_of_both_orders(jit):
    import tensorflow as tf

    keep = np.random.default_rng(0).random((6, 8)) < 0.5
    x = tf.constant(np.random.default_rng(1).normal(size=8), tf.float32)

    @tf.function(jit_compile=jit)
    def derivatives(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                # Wider than `x`, so the gradient sums over what was broadcast.
                y = random.select(tf.constant(keep), x, tf.constant(1.5)) ** 3
            first = inner.gradient(y, x)
        return first, outer.gradient(first, x)

    first, second = derivatives(x)

    cubic = 1.5**3 * keep.sum(0)
    np.testing.assert_allclose(first, 3 * cubic * x**2, rtol=1e-5)
    np.testing.assert_allclose(second, 6 * cubic * x, rtol=1e-5)


@pytest.mark.skipif(BACKEND != "jax", reason="transformations of JAX")
class TestOnJax:
    def test_keys_may_be_mapped(self):
        import jax

        keys = np.array([[1, 2], [3, 4]], "uint32")

        mapped = jax.vmap(lambda k: random.keep_mask(ODD, 0.5, k))(keys)

        for one, k in zip(mapped, keys, strict=True):
            alone = random.keep_mask(ODD, 0.5, jax.numpy.asarray(k))
            assert np.array_equal(one, alone)

    def test_one_draw_serves_forward_and_backward(self):
        """The draw is compiled once, not again where the gradient reads the mask."""
        import jax

        def step(x, rate, key):
            keep = random.keep_mask(x.shape, rate, key)
            return random.select(keep, x, 2.0).sum()

        x, k = np.ones((256, 256), "float32"), np.array([1, 2], "uint32")
        run = jax.jit(jax.value_and_grad(step))
        text = run.lower(x, np.float32(0.5), k).compile().as_text()

        assert text.count(" conditional(") == 1
        value, gradient = run(x, np.float32(0.5), k)
        assert value == gradient.sum()

    @pytest.mark.parametrize(
        ("shape", "branches"), [((64, 128), 0), ((64, 8, 1, 128), 1), ((1, 128), 1)]
    )
    def test_a_mask_that_is_read_once_while_sampling_has_no_branch(
        self, shape, branches
    ):
        """A mask that is shared, along an axis or by rows, is drawn in one."""
        import jax

        def draw(key):
            with context.sampling([], context.Arrangement(4, 16)):
                return random.keep_mask(shape, 0.5, key)

        text = jax.jit(draw).lower(np.array([1, 2], "uint32")).as_text()

        assert text.count("stablehlo.case") == branches

    def test_selection_has_exact_gradients_forward_backward_and_twice(self):
        import jax
        from jax.test_util import check_grads

        keep = np.random.default_rng(0).random((6, 8)) < 0.5
        x = jax.numpy.asarray(np.random.default_rng(1).normal(size=8), "float32")

        def call(x):
            # Wider than `x`, so the gradient sums over what was broadcast.
            return random.select(keep, x, 1.5) ** 2

        check_grads(call, (x,), order=2, modes=("fwd", "rev"), rtol=0.01)
        mapped = jax.vmap(jax.grad(lambda x: call(x).sum()))(x[None].repeat(2, 0))
        assert np.array_equal(mapped[0], mapped[1])

    def test_no_tracer_leaks(self):
        import jax

        layer = kd.layers.Dropout(0.5, seed=0)
        with jax.checking_leaks():
            model = keras.Sequential([keras.Input((8,)), layer, keras.layers.Dense(1)])
            model.compile(loss="mse")
            model.fit(np.ones((16, 8)), np.ones((16, 1)), verbose=0)


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch")
class TestOnTorch:
    def test_ranks_draw_different_masks(self, monkeypatch):
        import torch

        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        found = []
        for rank in (0, 1):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda r=rank: r)
            found.append((mask(0.5), ops.convert_to_numpy(random.normal(ODD, key()))))

        assert near(found[0][0] == found[1][0], 0.5, 0.25)
        assert not np.any(found[0][1] == found[1][1])

    @pytest.mark.parametrize("masks", ["independent", "shared"])
    def test_ranks_predict_the_same(self, monkeypatch, masks):
        import torch

        model = keras.Sequential([keras.Input((8,)), kd.layers.Dropout(0.5)])
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        found = []
        for rank in (0, 1):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda r=rank: r)
            told = {"samples": 4, "masks": masks, "seed": 0, "verbose": 0}
            found.append(kd.mc_predict(model, np.ones((3, 8)), **told).std)

        assert found[0].any()
        np.testing.assert_array_equal(*found)

    def test_selection_has_exact_gradients_of_both_orders(self):
        import torch

        keep = torch.rand(80, 64) < 0.5
        x = torch.randn(80, 64, dtype=torch.float64, requires_grad=True)

        def call(x):
            return random.select(keep, x, 1.5) ** 2

        assert torch.autograd.gradcheck(call, x, fast_mode=True)
        assert torch.autograd.gradgradcheck(call, x, fast_mode=True)

    def test_selection_may_be_mapped(self):
        import torch

        keep, x = torch.rand(3, 64) < 0.5, torch.randn(80, 3, 64)

        mapped = torch.func.vmap(lambda k, x: random.select(k, x, 2.0), in_dims=(0, 1))(
            keep, x
        )

        expected = torch.where(keep[:, None], 2 * x.movedim(1, 0), 0.0)
        assert torch.equal(mapped, expected)

    @pytest.mark.parametrize("size", [40, 6000])
    @pytest.mark.parametrize("randomness", ["error", "same", "different"])
    @pytest.mark.parametrize(
        "build",
        [
            lambda: kd.layers.Dropout(0.5, seed=1),
            lambda: kd.layers.GaussianDropout(0.5, seed=1),
            lambda: kd.layers.GaussianNoise(0.5, seed=1),
            lambda: kd.layers.UOut(0.5, seed=1),
        ],
        ids=["masks", "normals", "additive", "uniforms"],
    )
    def test_layers_may_be_mapped(self, build, randomness, size):
        import torch

        layer, x = build(), torch.ones(3, 2, size)

        mapped = torch.func.vmap(
            lambda x: layer(x, training=True), randomness=randomness
        )(x)

        assert mapped.shape == x.shape
        same = [torch.equal(mapped[0], mapped[at]) for at in (1, 2)]
        assert same == [randomness != "different"] * 2
        assert not torch.equal(mapped[:, 0], mapped[:, 1])
        assert int(layer.seed_generator.state[1]) == 1
        alone = build()(x[0], training=True)
        assert torch.equal(mapped[0], alone) or randomness == "different"

    def test_mapped_gradients_and_maps_of_maps_see_the_noise(self):
        import torch

        rate = kd.schedules.Linear(0.5, 0.6, steps=1)
        layer = kd.layers.Dropout(rate, seed=1)

        def value(x):
            y = layer(x, training=True)
            return y.sum(), y

        x = torch.ones(2, 3, 5000)
        gradient, (_, y) = torch.func.vmap(
            torch.func.vmap(
                torch.func.grad_and_value(value, has_aux=True), randomness="different"
            ),
            randomness="different",
        )(x)

        assert torch.equal(gradient, y)
        assert int(layer.noise_state.step) == 1
        for first, second in zip(y.reshape(6, -1), y.reshape(6, -1)[1:], strict=False):
            assert near((first == second).float(), 0.5, 0.25)

    def test_a_rate_a_place_may_be_mapped(self):
        import torch

        rates = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        k = key()

        kept = torch.func.vmap(lambda rate: random.keep_mask((9, 2), rate, k))(rates)

        assert torch.equal(kept, (rates == 0)[:, None].expand(2, 9, 2))

    def test_a_learned_scale_gets_its_gradient(self):
        import torch

        scale = torch.tensor(2.0, requires_grad=True)
        keep = torch.rand(80, 64) < 0.5

        random.select(keep, torch.ones(80, 64), scale).sum().backward()

        assert scale.grad == keep.sum()

    @pytest.mark.slow
    def test_a_layer_compiles_without_a_graph_break(self):
        import torch

        layer = kd.layers.Dropout(0.25, seed=0)
        # Without code for the CPU: what counts is the graph.
        compiled = torch.compile(
            lambda x: layer(x, training=True), backend="eager", fullgraph=True
        )
        x = torch.ones(512, 64)

        first, second = compiled(x) != 0, compiled(x) != 0
        layer.rate = 0.75
        third = compiled(x) != 0

        assert near(first.float(), 0.75, 0.75 * 0.25)
        assert near((first == second).float(), 0.625, 0.625 * 0.375)
        assert near(third.float(), 0.25, 0.75 * 0.25)

    @pytest.mark.slow
    def test_a_compiled_selection_is_exact_and_hides_nan(self):
        import torch

        dtypes = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
        one_key = key()

        # In one program: making code for the CPU takes long.
        @torch.compile(fullgraph=True)
        def noisy(inputs):
            return [
                random.select(random.keep_mask((512, 64), 0.3, one_key), x, 1.5)
                for x in inputs
            ]

        xs = [torch.randn(512, 64, dtype=each, requires_grad=True) for each in dtypes]
        kept = [y != 0 for y in noisy(xs)]
        poisoned = [
            torch.where(keep, x, torch.nan).detach().requires_grad_()
            for keep, x in zip(kept, xs, strict=True)
        ]

        assert all(near(keep.float(), 0.7, 0.3 * 0.7) for keep in kept)
        for given in (xs, poisoned):
            ys = noisy(given)
            gradients = torch.autograd.grad([y.sum() for y in ys], given)

            for x, keep, y, gradient in zip(xs, kept, ys, gradients, strict=True):
                assert torch.equal(y, torch.where(keep, x * 1.5, 0.0))
                assert torch.equal(gradient, torch.where(keep, 1.5, 0.0).to(x.dtype))
