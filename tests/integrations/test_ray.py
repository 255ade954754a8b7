"""Ray's actors give each row once, in order, whatever happens to them."""

import os
import signal

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.integrations.ray import predict

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

pytestmark = pytest.mark.once

ROWS = 100_000


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two processors of this machine."""
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [
            keras.Input((2,)),
            kd.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def numbers(rows, blocks):
    """A dataset of numbered rows."""
    dataset = ray.data.range(rows, override_num_blocks=blocks)

    def columns(batch):
        x = batch["id"] % 97 / 97
        return {**batch, "x": np.stack([x, 1 - x], axis=1).astype("float32")}

    return dataset.map_batches(columns)


def collected(dataset):
    batches = list(dataset.iter_batches(batch_size=None, batch_format="numpy"))
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def test_two_actors_give_each_row_once_also_when_one_is_killed(model):
    """A process that computes a block dies on the way, as an outage would have it."""
    dataset = predict(
        numbers(ROWS, 40),
        model,
        x="x",
        outputs=["mean", "std"],
        samples=4,
        seed=1,
        masks="shared",
        concurrency=2,
    )
    killed, found = [], []
    for number, batch in enumerate(
        dataset.iter_batches(batch_size=None, batch_format="numpy")
    ):
        found.append(batch)
        if number == 2:
            killed += kill_one()
    found = {name: np.concatenate([b[name] for b in found]) for name in found[0]}

    assert killed
    np.testing.assert_array_equal(found["id"], np.arange(ROWS))
    expected = kd.mc_predict(model, found["x"][:97], 4, seed=1, masks="shared")
    place = found["id"] % 97
    np.testing.assert_allclose(found["mean"], expected.mean[place], atol=1e-6)
    np.testing.assert_allclose(found["std"], expected.std[place], atol=1e-6)


def kill_one():
    """Kills the process of an actor that predicts."""
    for folder in os.listdir("/proc"):
        if not folder.isdigit():
            continue
        try:
            with open(f"/proc/{folder}/cmdline") as file:
                name = file.read()
        except OSError:
            continue
        if name.startswith("ray::MapWorker") and is_child(int(folder)):
            os.kill(int(folder), signal.SIGKILL)
            return [int(folder)]
    return []


def is_child(process):
    """Whether a process was started, at some remove, by this one."""
    while process > 1:
        if process == os.getpid():
            return True
        with open(f"/proc/{process}/stat") as file:
            process = int(file.read().rpartition(")")[2].split()[1])
    return False


@pytest.mark.release
def test_independent_blocks_repeat_from_run_to_run(model):
    runs = [
        collected(
            predict(
                numbers(4000, 4),
                model,
                x="x",
                samples=4,
                seed=1,
                concurrency=concurrency,
                block_rows=1000,
            )
        )
        for concurrency in (1, (1, 2))
    ]

    np.testing.assert_array_equal(runs[0]["id"], np.arange(4000))
    for name in ("id", "mean", "std"):
        np.testing.assert_array_equal(runs[0][name], runs[1][name])
    # Equal rows of different blocks have noise of their own.
    same = runs[0]["id"] % 97 == 5
    assert len(np.unique(runs[0]["mean"][same][:, 0])) > 10
    assert not ray.data.DataContext.get_current().execution_options.preserve_order


def test_a_model_that_does_not_load_gives_one_clear_error(tmp_path):
    dataset = predict(numbers(100, 2), tmp_path / "none.keras", x="x", concurrency=1)

    with pytest.raises(Exception, match=r"Cannot load the model .*none\.keras"):
        collected(dataset)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dataset": [1]}, TypeError, "dataset"),
        ({"concurrency": 0}, ValueError, "concurrency"),
        ({"concurrency": "all"}, TypeError, "concurrency"),
        ({"block_rows": 0}, ValueError, "block_rows"),
        ({"samples": 1}, ValueError, "samples"),
    ],
)
def test_arguments_are_refused_at_the_call(model, options, error, words):
    dataset = options.pop("dataset", None) or ray.data.range(3)

    with pytest.raises(error, match=words):
        predict(dataset, model, x="x", **options)


def test_actors_share_the_memory_of_a_gpu_and_a_missing_one_is_told(model, monkeypatch):
    """JAX takes three quarters of it otherwise, and TensorFlow all."""
    asked = []

    def map_batches(self, actor, **told):
        asked.append(told["runtime_env"]["env_vars"])
        return self

    dataset = numbers(4, 1)
    monkeypatch.setattr(ray.data.Dataset, "map_batches", map_batches)
    with pytest.warns(UserWarning, match="num_gpus=0.25, but this cluster has 0"):
        predict(dataset, model, x="x", num_gpus=0.25)
    own = {"runtime_env": {"env_vars": {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}}}
    with pytest.warns(UserWarning, match="num_gpus"):
        predict(dataset, model, x="x", num_gpus=0.5, remote_args=own)
    predict(dataset, model, x="x")

    fractions = [each.get("XLA_PYTHON_CLIENT_MEM_FRACTION") for each in asked]
    assert fractions == ["0.225", "0.450", None]
    grows = [each.get("TF_FORCE_GPU_ALLOW_GROWTH") for each in asked]
    assert grows == ["true", "false", None]
