"""The callbacks: they assign per step and per epoch, and record what holds."""

import csv
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import layers, schedules
from keras_dropout.callbacks import RateLogger, RateScheduler
from tests.test_scheduled_layers import RateProbe

LINEAR = schedules.Linear(0.125, 0.625, steps=4)
TRAJECTORY = [0.125, 0.25, 0.375, 0.5, 0.625, 0.625]


class Losses(keras.callbacks.Callback):
    """Keeps the loss of each single step."""

    def on_train_begin(self, logs=None):
        self.of_steps = []

    def on_train_batch_end(self, batch, logs=None):
        # The log has the mean over the epoch so far. We undo its rounding.
        total = float(logs["loss"]) * (batch + 1)
        before = sum(self.of_steps[len(self.of_steps) - batch :]) if batch else 0.0
        self.of_steps.append(round(total - before, 5))


def probe_model(rate=0.0, **kwargs):
    """A model whose loss is its rate."""
    inputs = keras.Input((1,))
    still = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    outputs = keras.layers.Add()([RateProbe(rate, name="probe")(inputs), still(inputs)])
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), "mae", **kwargs)
    return model


def fit(model, callback, epochs=2, batches=3, **kwargs):
    losses = Losses()
    x, y = np.ones((2 * batches, 1)), np.zeros((2 * batches, 1))
    callbacks = [callback, losses]
    model.fit(
        x, y, batch_size=2, epochs=epochs, verbose=0, callbacks=callbacks, **kwargs
    )
    return losses.of_steps


def test_sets_the_rate_of_each_step():
    assert fit(probe_model(), RateScheduler(LINEAR)) == TRAJECTORY


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="eager on torch")
def test_sets_the_rate_of_each_step_under_xla():
    model = probe_model(jit_compile=True)

    assert fit(model, RateScheduler(LINEAR)) == TRAJECTORY


def test_sets_the_rate_of_each_epoch():
    rates = fit(probe_model(), RateScheduler(LINEAR, unit="epoch"), epochs=3)

    assert rates == [rate for rate in TRAJECTORY[:3] for _ in range(3)]


@pytest.mark.keras
def test_goes_on_counting_in_another_fit():
    model = probe_model()

    first = fit(model, RateScheduler(LINEAR), epochs=1)
    second = fit(model, RateScheduler(LINEAR), epochs=1)

    assert first + second == TRAJECTORY


def test_goes_on_counting_in_a_resumed_run(tmp_path):
    model = probe_model()
    first = fit(model, RateScheduler(LINEAR), epochs=1)
    model.save(tmp_path / "run.keras")

    resumed = keras.saving.load_model(tmp_path / "run.keras")

    assert first + fit(resumed, RateScheduler(LINEAR), epochs=1) == TRAJECTORY


