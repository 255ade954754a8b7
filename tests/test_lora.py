"""Dropout on the branch of LoRA: what it drops, how much, and when it is there."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import noise
from keras_dropout.sampling.plan import Plan
from tests import fresh
from tests.bounds import near
from tests.test_contract import array

L = keras.layers
SCALE = 1.5
RATE = 0.25


def tuned(layer, rank=2, seed=0):
    """Enables LoRA on a built layer, as if it had been trained."""
    layer.enable_lora(rank, lora_alpha=SCALE * rank)
    rng = np.random.default_rng(seed)
    for variable in branch(layer):
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return layer


def branch(layer):
    """The variables A and B of a layer."""
    return [v for v in layer.weights if v.name.startswith("lora_")]


def added(layer):
    """What LoRA adds to the kernel."""
    a, b = map(array, branch(layer))
    return SCALE * a @ b


def built(layer, shape):
    layer.build(shape)
    return tuned(layer)


def dense(**kwargs):
    return built(L.Dense(4, **kwargs), (None, 5))


class Named(L.Dense):
    """A class of a user's own that computes as Keras's does."""


# Each with inputs that are one unit vector a row, so that the outputs of a row are
# those of one row of the kernel.
EYE = np.eye(5, dtype="float32")
CASES = {
    "dense": (dense, EYE, lambda d: d),
    "subclass": (lambda: built(Named(4), (None, 5)), EYE, lambda d: d),
    "query": (
        lambda: built(L.EinsumDense("abc,cde->abde", (1, 2, 3)), (None, 1, 5)),
        EYE[:, None],
        lambda d: d[:, None],
    ),
    "kernel turned": (
        lambda: built(L.EinsumDense("ab,cb->ac", 4), (None, 5)),
        EYE,
        lambda d: d.T,
    ),
    "outputs turned": (
        lambda: built(L.EinsumDense("ab,cdb->acd", (2, 3)), (None, 5)),
        EYE,
        lambda d: np.moveaxis(d, -1, 0),
    ),
    "embedding": (
        lambda: built(L.Embedding(5, 4), (None, 1)),
        np.arange(5)[:, None],
        lambda d: d[:, None],
    ),
    "causal": (
        lambda: built(L.Conv1D(4, 1, padding="causal"), (None, 1, 5)),
        EYE[:, None],
        lambda d: d[0][:, None],
    ),
    "grouped": (
        lambda: built(L.Conv1D(10, 1, groups=5), (None, 1, 5)),
        EYE[:, None],
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", ["input", "weights"])
def test_scales_what_it_keeps_of_the_branch_alone(case, mode):
    """What one input adds is there as a whole, scaled, or not at all."""
    make, x, delta = CASES[case]
    layer = make()
    clean = array(layer(x))
    bare = array(kd.lora_dropout(layer, 1.0, mode=mode)(x, training=True))
    whole = clean - bare
    if delta is not None:
        np.testing.assert_allclose(whole, delta(added(layer)), atol=1e-5)

    kd.lora_dropout(layer, 0.5, mode=mode)
    kept = set()
    for _ in range(6):
        noisy = array(layer(x, training=True)) - bare
        factor = np.divide(noisy, whole, where=abs(whole) > 0.02, out=0 * whole)
        kept.update(np.round(factor, 1).ravel().tolist())
        if mode == "input":
            # All that one input adds shares its mask.
            assert all(len({*np.round(row[row > 0], 1)}) < 2 for row in factor)

    assert kept == ({0.0, 2.0} if mode == "input" else {0.0, 4.0})
    assert np.array_equal(array(layer(x)), clean)


def test_the_branch_has_the_mean_and_the_variance_of_the_formula():
    layer = kd.lora_dropout(dense(), RATE)
    rng = np.random.default_rng(1)
    x = rng.normal(size=5).astype("float32")
    rows = np.tile(x, (20_000, 1))

    y = array(layer(rows, training=True))

    mean = array(layer(rows[:1]))[0]
    variance = RATE / (1 - RATE) * x**2 @ added(layer) ** 2
    assert near(y, mean, variance)
    squares = (y - mean) ** 2
    assert near(squares, variance, squares.var(axis=0))


def test_rows_and_columns_have_the_variance_of_the_formula():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    layer = tuned(model.layers[0])
    kd.lora_dropout(model, RATE, mode="weights")
    x = np.random.default_rng(1).normal(size=(1, 5)).astype("float32")

    y = kd.mc_predict(model, x, samples=300, seed=0, return_samples=True).samples[:, 0]

    d = (x @ added(layer))[0]
    inputs = RATE / (1 - RATE) * (x**2 @ added(layer) ** 2)[0]
    variance = (d**2 + inputs) / (1 - RATE) - d**2
    mean = array(layer(x))[0]
    assert near(y, mean, variance)
    squares = (y - mean) ** 2
    assert near(squares, variance, squares.var(axis=0))


@pytest.fixture(scope="module")
def attentive():
    """A model with LoRA on an embedding, within attention and at its end."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = L.Embedding(9, 8, name="tokens")(ids)
    x = L.Dense(8, activation="tanh", name="frozen")(x)
    attention = L.MultiHeadAttention(2, 4, name="attention")
    x = L.LayerNormalization(name="norm")(x + attention(x, x))
    model = keras.Model(ids, L.Dense(3, "tanh", name="head")(x[:, 0]))
    for layer in (attention.query_dense, attention.value_dense, model.layers[-1]):
        tuned(layer)
    return model


