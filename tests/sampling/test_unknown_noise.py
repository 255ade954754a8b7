"""Noise of a user's own is found, and sampled as a plain loop of calls has it."""

import random

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.applications.convnext import ConvNeXt, StochasticDepth

import keras_dropout as kd
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout.random import context
from keras_dropout.sampling import noise
from tests.sampling import unknown
from tests.uncertainty import models

L = keras.layers
SAMPLES, CALLS = 600, 4000


def _model(*layers, shape=(4,)):
    keras.utils.set_random_seed(3)
    head = [L.Flatten()] if len(shape) > 1 else []
    return keras.Sequential([keras.Input(shape), *layers, *head, L.Dense(2)])


def _called(model, x, **kwargs):
    """What many calls of a model give, a row of `x` in each: `(CALLS, rows, ...)`."""
    many = np.repeat(x[None], CALLS, axis=0).reshape(-1, *x.shape[1:])
    outputs = ops.convert_to_numpy(model(many, **kwargs))
    return outputs.reshape(CALLS, len(x), *outputs.shape[1:])


def _agree(mean, variance, count, reference):
    """Whether both moments are within 5 standard errors of those of the reference."""
    n = len(reference)
    expected, spread = reference.mean(axis=0), reference.var(axis=0)
    fourth = ((reference - expected) ** 4).mean(axis=0)
    share = 1 / count + 1 / n
    off = np.abs(mean - expected) / np.sqrt(spread * share + 1e-12)
    # The variance of a variance has a part of its own in small samples.
    own = 2 * spread**2 / count**2
    error = np.sqrt(np.maximum(fourth - spread**2, 0) * share + own)
    return off.max() < 5 and (np.abs(variance - spread) / error).max() < 5


NOISES = {
    "list": (lambda: [unknown.Latent("list")], {}),
    "object": (lambda: [unknown.Latent("object")], {}),
    "outside": (lambda: [unknown.Latent("outside")], {}),
    "nowhere": (lambda: [unknown.Latent("nowhere")], {}),
    "dict beside": (lambda: [L.Dropout(0.3), unknown.Latent("dict")], {}),
    "nowhere beside": (lambda: [L.Dropout(0.3), unknown.Latent("nowhere")], {}),
    "path": (lambda: [unknown.Path()], {}),
    "function": (lambda: [kd.layers.GaussianNoise(0.1), unknown.Functions()], {}),
    "in training": (lambda: [unknown.Doubled(0.5)], {}),
}


@pytest.mark.parametrize("name", NOISES)
def test_noise_agrees_with_a_plain_loop_and_repeats_with_its_seed(name):
    layers, x = NOISES[name][0](), models.x_of(3, 4)
    model = _model(*layers)
    before = models.values(model)

    one, same, other = (
        kd.mc_predict(model, x, samples=SAMPLES, seed=seed) for seed in (1, 1, 2)
    )

    assert models.unchanged(model, before)
    assert len(one.active) == len(layers)
    np.testing.assert_array_equal(one.mean, same.mean)
    assert not np.array_equal(one.mean, other.mean)
    reference = _called(model, x, training=True)
    assert _agree(one.mean, one.variance, SAMPLES, reference)


def test_a_server_agrees_with_a_plain_loop():
    model, x = _model(L.Dense(4), unknown.Latent("nowhere")), models.x_of(3, 4)

    answer = kd.MonteCarlo(model, SAMPLES, seed=1).predict(x, verbose=0)

    reference = _called(model, x)
    assert _agree(answer["mean"], answer["std"] ** 2, SAMPLES, reference)


def test_the_model_itself_may_draw():
    model, x = unknown.Whole(), models.x_of(3, 4)

    prediction = kd.mc_predict(model, x, samples=SAMPLES, seed=1)

    reference = _called(model, x, training=True)
    assert _agree(prediction.mean, prediction.variance, SAMPLES, reference)


def test_layers_within_noise_stay_in_inference():
    block = unknown.Block()
    model, x = _model(block), models.x_of(3, 4)
    block.norm.moving_mean.assign([1.0, -2.0, 3.0, 0.0])

    prediction = kd.mc_predict(model, x, samples=SAMPLES, seed=1)

    # Dropout of half of the normalised inputs, through the last layer.
    kernel, bias = map(ops.convert_to_numpy, model.layers[-1].weights)
    inputs = ops.convert_to_numpy(block.norm(x))
    mean, variance = inputs @ kernel + bias, inputs**2 @ kernel**2
    assert (np.abs(prediction.mean - mean) < 5 * np.sqrt(variance / SAMPLES)).all()
    # No fourth moment is larger than that of one unit alone, which is 1.
    assert (np.abs(prediction.variance / variance - 1) < 5 * (3 / SAMPLES) ** 0.5).all()


