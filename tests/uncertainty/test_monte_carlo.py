"""The model that answers with its uncertainty: call, save, train, export."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from tests import fresh
from tests.uncertainty import models

L = keras.layers
BACKEND = keras.backend.backend()


@pytest.mark.parametrize("masks", SCHEMES)
def test_it_answers_with_the_exact_mean_and_variance(masks):
    model, x = models.regression_oracle(kd.layers.Dropout)
    rows, samples = 150, 80
    server = kd.MonteCarlo(model, samples, masks=masks, max_rows=rows * 20, seed=3)

    answer = server.predict(np.repeat(x, rows, axis=0), batch_size=rows, verbose=0)

    mean, variance = answer["mean"][:, 0], answer["std"][:, 0] ** 2
    if masks == "shared":
        # One function a sample: the error is that of 80 draws.
        assert abs(mean[0] - 2.85) < 5 * np.sqrt(3.138125 / samples)
        assert np.ptp(mean) < 1e-4
    else:
        assert abs(mean.mean() - 2.85) < 5 * mean.std() / np.sqrt(rows)
        assert abs(variance.mean() - 3.138125) < 5 * variance.std() / np.sqrt(rows)


def test_it_answers_with_the_exact_information():
    model, x = models.classes_oracle(keras.layers.Dropout)
    server = kd.MonteCarlo(model, 100, seed=3)

    answer = server.predict(np.repeat(x, 96, axis=0), verbose=0)

    exact = models.EXACT_CLASSES
    for name in ("expected_entropy", "mutual_information", "entropy"):
        error = answer[name].std() / np.sqrt(96)
        # Raw information is low by a factor of about 1 - 1/T.
        bias = 0 if name == "expected_entropy" else exact["mutual_information"] / 100
        assert abs(answer[name].mean() + bias - exact[name]) < 5 * error + 1e-3, name


def test_each_call_draws_anew_and_a_seed_repeats():
    model, x = models.mlp(), models.x_of(5, 6)

    first, second = (kd.MonteCarlo(model, 4, seed=1) for _ in range(2))
    one, two = (first.predict(x, verbose=0)["mean"] for _ in range(2))

    assert not np.array_equal(one, two)
    np.testing.assert_allclose(second.predict(x, verbose=0)["mean"], one, rtol=1e-6)
    assert not np.array_equal(
        ops.convert_to_numpy(first(x)["mean"]), ops.convert_to_numpy(first(x)["mean"])
    )


def test_the_model_within_stays_as_it_was():
    model, x = models.mlp(dropout=L.Dropout), models.x_of(5, 6)
    predicted, before = model.predict(x, verbose=0), models.values(model)

    kd.MonteCarlo(model, 4).predict(x, verbose=0)

    assert models.unchanged(model, before)
    np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)


def test_training_it_trains_the_model_within():
    model, x = models.mlp(), models.x_of(20, 6)
    server = kd.MonteCarlo(model, 4)
    before = model.get_weights()[0]

    server.compile("sgd", "sparse_categorical_crossentropy")
    history = server.fit(x, np.arange(20) % 3, epochs=1, verbose=0)

    assert "loss" in history.history
    assert not np.array_equal(model.get_weights()[0], before)
    assert np.isfinite(server.evaluate(x, np.arange(20) % 3, verbose=0))


def test_it_comes_back_from_a_file(tmp_path):
    model, x = models.mlp(), models.x_of(5, 6)
    name = model.layers[2].name
    server = kd.MonteCarlo(model, 6, masks="antithetic", layers=name, seed=1)
    server.predict(x, verbose=0)
    server.save(tmp_path / "server.keras")

    loaded = keras.models.load_model(tmp_path / "server.keras")

    ours, theirs = server.get_config(), loaded.get_config()
    assert {**theirs, "model": None} == {**ours, "model": None}
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0)["mean"],
        server.predict(x, verbose=0)["mean"],
        rtol=1e-5,
    )


@pytest.mark.slow
def test_a_fresh_process_loads_it(tmp_path):
    server = kd.MonteCarlo(models.mlp(), 6, seed=1)
    x = models.x_of(5, 6)
    server.predict(x, verbose=0)
    server.save(tmp_path / "server.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy as np;"
        "m = keras.models.load_model('server.keras');"
        "y = m.predict(np.load('x.npy'), verbose=0);"
        "assert (y['mutual_information'] > 0).all()"
    )

    fresh.run(code, cwd=tmp_path)


SERVED = {
    "torch": (
        "import torch;"
        "serve = torch.export.load('served').module();"
        "x = torch.ones(1, 6);"
    ),
    "saved model": (
        "import numpy as np, tensorflow as tf;"
        "served = tf.saved_model.load('served');"
        "serve = served.serve;"
        "x = np.ones((3, 6), 'float32');"
        "assert serve(x[:2])['mean'].shape == (2, 3);"
    ),
}


@pytest.mark.slow
@pytest.mark.newest
def test_what_is_exported_varies_and_needs_no_keras_dropout(tmp_path):
    format = "torch" if BACKEND == "torch" else "tf_saved_model"
    server = kd.MonteCarlo(models.mlp(dropout=L.Dropout), 6, seed=1)
    path = tmp_path / ("served.pt2" if format == "torch" else "served")
    server.export(path, format=format, verbose=False)
    path.rename(tmp_path / "served")
    code = SERVED["torch" if BACKEND == "torch" else "saved model"] + (
        "one, two = serve(x), serve(x);"
        "assert one['mean'].shape == (len(x), 3);"
        "assert (one['mean'] != two['mean']).numpy().any();"
        "assert one['mutual_information'].numpy().min() > 0;"
        "import sys;"
        "assert 'keras_dropout' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_several_outputs_answer_in_their_own_structure():
    i = keras.Input((6,))
    h = L.Dropout(0.5)(L.Dense(5)(i))
    model = keras.Model(i, {"a": L.Dense(2)(h), "b": L.Dense(1, "sigmoid")(h)})

    answer = kd.MonteCarlo(model, 4).predict(models.x_of(3, 6), verbose=0)

    assert set(answer) == {"a", "b"}
    assert set(answer["a"]) == {"mean", "std"}
    assert answer["b"]["mutual_information"].shape == (3,)


def test_a_gaussian_head_answers_with_both_variances():
    model = keras.Sequential([keras.Input((6,)), L.Dropout(0.5), L.Dense(2)])

    server = kd.MonteCarlo(model, 4, outputs="gaussian")
    answer = server.predict(models.x_of(3, 6), verbose=0)

    total = answer["epistemic"] + answer["aleatoric"]
    np.testing.assert_allclose(answer["std"] ** 2, total, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"samples": 1}, ValueError, "an integer of at least 2"),
        ({"samples": 2.5}, TypeError, "an integer of at least 2"),
        ({"samples": 3, "masks": "antithetic"}, ValueError, "an even number"),
        ({"masks": "sobol"}, ValueError, "one of 'independent'"),
        ({"layers": [L.Dropout]}, TypeError, "None or names of layers"),
        ({"outputs": "classes"}, ValueError, "'auto' or 'values'"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        kd.MonteCarlo(models.mlp(), **arguments)


def test_a_model_without_noise_is_refused():
    model = keras.Sequential([keras.Input((6,)), L.Dense(2)])
    with pytest.raises(ValueError, match="no noise to sample"):
        kd.MonteCarlo(model)
