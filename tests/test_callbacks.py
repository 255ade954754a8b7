"""The callbacks: they assign per step and per epoch, and record what holds."""

import csv

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
        # What is logged is the mean over the epoch so far, whose rounding we undo.
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