IDS = np.random.default_rng(0).integers(0, 9, (4, 6))


@pytest.fixture
def restored(attentive):
    """The model. After the test its noise is switched off again."""
    yield attentive
    kd.lora_dropout(attentive, 0.0)


@pytest.mark.filterwarnings("ignore:LoRA and its dropout:UserWarning")
def test_reaches_projections_within_attention_and_nothing_at_inference(restored):
    model, clean = restored, array(restored(IDS))

    kd.lora_dropout(model, {"attention": 0.5, "query": 0.25, "head": 0.0})

    attention = model.get_layer("attention")
    assert attention.query_dense.rate == 0.25
    assert attention.value_dense.rate == 0.5
    assert model.get_layer("head").rate == 0.0
    assert not hasattr(attention.output_dense, "rate")
    assert np.array_equal(array(model(IDS, training=False)), clean)
    first, second = (array(model(IDS, training=True)) for _ in range(2))
    assert not np.allclose(first, second)
    kd.lora_dropout(model, {"attention": 0.0})
    np.testing.assert_allclose(array(model(IDS, training=True)), clean, atol=1e-6)


def test_monte_carlo_samples_it_behind_the_frozen_part():
    stack = [L.Dense(5, "tanh"), L.Dense(5, "tanh"), L.Dense(4, name="head")]
    model = keras.Sequential([keras.Input((5,)), *stack])
    tuned(model.layers[-1])
    kd.lora_dropout(model, 0.5)

    prediction = kd.mc_predict(model, EYE, samples=8, seed=1)
    (row,) = kd.noise_report(model, EYE)

    assert prediction.std.min() > 0
    assert row.path.endswith("head")
    assert row.kind == "LoRADropout"
    assert (row.strength, row.sampled) == ("rate=0.5", "tiled")
    plan = Plan(model, noise.find(model, EYE))
    assert len(plan._before) == 2
    assert len(plan._after) == 1
    server = kd.MonteCarlo(model, samples=8, seed=1)
    again = server.predict(EYE, verbose=0)
    assert again["std"].min() > 0


def test_says_what_a_file_will_not_hold(attentive):
    copy = keras.models.clone_model(attentive)
    for layer in (copy.get_layer("attention").query_dense, copy.get_layer("head")):
        tuned(layer) if not layer.lora_enabled else layer

    with pytest.warns(UserWarning, match=r"not saved .*\['attention/_query_dense'\]"):
        kd.lora_dropout(copy, 0.1)


