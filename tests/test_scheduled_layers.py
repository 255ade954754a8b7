"""A schedule where a rate stands: in fit, in custom loops, saved and resumed."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import layers, schedules
from keras_dropout._layers._base.bernoulli import BernoulliLayer
from keras_dropout.random import context

BACKEND = keras.backend.backend()
SCHEDULE = schedules.Linear(0.125, 0.625, steps=4)
TRAJECTORY = [0.125, 0.25, 0.375, 0.5, 0.625, 0.625]


@keras.saving.register_keras_serializable(package="tests")
class RateProbe(BernoulliLayer):
    """Shows the rate of the step as its output, and 0 at inference."""

    def perturb(self, x):
        return ops.zeros_like(x) + self.current("rate")

    def infer(self, x):
        return ops.zeros_like(x)


def probe_model(**kwargs):
    """A model whose loss is the rate."""
    still = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    inputs = keras.Input((1,))
    outputs = keras.layers.Add()([RateProbe(SCHEDULE)(inputs), still(inputs)])
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), "mae", **kwargs)
    return model


def trajectory(model, steps, **kwargs):
    """The rate of each step of a training with one batch an epoch."""
    x, y = np.ones((2, 1)), np.zeros((2, 1))
    history = model.fit(x, y, batch_size=2, epochs=steps, verbose=0, **kwargs)
    return history.history["loss"]


def dropout_model():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="relu"),
            layers.Dropout(schedules.Curriculum(0.5, steps=10), seed=1),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    return model


def train(model, epochs, **kwargs):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(32, 8)), random.normal(size=(32, 1))
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs)


def weights(model):
    return [ops.convert_to_numpy(each) for each in model.variables]


def test_fit_follows_the_schedule():
    assert trajectory(probe_model(), 6) == TRAJECTORY


@pytest.mark.skipif(BACKEND == "torch", reason="eager on torch")
def test_fit_follows_the_schedule_under_xla():
    assert trajectory(probe_model(jit_compile=True), 6) == TRAJECTORY


def test_eager_fit_follows_the_schedule():
    assert trajectory(probe_model(run_eagerly=True), 6) == TRAJECTORY


def test_a_custom_loop_follows_the_schedule():
    layer = RateProbe(SCHEDULE)

    rates = [float(layer(np.ones((1, 1)), training=True)[0, 0]) for _ in range(6)]

    assert rates == TRAJECTORY


@pytest.mark.skipif(BACKEND != "jax", reason="stateless loops are JAX's")
def test_a_stateless_loop_follows_the_schedule():
    import jax

    model = probe_model()
    frozen = [each.value for each in model.trainable_variables]

    @jax.jit
    def step(state):
        return model.stateless_call(frozen, state, np.ones((1, 1)), training=True)

    rates, state = [], [each.value for each in model.non_trainable_variables]
    for _ in range(6):
        output, state = step(state)
        rates.append(float(output[0, 0]))

    assert rates == TRAJECTORY


@pytest.mark.skipif(BACKEND != "jax", reason="tracers leak on JAX only")
def test_leaks_no_tracer():
    import jax

    with jax.checking_leaks():
        assert trajectory(probe_model(), 2) == TRAJECTORY[:2]


def test_inference_does_not_advance_the_schedule():
    model = probe_model()
    before = trajectory(model, 2)

    model.predict(np.ones((4, 1)), verbose=0)
    model.evaluate(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    model(np.ones((4, 1)))
    after = trajectory(model, 2, validation_data=(np.ones((4, 1)), np.ones((4, 1))))

    assert before + after == TRAJECTORY[:4]


def test_sampling_does_not_advance_the_schedule():
    layer = RateProbe(SCHEDULE)
    layer(np.ones((1, 1)), training=True)

    with context.sampling([layer]):
        sampled = [float(layer(np.ones((1, 1)))[0, 0]) for _ in range(3)]

    assert sampled == [0.25] * 3
    assert float(layer(np.ones((1, 1)), training=True)[0, 0]) == 0.25


def test_monte_carlo_calls_do_not_advance_the_schedule():
    layer = RateProbe(SCHEDULE, monte_carlo=True)
    layer(np.ones((1, 1)), training=True)

    assert [float(layer(np.ones((1, 1)))[0, 0]) for _ in range(3)] == [0.25] * 3


def test_the_rate_reads_as_the_schedule_stands():
    model = probe_model()
    layer = model.layers[1]

    trajectory(model, 3)

    assert layer.rate == TRAJECTORY[3]


def test_a_schedule_and_a_number_do_not_mix():
    scheduled, plain = layers.Dropout(SCHEDULE), layers.Dropout(0.5)

    with pytest.raises(TypeError, match="RateScheduler"):
        scheduled.rate = 0.5
    with pytest.raises(TypeError, match="RateScheduler"):
        plain.rate = SCHEDULE


def test_comes_back_with_its_schedule():
    layer = layers.Dropout(schedules.Early(0.5, steps=7))

    copy = layers.Dropout.from_config(layer.get_config())

    assert copy.get_config() == layer.get_config()
    assert (
        repr(copy.source("rate").schedule) == "Early(rate=0.5, steps=7, decay='linear')"
    )


def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole, stopped = dropout_model(), dropout_model()
    stopped.set_weights(whole.get_weights())
    train(whole, 4)

    train(stopped, 2)
    stopped.save(tmp_path / "run.keras")
    resumed = keras.saving.load_model(tmp_path / "run.keras")
    train(resumed, 2)

    for expected, received in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_a_weights_file_keeps_the_step(tmp_path):
    model = probe_model()
    trajectory(model, 3)
    model.save_weights(tmp_path / "run.weights.h5")

    copy = probe_model()
    copy.load_weights(tmp_path / "run.weights.h5")

    assert trajectory(copy, 2) == TRAJECTORY[3:5]


def test_a_backup_keeps_the_step(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise InterruptedError

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    with contextlib.suppress(InterruptedError):
        trajectory(probe_model(), 6, callbacks=[backup(), Stop()])

    resumed = trajectory(probe_model(), 6, callbacks=[backup()])

    assert resumed == TRAJECTORY[3:]