@pytest.mark.parametrize("masks", ["independent", "antithetic"])
def test_one_number_for_all_rows_is_another_in_each_sample(masks):
    model, x = _model(unknown.OneForAll()), models.x_of(3, 4)

    samples = kd.mc_predict(
        model, x, samples=60, seed=1, masks=masks, return_samples=True
    ).samples

    plain = model.predict(x, verbose=0)
    factors = samples / plain
    # One factor in [1, 2) for all rows and outputs of a sample.
    np.testing.assert_allclose(factors, factors[:, :1, :1] + 0 * factors, rtol=1e-4)
    drawn = factors[:, 0, 0]
    assert len(np.unique(drawn.round(6))) == 60
    assert abs(drawn.mean() - 1.5) < 5 * (1 / 12 / 60) ** 0.5


class Elsewhere(L.Layer):
    """Draws by NumPy, which compiled functions freeze."""

    def call(self, x, training=False):
        drawn = np.random.default_rng().normal(size=4).astype("float32")
        return x + ops.convert_to_tensor(drawn)


class ElsewhereInTraining(Elsewhere):
    def call(self, x, training=False):
        return super().call(x) if training else x


class Seldom(L.Layer):
    """Draws one number for a whole call, which seldom makes a difference."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def call(self, x, training=False):
        return 0.0 * x if training and self.draw() < 1e-6 else x


@pytest.mark.parametrize(
    "draw", [random.random, np.random.rand, lambda: ops.convert_to_numpy(_torch())]
)
def test_a_global_generator_is_seen_to_move(draw):
    with pytest.raises(ValueError, match=r"seldom.*that no seed controls"):
        kd.mc_predict(_model(L.Dropout(0.5), Seldom(draw)), models.x_of(3, 4), 3)


def _torch():
    torch = pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("only a model of PyTorch draws from it")
    return torch.rand(())


@pytest.mark.backend("torch")
def test_statistics_of_a_module_of_pytorch_stay():
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    model, x = _model(L.Dropout(0.5), L.TorchModuleWrapper(module)), models.x_of(3, 4)
    before = [each.clone() for each in module.buffers()]

    kd.mc_predict(model, x, samples=3)

    assert all(map(torch.equal, before, module.buffers()))


def test_a_server_computes_many_samples_of_noise_of_a_users_own_in_a_call():
    calls = []

    class Counted(unknown.Functions):
        def call(self, x, training=None):
            calls.append(x.shape)
            return super().call(x, training=training)

    model, x = _model(Counted()), models.x_of(3, 4)
    server = kd.MonteCarlo(model, 50, seed=1)
    server.learn(x)
    calls.clear()

    server.predict(x, verbose=0)

    assert len(calls) < 20


@pytest.mark.parametrize("beside", [[], [L.Dropout(0.5)]])
@pytest.mark.parametrize("layer", [Elsewhere, ElsewhereInTraining])
def test_noise_that_no_seed_reaches_is_refused_by_name(layer, beside):
    model = _model(*beside, layer())

    with pytest.raises(ValueError, match=r"elsewhere.*that no seed controls"):
        kd.mc_predict(model, models.x_of(3, 4), samples=3)


def test_all_noise_that_no_seed_reaches_is_named():
    model = _model(Elsewhere(name="one"), L.Dense(4), Elsewhere(name="two"))

    with pytest.raises(
        ValueError, match=r"one' holds noise.*hold such noise, too: '.*two'"
    ):
        kd.mc_predict(model, models.x_of(3, 4), samples=3)


def test_noise_that_cannot_be_sampled_may_be_left_out():
    model = _model(L.Dropout(0.5), ElsewhereInTraining())

    prediction = kd.mc_predict(
        model, models.x_of(3, 4), samples=3, layers=keras.layers.Dropout
    )

    assert len(prediction.active) == 1


def test_what_differs_in_training_without_drawing_is_no_noise():
    with pytest.raises(ValueError, match="has no noise to sample"):
        kd.mc_predict(_model(unknown.Scaled()), models.x_of(3, 4), samples=3)


class Members(NoiseLayer):
    """Selects by the number of the sample, and never draws."""

    def call(self, inputs, training=False):
        if not self.is_noisy(training):
            return inputs
        arrangement = context.arrangement()
        number = arrangement.first + ops.arange(arrangement.samples)
        factor = ops.cast(ops.repeat(number, arrangement.rows), inputs.dtype)
        return inputs * factor[:, None]


def test_noise_that_never_draws_is_accepted():
    model = keras.Sequential([keras.Input((2,)), Members(name="members")])

    prediction = kd.mc_predict(
        model, np.ones((3, 2), "float32"), samples=4, return_samples=True
    )

    assert prediction.active == ("members",)
    np.testing.assert_array_equal(prediction.samples[:, 0, 0], [0, 1, 2, 3])


def test_steps_that_a_subclass_drops_are_dropped_whole():
    model = keras.Sequential([keras.Input((5, 4)), unknown.Frames(0.5)])
    x = np.ones((3, 5, 4), "float32")

    samples = kd.mc_predict(model, x, samples=20, seed=0, return_samples=True).samples

    assert set(np.unique(samples)) == {0.0, 2.0}
    assert (samples == samples[..., :1]).all()
    assert len(np.unique(samples[:, :, :, 0], axis=0)) > 1


def test_a_subclass_that_computes_nothing_else_takes_all_schemes():
    model = keras.Sequential([keras.Input((4,)), unknown.Renamed(0.5)])

    samples = kd.mc_predict(
        model,
        np.ones((3, 4), "float32"),
        samples=8,
        masks="shared",
        return_samples=True,
    ).samples

    assert (samples == samples[:, :1]).all()
    assert len(np.unique(samples[:, 0], axis=0)) > 1


def test_a_recurrent_subclass_without_training_is_as_noisy_as_it_is():
    x = models.x_of(3, 5, 4)
    loud = _model(unknown.Loud(3, dropout=0.5), shape=(5, 4))

    prediction = kd.mc_predict(loud, x, samples=SAMPLES, seed=1)

    reference = _called(loud, x)
    assert _agree(prediction.mean, prediction.variance, SAMPLES, reference)
    deaf = _model(unknown.Deaf(3, dropout=0.5), shape=(5, 4))
    with pytest.raises(ValueError, match="has no noise to sample"):
        kd.mc_predict(deaf, x, samples=3)


def test_a_cell_that_makes_its_own_masks_keeps_them():
    cell = unknown.HalfCell(3, dropout=0.5, seed=1)
    model = keras.Sequential([keras.Input((5, 2)), L.RNN(cell), L.Dense(2)])
    x = models.x_of(3, 5, 2)
    x[..., 0] = 0.0

    # Only the first unit is ever dropped, which is 0 anyway.
    prediction = kd.mc_predict(model, x, samples=20, seed=1)
    other = kd.mc_predict(model, x + 1.0, samples=20, seed=1)

    np.testing.assert_allclose(prediction.variance, 0, atol=1e-10)
    assert (other.variance > 1e-6).all()


def test_drop_paths_of_keras_applications_are_sampled():
    model, x = _model(StochasticDepth(0.5), StochasticDepth(0.2)), models.x_of(3, 4)

    prediction = kd.mc_predict(model, x, samples=SAMPLES, seed=1)

    assert len(prediction.active) == 2
    reference = _called(model, x, training=True)
    assert _agree(prediction.mean, prediction.variance, SAMPLES, reference)


@pytest.mark.once
def test_a_whole_network_of_keras_applications_is_sampled():
    keras.utils.set_random_seed(1)
    model = ConvNeXt(
        depths=[1, 1, 1, 1],
        projection_dims=[4, 4, 4, 4],
        drop_path_rate=0.5,
        layer_scale_init_value=1.0,
        include_preprocessing=False,
        input_shape=(32, 32, 3),
        include_top=False,
        pooling="avg",
        weights=None,
        classes=2,
        name="tiny",
    )
    x = models.x_of(2, 32, 32, 3)

    prediction = kd.mc_predict(model, x, samples=40, seed=1, return_samples=True)

    # Each of three paths stays or goes: eight outputs, with the chances of the rates.
    assert len(prediction.active) == 3
    distinct = {tuple(row.round(3)) for row in prediction.samples[:, 0]}
    assert 3 <= len(distinct) <= 8


def test_a_draw_by_another_function_of_keras_is_one_draw():
    # On PyTorch a truncated normal is made of normals.
    (found,) = noise.find(_model(unknown.Strength("times", 0.5)), models.x_of(3, 4))

    assert not found.is_single