def test_training_sees_the_noise_and_live_rates():
    """A rate of 1 leaves nothing to learn by, and is in the compiled step."""
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    layer = tuned(model.layers[0])
    model.compile("sgd", "mse")
    kd.lora_dropout(model, 1.0)
    frozen, (a, b) = array(layer._kernel), map(array, branch(layer))
    x, y = np.ones((8, 5), "float32"), np.ones((8, 4), "float32")

    model.fit(x, y, epochs=2, verbose=0)
    assert np.array_equal(array(branch(layer)[0]), a)
    assert np.array_equal(array(branch(layer)[1]), b)

    layer.rate = 0.5
    model.fit(x, y, verbose=0)
    assert not np.allclose(array(branch(layer)[0]), a)
    assert not np.allclose(array(branch(layer)[1]), b)
    assert np.array_equal(array(layer._kernel), frozen)


@pytest.mark.parametrize("mode", ["input", "weights"])
def test_a_schedule_counts_steps_of_training(mode):
    layer = kd.lora_dropout(dense(), kd.schedules.Linear(0.0, 0.5, steps=4), mode=mode)

    for _ in range(2):
        layer(EYE, training=True)
    layer(EYE)

    assert layer.rate == 0.25
    kd.lora_dropout(layer, 0.125, mode=mode)
    assert layer.rate == 0.125


@pytest.mark.parametrize(
    ("case", "mode", "bits"),
    [
        ("dense", "input", "int8"),
        ("query", "weights", "int8"),
        ("embedding", "input", "int8"),
        pytest.param("dense", "input", "int4", marks=pytest.mark.newest),
        pytest.param("query", "input", "int4", marks=pytest.mark.newest),
    ],
)
def test_acts_on_a_quantized_layer(case, mode, bits):
    make, x, _ = CASES[case]
    layer = make()
    layer.quantize(bits)
    clean = array(layer(x))
    _, b = branch(layer)
    kd.lora_dropout(layer, 1.0, mode=mode)

    assert np.array_equal(array(layer(x)), clean)
    nothing = array(layer(x, training=True))
    kept = array(b)
    b.assign(np.zeros_like(kept))
    np.testing.assert_allclose(nothing, array(layer(x)), atol=1e-6)
    b.assign(kept)
    layer.rate = 0.5
    first, second = (array(layer(x, training=True)) for _ in range(2))
    assert not np.allclose(first, second)


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning")
def test_a_noisy_layer_can_be_quantized():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4)])
    layer = tuned(model.layers[0])
    kd.lora_dropout(model, 0.5)
    clean = model.predict(EYE, verbose=0)

    model.quantize("int8")

    assert layer.quantization_mode == "int8"
    np.testing.assert_allclose(model.predict(EYE, verbose=0), clean, atol=0.05)
    assert not np.allclose(*(array(layer(EYE, training=True)) for _ in range(2)))


FRESH = """
import sys, numpy as np, keras, keras_dropout as kd
model = keras.saving.load_model(sys.argv[1])
x = np.load(sys.argv[2])
y, std = model.predict(x, verbose=0), kd.mc_predict(model, x, samples=20, seed=1).std
rates = [layer.rate for layer in model.layers if layer.weights]
np.savez(sys.argv[3], y=y, std=std, rates=rates)
"""


