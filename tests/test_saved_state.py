"""What a file holds of a layer's noise, and what a layer takes from a file."""

import os
import signal
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd


def _weights_of(rate, path, now=None, steps=0):
    """Writes a weights file of a model whose dropout has this rate."""
    model = keras.Sequential([keras.Input((4,)), kd.layers.Dropout(rate, name="drop")])
    for _ in range(steps):
        model(np.ones((1, 4), "float32"), training=True)
    if now is not None:
        model.layers[0].rate = now
    model.save_weights(path)
    return model


RAMP = kd.schedules.Linear(0.0, 0.5, steps=4)
# How the saved layer was built and assigned, how the loading one was built, and the
# rate after loading.
LOADED_RATES = [
    (0.5, None, 0.1, 0.1),  # another program: its constructor holds, as in Keras
    (0.5, 0.6, 0.5, 0.6),  # the same program: it goes on
    (0.5, 0.6, 0.1, 0.1),
    (0.5, 0.6, 0.6, 0.6),
    (0.5, 0.1, 0.5, 0.1),
    (0.3, 0.0, 0.3, 0.0),
    (RAMP, None, 0.1, 0.1),  # not 0, with which the schedule began
    (RAMP, None, 0.25, 0.25),
    (0.1, None, RAMP, 0.0),  # a schedule goes by its steps
]


@pytest.mark.parametrize(("built", "now", "other", "expected"), LOADED_RATES)
def test_a_weights_file_restores_rates_but_not_over_others(
    built, now, other, expected, tmp_path
):
    _weights_of(built, tmp_path / "a.weights.h5", now, steps=2)
    loading = _weights_of(other, tmp_path / "b.weights.h5")

    loading.load_weights(tmp_path / "a.weights.h5")

    assert loading.layers[0].rate == expected


def test_a_model_that_was_loaded_goes_on_with_the_files_of_its_run(tmp_path):
    """Its constructor got the rate of that time, which is none of a new program."""
    model = _weights_of(0.2, tmp_path / "a.weights.h5", now=0.3)
    model.save(tmp_path / "a.keras")
    model.layers[0].rate = 0.4
    model.save_weights(tmp_path / "b.weights.h5")

    loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert loaded.layers[0].rate == 0.3
    loaded.load_weights(tmp_path / "b.weights.h5")

    assert loaded.layers[0].rate == 0.4


def test_a_file_has_the_rate_that_a_schedule_has_now(tmp_path):
    _weights_of(RAMP, tmp_path / "a.weights.h5", steps=3)

    assert entries(tmp_path / "a.weights.h5") == {"rate": 0.375, "step": 3}


def entries(path):
    """The numbers that a file has of the one noise layer, but for its seed."""
    with h5py.File(path) as file:
        state = file["layers/dropout/noise_state/vars"]
        return {name: state[name][()] for name in state if name != "seed"}