class Steps:
    """A schedule that keeps the steps it is asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, step):
        self.asked.append(step)
        return 0.5


def test_a_step_is_a_batch_also_where_gradients_are_gathered():
    model, steps = probe_model(), Steps()
    model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=2), "mae")

    fit(model, RateScheduler(steps), epochs=3)
    fit(model, RateScheduler(steps), epochs=1)

    assert steps.asked == list(range(12))


@pytest.mark.keras
def test_counts_steps_that_the_optimizer_skips():
    """The first gradients overflow at the scale of the loss."""
    model, steps = probe_model(), Steps()
    optimizer = keras.optimizers.SGD(0.0)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**127)
    model.compile(scaled, "mae")
    x, y = np.full((6, 1), 1e3), np.zeros((6, 1))

    scheduler = RateScheduler(steps)
    model.fit(x, y, batch_size=2, epochs=3, verbose=0, callbacks=[scheduler])

    assert steps.asked == list(range(9))
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) < 9


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="one step on torch")
def test_counts_all_steps_of_an_execution():
    model, steps = probe_model(steps_per_execution=2), Steps()

    fit(model, RateScheduler(steps), batches=4)

    assert steps.asked == [0, 2, 4, 6]


def test_counts_epochs_from_the_initial_one():
    scheduler = RateScheduler(LINEAR, unit="epoch")

    rates = fit(probe_model(), scheduler, epochs=3, batches=1, initial_epoch=1)

    assert rates == TRAJECTORY[1:3]


def test_takes_any_function():
    rates = fit(probe_model(), RateScheduler(lambda step: step / 8), batches=2)

    assert rates == [0.0, 0.125, 0.25, 0.375]


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (None, [0.5, 0.5, 0.5]),
        ("first", [0.5, 0.1, 0.1]),
        (["first", "third"], [0.5, 0.1, 0.5]),
        ("inner", [0.1, 0.5, 0.5]),
        (layers.SpatialDropout1D, [0.1, 0.1, 0.5]),
        (lambda layer: layer.name.startswith("t"), [0.1, 0.1, 0.5]),
        (keras.Sequential, [0.5, 0.5, 0.5]),
    ],
)
def test_sets_the_layers_that_are_picked(pick, expected):
    first = layers.Dropout(0.1, name="first")
    second = layers.Dropout(0.1, name="second")
    third = layers.SpatialDropout1D(0.1, name="third")
    inner = keras.Sequential([second, third], name="inner")
    model = keras.Sequential([keras.Input((2, 1)), first, inner, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    scheduler = RateScheduler(schedules.Constant(0.5), layers=pick)

    model.fit(np.ones((2, 2, 1)), np.ones((2, 2, 1)), callbacks=[scheduler], verbose=0)

    assert [first.rate, second.rate, third.rate] == expected


def test_sets_another_number_than_the_rate():
    noise = layers.GaussianNoise(0.0)
    model = keras.Sequential([keras.Input((2,)), noise, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    scheduler = RateScheduler(lambda step: 2.0, attribute="stddev")

    model.fit(np.ones((2, 2)), np.ones((2, 2)), callbacks=[scheduler], verbose=0)

    assert noise.stddev == 2.0


def test_refuses_a_model_without_live_rates():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
    model.compile("sgd", "mse")

    with pytest.raises(ValueError, match="a live `rate`"):
        fit_once(model, RateScheduler(LINEAR))


def fit_once(model, callback):
    model.fit(np.ones((2, 2)), np.ones((2, 2)), callbacks=[callback], verbose=0)


@pytest.mark.parametrize("pick", ["absent", layers.AlphaDropout, lambda layer: False])
def test_refuses_a_pick_that_leads_nowhere(pick):
    with pytest.raises(ValueError, match=r"there is \['probe'\]"):
        fit(probe_model(), RateScheduler(LINEAR, layers=pick))


def test_refuses_a_layer_with_a_schedule_of_its_own():
    with pytest.raises(ValueError, match="follows a schedule of its own"):
        fit(probe_model(rate=LINEAR), RateScheduler(LINEAR))


def test_refuses_a_schedule_that_a_layer_does_not_allow():
    model = keras.Sequential([keras.Input((2,)), layers.AlphaDropout(0.1)])
    model.compile("sgd", "mse")

    with pytest.raises(ValueError, match="below 1"):
        fit_once(model, RateScheduler(schedules.Linear(0.0, 1.0, steps=9)))


def test_refuses_what_is_no_schedule():
    with pytest.raises(TypeError, match="`schedule`"):
        RateScheduler(0.5)
    with pytest.raises(ValueError, match="`unit`"):
        RateScheduler(LINEAR, unit="batch")


def test_logs_rates_for_the_loggers_behind(tmp_path):
    model = probe_model(rate=LINEAR)
    loggers = [RateLogger(), keras.callbacks.CSVLogger(tmp_path / "log.csv")]

    history = model.fit(
        np.ones((2, 1)), np.ones((2, 1)), epochs=3, callbacks=loggers, verbose=0
    )

    assert history.history["rate/probe"] == TRAJECTORY[1:4]
    with open(tmp_path / "log.csv") as file:
        logged = [float(row["rate/probe"]) for row in csv.DictReader(file)]
    assert logged == TRAJECTORY[1:4]


def test_logs_two_layers_of_one_name_apart():
    def block(name, rate):
        inner = [keras.Input((2,)), layers.Dropout(rate, name="drop")]
        return keras.Sequential(inner, name=name)

    blocks = [block("one", 0.25), block("two", 0.75)]
    model = keras.Sequential([keras.Input((2,)), *blocks, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    logger = kd.callbacks.RateLogger()

    x = y = np.ones((2, 2))
    history = model.fit(x, y, callbacks=[logger], verbose=0).history

    assert (history["rate/drop"], history["rate/drop_1"]) == ([0.25], [0.75])


def test_logs_nothing_where_nobody_takes_logs():
    logger = RateLogger()
    logger.set_model(probe_model())

    logger.on_train_begin()
    logger.on_epoch_end(0, None)
    logger.on_epoch_end(0)


def test_logs_every_live_number_of_a_layer():
    model = keras.Sequential([keras.Input((2,)), layers.GaussianNoise(0.25, name="n")])
    model.compile("sgd", "mse")
    logger, logs = RateLogger(), {}
    logger.set_model(model)

    logger.on_train_begin()
    logger.on_epoch_end(0, logs)

    assert logs == {"stddev/n": 0.25}


@pytest.mark.parametrize(
    "callback", [RateLogger, lambda **k: RateScheduler(LINEAR, **k)]
)
def test_refuses_an_empty_pick(callback):
    with pytest.raises(ValueError, match="`layers`"):
        callback(layers=[])


# `test_structure` finds assertions sooner.
@pytest.mark.slow
@pytest.mark.release
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="values stay in place")
def test_sets_rates_where_assertions_are_off():
    script = (
        "from tests import test_callbacks as t\n"
        "rates = t.fit(t.probe_model(), t.RateScheduler(t.LINEAR))\n"
        "raise SystemExit(__debug__ or rates != t.TRAJECTORY)\n"
    )

    subprocess.run([sys.executable, "-O", "-c", script], check=True)


class Calls(keras.callbacks.Callback):
    """Calls functions of the batch, which close over the model as users' do."""

    def __init__(self, begin=None, end=None):
        super().__init__()
        self.begin, self.end = begin, end

    def on_train_batch_begin(self, batch, logs=None):
        if self.begin is not None:
            self.begin(batch)

    def on_train_batch_end(self, batch, logs=None):
        if self.end is not None:
            self.end(batch)


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_a_rate_that_a_users_callback_assigns_holds(moment):
    """The callback closes over the layer; on JAX the trainer has its values."""
    model, seen = probe_model(), []
    probe = model.get_layer("probe")

    def assign(batch):
        seen.append(probe.rate)
        probe.rate = (batch + 1) / 8

    rates = fit(model, Calls(**{moment: assign}), epochs=2, batches=4)

    if moment == "begin":
        assert rates == [0.125, 0.25, 0.375, 0.5] * 2
        assert seen == [0, 0.125, 0.25, 0.375, 0.5, 0.125, 0.25, 0.375]
    else:
        assert rates == [0, 0.125, 0.25, 0.375, 0.5, 0.125, 0.25, 0.375]
        assert seen == rates
    assert probe.rate == 0.5