def saved(tmp_path, quantized=False):
    """A model with noise, and what it gave before it was saved."""
    keras.utils.set_random_seed(1)
    stack = [L.Dense(6, "relu"), L.EinsumDense("ab,bc->ac", 5), L.Dense(3)]
    model = keras.Sequential(
        [keras.Input((6,)), L.Embedding(9, 4), L.Flatten(), *stack]
    )
    if quantized:
        model.quantize("int8")
    for layer in (model.layers[0], *stack):
        tuned(layer)
    ramp = kd.schedules.Linear(0.25, 0.5, steps=10)
    rates = {"embedding*": 0.5, "dense*": 0.25, "einsum*": ramp}
    kd.lora_dropout(model, rates)
    model(IDS, training=True)
    model.save(tmp_path / "model.keras")
    return model


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning")
def test_a_saved_model_goes_on_as_it_was(tmp_path):
    model = saved(tmp_path, quantized=True)

    again = keras.saving.load_model(tmp_path / "model.keras")

    assert np.array_equal(array(again(IDS)), array(model(IDS)))
    for old, new in zip(model.weights, again.weights, strict=True):
        assert np.array_equal(array(old), array(new))
    assert [layer.rate for layer in again.layers if layer.weights] == [
        layer.rate for layer in model.layers if layer.weights
    ]
    assert again.layers[2].lora_alpha == SCALE * 2
    noisy = array(model(IDS, training=True))
    assert not np.allclose(noisy, array(model(IDS)))
    np.testing.assert_allclose(array(again(IDS, training=True)), noisy, atol=1e-6)


@pytest.mark.once
def test_a_fresh_process_has_the_noise_too(tmp_path):
    model = saved(tmp_path)
    np.save(tmp_path / "x.npy", IDS)

    files = [tmp_path / name for name in ("model.keras", "x.npy", "y.npz")]
    fresh.run(FRESH, *files)

    found = np.load(tmp_path / "y.npz")
    np.testing.assert_allclose(found["y"], model.predict(IDS, verbose=0), atol=1e-5)
    assert found["std"].min() > 0
    np.testing.assert_allclose(found["rates"], [0.5, 0.25, 0.275, 0.25])


def test_layers_of_a_class_of_ones_own_are_copied_as_what_they_are():
    layer = kd.lora_dropout(CASES["subclass"][0](), 0.5, mode="weights")
    layer.monte_carlo = True
    known = {"Named": Named}

    with keras.saving.custom_object_scope(known):
        copy = keras.layers.deserialize(keras.layers.serialize(layer))

    assert isinstance(copy, Named)
    assert (copy.rate, copy.mode, copy.monte_carlo) == (0.5, "weights", True)
    assert copy.name == layer.name


def test_weight_files_fit_layers_of_keras_both_ways(tmp_path):
    def model():
        return keras.Sequential([keras.Input((5,)), L.Dense(4)])

    noisy, plain, path = model(), model(), tmp_path / "model.weights.h5"
    tuned(noisy.layers[0])
    kd.lora_dropout(noisy, 0.5)
    expected = noisy.predict(EYE, verbose=0)

    noisy.save_weights(path)
    plain.load_weights(path)
    np.testing.assert_allclose(plain.predict(EYE, verbose=0), expected, atol=1e-6)
    other_rank = model()
    other_rank.layers[0].enable_lora(3)
    kd.lora_dropout(other_rank, 0.5).load_weights(path)
    np.testing.assert_allclose(other_rank.predict(EYE, verbose=0), expected, atol=1e-6)

    plain.save_weights(path)
    noisy.load_weights(path)
    np.testing.assert_allclose(noisy.predict(EYE, verbose=0), expected, atol=1e-6)
    assert not array(branch(noisy.layers[0])[0]).any()


def test_stripping_gives_the_layers_back():
    model = keras.Sequential([keras.Input((6,)), L.Embedding(9, 4), L.Dense(3)])
    for layer in model.layers:
        tuned(layer)
    kd.lora_dropout(model, 0.5)

    bare = kd.strip_dropout(model)

    assert [type(layer) for layer in bare.layers] == [L.Embedding, L.Dense]
    assert bare.layers[1].lora_kernel_a is model.layers[1].lora_kernel_a
    assert np.array_equal(array(bare(IDS, training=True)), array(model(IDS)))
    assert not any("seed" in v.path for v in bare.variables)
    again = keras.models.clone_model(bare)
    assert [type(layer) for layer in again.layers] == [L.Embedding, L.Dense]