# Built with a schedule, so that it has a step, or with a number.
DOCTORED = [
    (0.5, "rate", 7.0),
    (0.5, "rate", -1.0),
    (0.5, "rate", float("nan")),
    (0.5, "rate", float("inf")),
    (0.5, "rate", 1e300),
    (0.5, "rate", [0.5, 0.5]),
    (0.5, "rate", 0.5 + 0.5j),
    (0.5, "rate", True),
    (0.5, "rate", "0.5"),
    (0.5, "rate", None),
    (0.5, "initial_rate", [0.5]),
    (0.5, "initial_rate", float("nan")),
    (RAMP, "step", -1),
    (RAMP, "step", 2**31),
    (RAMP, "step", 1.5),
    (RAMP, "step", [1]),
    (0.5, "seed", [1.0, 2.0]),
    (0.5, "seed", [1, -2]),
    (0.5, "seed", [1, 2**32]),
    (0.5, "seed", [1, 2, 3]),
    (0.5, "seed", 1),
    (0.5, "seed", float("nan")),
]


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize(("built", "name", "value"), DOCTORED)
def test_a_doctored_state_is_refused(built, name, value, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    model = _weights_of(built, tmp_path / "other.weights.h5")
    model.save(path) if suffix == ".keras" else model.save_weights(path)
    doctor(path, name, value)
    loading = _weights_of(built, tmp_path / "other.weights.h5")
    kept = [ops.convert_to_numpy(each) for each in loading.variables]

    words = rf"layer 'drop' in the file .*{path.name}' is not valid\. .*{name}"
    if value is None:
        words = "layer 'drop' in the file .* is not valid"
    with pytest.raises(ValueError, match=words):
        loading.load_weights(path)
    if suffix == ".keras":
        with pytest.raises(ValueError, match="layer 'drop' is not valid"):
            keras.saving.load_model(path)

    for before, after in zip(kept, loading.variables, strict=True):
        assert np.array_equal(before, ops.convert_to_numpy(after))


def doctor(path, name, value):
    """Writes another value, or a group for None, into the state in a file."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        weights = path.with_suffix(".weights.h5")
        weights.write_bytes(members["model.weights.h5"])
        doctor(weights, name, value)
        members["model.weights.h5"] = weights.read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in members.items():
                archive.writestr(each, content)
        return
    with h5py.File(path, "a") as file:
        state = file["layers/dropout/noise_state/vars"]
        del state[name]
        if value is None:
            state.create_group(name)
        else:
            state[name] = value


def _trainee():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="relu"),
            kd.layers.Dropout(kd.schedules.Curriculum(0.5, steps=20), seed=1),
            kd.layers.GaussianNoise(0.1, seed=2, name="assigned"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


class _Kill(keras.callbacks.Callback):
    """Ends the process, as a cluster or the lack of memory does."""

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (3, 1):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch


def run(folder, *more):
    """Trains for five epochs, or what is left of them."""
    model = _trainee()
    data = np.random.default_rng(0).normal(size=(24, 9)).astype("float32")
    callbacks = [
        keras.callbacks.BackupAndRestore(os.path.join(folder, "backup")),
        kd.callbacks.RateScheduler(
            kd.schedules.Cosine(0.5, 0.1, steps=12), "assigned", attribute="stddev"
        ),
        keras.callbacks.ModelCheckpoint(
            os.path.join(folder, "{epoch}.weights.h5"), save_weights_only=True
        ),
        keras.callbacks.ModelCheckpoint(os.path.join(folder, "{epoch}.keras")),
        *more,
    ]
    model.fit(
        data[:, :8],
        data[:, 8:],
        epochs=5,
        batch_size=8,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    )
    return model


def _state(model):
    # Adam's moments and count as well.
    return [
        ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)
    ]


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_bit(tmp_path):
    """Killed in the fourth epoch; a backup and two checkpoints are of the third."""
    whole = run(tmp_path / "whole")
    killed = tmp_path / "killed"
    script = (
        "import sys; from tests import test_saved_state as this; "
        "this.run(sys.argv[1], this._Kill())"
    )
    code = subprocess.run([sys.executable, "-c", script, killed]).returncode
    assert code == -signal.SIGKILL

    third = _trainee()
    third.load_weights(killed / "3.weights.h5")
    loaded = keras.saving.load_model(killed / "3.keras")
    resumed = run(killed)

    for a, b in zip(_state(whole), _state(resumed), strict=True):
        assert np.array_equal(a, b)
    for name in ("rate", "stddev"):
        rates = [
            [getattr(layer, name) for layer in model.layers if hasattr(layer, name)]
            for model in (third, loaded)
        ]
        assert rates[0] == rates[1]
    for a, b in zip(third.variables, loaded.variables, strict=True):
        assert np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


PAST = r"past its checks(.|\n)*`layer\.rate`"


@pytest.mark.parametrize("value", [7.0, -1.0, float("nan")])
@pytest.mark.parametrize("door", ["number", "array", "tensor", "variable", "tree"])
def test_a_rate_that_comes_in_past_the_layer_is_refused(door, value):
    model = keras.Sequential([keras.Input((4,)), kd.layers.Dropout(0.5, name="drop")])
    model.compile("sgd", "mse")
    tree = model.get_state_tree()
    variable = model.layers[0].noise_state.variables[0]
    makes = {
        "number": float,
        "array": np.float32,
        "tensor": lambda value: ops.convert_to_tensor(value, "float32"),
        "variable": lambda value: keras.Variable(value, dtype="float32"),
    }

    def assign():
        if door == "tree":
            kept = tree["non_trainable_variables"]
            (name,) = (each for each in kept if each.startswith("drop_state"))
            kept[name]["rate"] = np.float32(value)
            model.set_state_tree(tree)
        else:
            variable.assign(makes[door](value))

    with pytest.raises(ValueError, match=PAST):
        assign()

    assert model.layers[0].rate == 0.5
    for make in makes.values():
        variable.assign(make(0.25))
        assert model.layers[0].rate == 0.25


@pytest.mark.parametrize("value", [7.0, -1.0, float("nan")])
def test_a_rate_that_a_compiled_step_assigned_is_not_sampled_with(value, tmp_path):
    model = _weights_of(0.5, tmp_path / "a.weights.h5")
    layer = model.layers[0]
    # As it comes in where only a device knows the value.
    keras.Variable.assign(layer.noise_state.variables[0], value)

    with pytest.raises(ValueError, match=PAST):
        _ = layer.rate
    with pytest.raises(ValueError, match=PAST):
        kd.mc_predict(model, np.ones((2, 4), "float32"), 4)
    with pytest.raises(ValueError, match=PAST):
        kd.MonteCarlo(model, 4).predict(np.ones((2, 4), "float32"), verbose=0)
    with pytest.raises(ValueError, match=PAST):
        model.save(tmp_path / "a.keras")
    if keras.backend.backend() == "torch":
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match=PAST):
            model.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    layer.rate = 0.25
    assert layer.rate == 0.25


@pytest.mark.parametrize("name", ["zoneout_h", "alpha", "second"])
def test_each_live_value_is_checked_before_samples_are_drawn(name):
    """A layer may have several, and a strength may be known without all of them."""
    zoneout = kd.layers.Zoneout(keras.layers.GRUCell(3), 0.2, name="noise")
    standout = kd.layers.Standout(keras.layers.Dense(3), name="noise")
    noise = standout if name == "alpha" else zoneout
    bad, good = (
        keras.Sequential([keras.Input((2, 4)), kd.layers.Dropout(0.5), each])
        for each in (noise, kd.layers.Dropout(0.5))
    )
    wanted = "zoneout_h" if name == "second" else name
    keras.Variable.assign(noise.source(wanted).variable, float("nan"))
    models = [good, bad] if name == "second" else bad

    with pytest.raises(ValueError, match=f"past its checks(.|\n)*`layer.{wanted}`"):
        kd.mc_predict(models, np.ones((2, 2, 4), "float32"), 4)
