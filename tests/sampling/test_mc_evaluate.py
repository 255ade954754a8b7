"""Scores of models on data, with noise and without it."""

import keras
import numpy as np
import pytest

import keras_dropout as kd

L = keras.layers


def _classifier(rate=0.5):
    return keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(8, activation="relu"),
            L.Dropout(rate),
            L.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return _classifier()


@pytest.fixture(scope="module")
def judged(model, data):
    return kd.mc_evaluate(model, *data, samples=12, seed=1, batch_size=32)


def test_it_scores_what_the_sampler_draws_and_what_the_model_says(judged, model, data):
    x, y = data
    prediction = kd.mc_predict(model, x, samples=12, seed=1, batch_size=32)

    expected = kd.evaluate(prediction, y, baseline=model.predict(x, verbose=0))

    assert dict(judged) == pytest.approx(dict(expected), abs=1e-6)
    assert judged.errors == pytest.approx(expected.errors, abs=1e-6)
    assert dict(judged.baseline) == pytest.approx(dict(expected.baseline), abs=1e-5)
    assert judged.difference["nll"] != 0
    assert "no baseline" not in repr(judged)


class _Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 3

    def __getitem__(self, place):
        rows = slice(32 * place, 32 * place + 32)
        return self.x[rows], self.y[rows], np.ones(len(self.x[rows]))


def test_data_come_as_evaluate_takes_them(model, data):
    x, y = data
    # Shared noise is the same function however the rows come.
    options = {"samples": 12, "seed": 1, "masks": "shared"}
    expected = pytest.approx(dict(kd.mc_evaluate(model, x, y, **options)), abs=1e-5)
    dataset = _Batches(x, y)
    pairs = ((x[i : i + 32], y[i : i + 32]) for i in range(0, 70, 32))

    for source in (dataset, pairs):
        assert dict(kd.mc_evaluate(model, source, **options)) == expected
    assert dict(kd.mc_evaluate(model, x, y.tolist(), **options)) == expected


def test_weights_of_0_leave_rows_out(model, data):
    x, y = data
    weight = (np.arange(70) < 40).astype("float32")

    found = kd.mc_evaluate(
        model, x, y, samples=4, seed=1, masks="shared", sample_weight=weight
    )

    few = kd.mc_evaluate(model, x[:40], y[:40], samples=4, seed=1, masks="shared")
    assert dict(found) == pytest.approx(dict(few), abs=1e-5)
    assert found.rows == 40


def test_several_outputs_have_an_evaluation_each(data):
    x, y = data
    i = keras.Input((4,))
    h = L.Dropout(0.5)(i)
    outputs = {
        "kind": L.Dense(3, activation="softmax")(h),
        "yes": L.Dense(1, activation="sigmoid")(h),
        "size": L.Dense(2)(h),
    }
    named = keras.Model(i, outputs)
    listed = keras.Model(i, list(outputs.values()))
    truth = {"kind": y, "yes": y > 0, "size": x[:, :2]}
    options = {"samples": 4, "seed": 0, "noise_variance": 2.0}

    found = kd.mc_evaluate(named, x, truth, **options)
    others = kd.mc_evaluate(listed, x, [y, y > 0, x[:, :2]], **options)

    assert [found[name].kind for name in outputs] == [
        "probabilities",
        "binary",
        "values",
    ]
    for one, other in zip(outputs, others, strict=True):
        assert dict(found[one]) == pytest.approx(dict(other), abs=1e-5)
    with pytest.raises(ValueError, match="keys of the outputs"):
        kd.mc_evaluate(named, x, {"kind": y}, **options)


def test_sequences_and_pixels_count_without_their_padding():
    rng = np.random.default_rng(1)
    i = keras.Input((None,), dtype="int32")
    h = L.Dropout(0.5)(L.Embedding(9, 4, mask_zero=True)(i))
    model = keras.Model(i, L.Dense(3, activation="softmax")(h))
    x = rng.integers(1, 9, size=(12, 5))
    x[::2, 3:] = 0
    y = rng.integers(0, 3, size=(12, 5))
    options = {"samples": 4, "seed": 0}

    found = kd.mc_evaluate(model, x, np.where(x > 0, y, -9), **options)

    right = kd.mc_predict(model, x, **options).label == y
    assert found["accuracy"] == pytest.approx(right[x > 0].mean())
    assert len(found.columns["row"]) == (x > 0).sum()
    assert found.rows == 12


def test_the_mixture_takes_the_noise_of_every_sample(data):
    x, _ = data
    model = keras.Sequential([keras.Input((4,)), L.Dropout(0.5), L.Dense(2)])
    y = x[:, :1]

    found = kd.mc_evaluate(model, x, y, samples=6, seed=2, outputs="gaussian")

    draws = kd.mc_predict(
        model, x, samples=6, seed=2, outputs="values", return_samples=True
    ).samples.astype(float)
    mean, spread = draws[..., :1], np.exp(draws[..., 1:])
    density = np.exp(-0.5 * (y - mean) ** 2 / spread) / np.sqrt(2 * np.pi * spread)
    assert found["nll"] == pytest.approx(-np.log(density.mean(axis=0)).mean(), abs=1e-5)
    quiet = model.predict(x, verbose=0).astype(float)
    spread = np.exp(quiet[:, 1:])
    terms = 0.5 * (y - quiet[:, :1]) ** 2 / spread + 0.5 * np.log(2 * np.pi * spread)
    assert found.baseline["nll"] == pytest.approx(terms.mean(), abs=1e-5)


def test_the_baseline_of_an_ensemble_is_a_single_member(data):
    x, y = data
    members = [
        keras.Sequential([keras.Input((4,)), L.Dense(3, activation="softmax")])
        for _ in range(3)
    ]

    found = kd.mc_evaluate(members, x, y, samples=1, seed=0)

    alone = [
        kd.metrics.negative_log_likelihood(y, each.predict(x, verbose=0))
        for each in members
    ]
    mean = np.mean([each.predict(x, verbose=0) for each in members], axis=0)
    together = kd.metrics.negative_log_likelihood(y, mean)
    assert found.baseline["nll"] == pytest.approx(np.mean(alone), abs=1e-5)
    assert found["nll"] == pytest.approx(together, abs=1e-5)
    # By Jensen's inequality.
    assert found.difference["nll"] < 0
    assert "3 models alone" in repr(found)


def test_noise_that_is_always_on_is_off_in_the_baseline(data):
    x, y = data
    model = keras.Sequential(
        [
            keras.Input((4,)),
            kd.layers.Dropout(0.5, monte_carlo=True),
            L.Dense(3, activation="softmax"),
        ]
    )

    found = kd.mc_evaluate(model, x, y, samples=4, seed=0)

    plain = model.layers[-1](x)
    expected = kd.metrics.negative_log_likelihood(y, keras.ops.convert_to_numpy(plain))
    assert found.baseline["nll"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"y": None}, ValueError, "truth"),
        ({"y": np.zeros(3, int)}, ValueError, "rows"),
        ({"noise_variance": 1.0}, ValueError, "noise_variance"),
        ({"samples": 1}, ValueError, "samples"),
        ({"by": "luck"}, ValueError, "by"),
        ({"x": iter([np.zeros((2, 4))]), "y": None}, ValueError, "without y"),
        ({"x": iter([np.zeros((2, 4))])}, ValueError, "None where"),
    ],
)
def test_what_does_not_fit_is_refused(model, data, change, error, text):
    arguments = {"x": data[0], "y": data[1], "samples": 2, **change}

    with pytest.raises(error, match=text):
        kd.mc_evaluate(model, **arguments)