def test_held_out_data_choose_the_rate():
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((5,)), L.Dense(3, "softmax")])
    tuned(model.layers[0])
    kd.lora_dropout(model, 0.5)
    y = rng.integers(0, 3, 40)

    x = rng.normal(size=(40, 5)).astype("float32")
    kd.calibration.tune_rates(model, x, y, factors=(0.5, 1.5), samples=4)

    assert model.layers[0].rate in (0.25, 0.75)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("mode", ["input", "weights"])
def test_computes_in_the_dtype_of_the_layer(policy, mode):
    stack = [L.Embedding(9, 4, dtype=policy), L.Dense(4, dtype=policy)]
    stack += [L.EinsumDense("abc,cd->abd", (6, 3), dtype=policy)]
    model = keras.Sequential([keras.Input((6,)), *stack])
    for layer in stack:
        tuned(layer)
    kd.lora_dropout(model, 0.5, mode=mode)

    first, second = (model(IDS, training=True) for _ in range(2))

    assert keras.backend.standardize_dtype(first.dtype) == "bfloat16"
    assert keras.ops.any(first != second)


class Reversible(L.Embedding):
    """A class with a `call` that can do something else as well."""

    def call(self, inputs, reverse=False):
        if reverse:
            return keras.ops.matmul(inputs, keras.ops.transpose(self.embeddings))
        return super().call(inputs)


class Foreign(L.Layer):
    """A layer with a LoRA of its own."""

    lora_enabled = True


def test_a_class_with_a_call_of_its_own_has_its_matrices_dropped():
    layer = built(Reversible(5, 4), (None, 1))
    with pytest.raises(TypeError, match=r"defines its own.*mode='weights'"):
        kd.lora_dropout(layer, 0.5)

    kd.lora_dropout(layer, 0.5, mode="weights")

    x = np.eye(4, dtype="float32")
    first, second = (array(layer(x, reverse=True, training=True)) for _ in range(2))
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("make", "options", "error", "match"),
    [
        (lambda: "model", {"rate": 0.1}, TypeError, "a Keras model or layer"),
        (lambda: L.Dense(3), {"rate": 0.1}, ValueError, "no layer with LoRA"),
        (Foreign, {"rate": 0.1}, TypeError, "a Foreign"),
        (dense, {"rate": 1.5}, ValueError, "between 0 and 1"),
        (dense, {"rate": "0.1"}, TypeError, "rate"),
        (dense, {"rate": None}, TypeError, "rate"),
        (dense, {"rate": {"other": 0.1}}, ValueError, "a layer with LoRA: dense"),
        (dense, {"rate": {3: 0.1}}, TypeError, "strings"),
        (dense, {"rate": 0.1, "layers": "other"}, ValueError, "a layer with LoRA"),
        (dense, {"rate": 0.1, "layers": []}, ValueError, "at least one layer"),
        (dense, {"rate": 0.1, "layers": 3}, TypeError, "names, classes"),
        (dense, {"rate": 0.1, "mode": "output"}, ValueError, "mode"),
    ],
)
def test_refuses(make, options, error, match):
    layer = make()
    with pytest.raises(error, match=match):
        kd.lora_dropout(layer, **options)
    assert not hasattr(layer, "rate")


def test_picks_layers_by_pattern_class_and_function():
    stack = [L.Dense(4, name="first"), L.EinsumDense("ab,bc->ac", 4), L.Dense(4)]
    model = keras.Sequential([keras.Input((4,)), *stack])
    for layer in stack:
        tuned(layer)

    kd.lora_dropout(model, 0.1, layers="fir*")
    assert [hasattr(layer, "rate") for layer in stack] == [True, False, False]
    kd.lora_dropout(model, 0.2, layers=[L.EinsumDense, lambda layer: layer is stack[2]])
    assert [layer.rate for layer in stack] == [0.1, 0.2, 0.2]
    kd.set_rates(model, {"first": 0.3})
    assert stack[0].rate == 0.3