def test_a_rate_that_is_assigned_now_and_then_holds_until_the_next():
    model = probe_model()
    probe = model.get_layer("probe")

    def assign(batch):
        if batch % 3 == 1:
            probe.rate = (batch + 1) / 8

    rates = fit(model, Calls(end=assign), epochs=1, batches=8)

    assert rates == [0, 0, 0.25, 0.25, 0.25, 0.625, 0.625, 0.625]


def test_a_seed_that_a_callback_sets_holds():
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.0), "mae")
    x, y = np.random.default_rng(0).normal(size=(6, 64)), np.ones((6, 1))
    losses = Losses()
    calls = Calls(begin=lambda batch: kd.reseed(model, 3))

    # All batches are equal, so only the masks can make the losses differ.
    x[:] = x[0]
    options = {"batch_size": 2, "epochs": 2, "verbose": 0}
    model.fit(x, y, callbacks=[calls, losses], **options)

    assert np.ptp(losses.of_steps) < 1e-4


def dropped():
    """A model with dropout in a model within, and the latter."""
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), layers.Dropout(0.5)], name="inner"
    )
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model, inner


def test_samples_a_model_within_a_callback_that_closes_over_it():
    """The model, a model within it, and a `MonteCarlo` around it."""
    (model, inner), (alone, _) = dropped(), dropped()
    alone.set_weights(model.get_weights())
    for each in (model, alone):
        kd.reseed(each, 3)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    server = kd.MonteCarlo(model, samples=4, seed=0)
    found, expected = [], []

    def sample(of):
        return kd.mc_predict(of, x, samples=4, seed=0).mean

    def closing_over(batch):
        found.append([sample(model), sample(inner)])
        assert np.isfinite(server.predict(x, verbose=0)["mean"]).all()

    class Asking(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            expected.append([sample(self.model), sample(self.model.layers[0])])

    callbacks = [Calls(end=closing_over), Asking()]
    options = {"batch_size": 2, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, callbacks=callbacks, **options)
    alone.fit(x, y, **options)

    for ours, theirs in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(found[0][0], found[1][0])


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="values stay in place")
@pytest.mark.parametrize("use", ["sample", "assign", "read"])
def test_a_data_source_that_uses_the_model_is_told_at_once(use):
    model, inner = dropped()
    x, y = np.ones((2, 4), "float32"), np.ones((2, 1), "float32")

    class Source(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            # Keras asks for the first before there is a step.
            if index and use == "sample":
                kd.mc_predict(model, x, samples=2)
            elif index and use == "assign":
                inner.layers[-1].rate = 0.25
            elif index:
                assert inner.layers[-1].rate == 0.5
            return x, y

    with pytest.raises(RuntimeError, match="data source"):
        model.fit(Source(), shuffle=False, verbose=0)
