"""Rates that held-out data choose."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout import calibration

L = keras.layers


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)).astype("float32")
    return x, (x @ rng.normal(size=(6, 3)) + rng.gumbel(size=(120, 3))).argmax(-1)


def _model(first, second):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((6,)), first, L.Dense(8, "relu"), second, L.Dense(3, "softmax")]
    )


@pytest.fixture
def model():
    return _model(kd.layers.Dropout(0.2, name="a"), L.Dropout(0.5, name="b"))


def test_the_best_of_what_it_saw_is_set(model, data):
    factors = (0.25, 1, 3)

    table = calibration.tune_rates(model, *data, factors=factors, samples=8)

    assert [trial.factor for trial in table] == [0, *factors]
    assert table.best.nll == min(trial.nll for trial in table[1:])
    assert (table.best.above_best, table.best.above_best_error) == (0, 0)
    rates = {"a/rate": 0.2 * table.best.factor, "b/rate": 0.5 * table.best.factor}
    rates = {path: min(rate, 0.95) for path, rate in rates.items()}
    assert table.best.rates == pytest.approx(rates)
    assert model.layers[0].rate == pytest.approx(rates["a/rate"])
    assert model.layers[2].rate == pytest.approx(rates["b/rate"])
    # As another call finds it, and beside what the model says without noise.
    again = kd.mc_evaluate(model, *data, samples=8, seed=0)
    assert again["nll"] == pytest.approx(table.best.nll, abs=1e-5)
    assert again.baseline["nll"] == pytest.approx(table.baseline.nll, abs=1e-5)
    assert "no noise" in repr(table)
    assert repr(table).count("*") == 1


def test_each_rate_is_tried_alone_from_the_best_of_all(model, data):
    options = {"factors": (0.5, 1.2), "samples": 8}

    table = calibration.tune_rates(model, *data, refine=1, **options)

    common = [trial for trial in table if trial.changed is None]
    assert [trial.factor for trial in common] == [0, 0.5, 1.2]
    best, seen = (
        min(common[1:], key=lambda trial: trial.nll),
        {"a/rate": 0, "b/rate": 0},
    )
    for trial in table[3:]:
        seen[trial.changed] += 1
        expected = best.rates[trial.changed] * trial.factor
        assert trial.rates[trial.changed] == pytest.approx(min(expected, 0.95))
        if trial.changed == "a/rate":
            assert trial.rates["b/rate"] == best.rates["b/rate"]
        elif trial.nll == table.best.nll:
            # The later rate starts from what the earlier one came to.
            start = min(table[1:-2], key=lambda trial: trial.nll)
            assert trial.rates["a/rate"] == start.rates["a/rate"]
    assert seen == {"a/rate": 2, "b/rate": 2}
    assert table.best.nll == min(trial.nll for trial in table[1:])
    again = kd.mc_evaluate(model, *data, samples=8, seed=0)
    assert again["nll"] == pytest.approx(table.best.nll, abs=1e-5)
    assert "b/rate" in repr(table)


# Elsewhere a compiled function runs, which nothing counts.
@pytest.mark.backend("torch")
def test_what_comes_before_the_noise_is_computed_once(data):
    ran = []
    i = keras.Input((6,))
    before = L.Lambda(lambda x: ran.append(len(x)) or x, output_shape=(6,))(i)
    h = kd.layers.Dropout(0.5)(before)
    model = keras.Model(i, L.Dense(3, activation="softmax")(h))

    def calls(factors):
        ran.clear()
        calibration.tune_rates(model, *data, factors=factors, samples=2)
        return len(ran)

    calls((1,))
    # For all samples of all settings, and for the model without noise.
    assert calls((0.5, 0.7)) == calls((0.5, 0.6, 0.7, 0.8, 0.9)) == 2


def test_only_the_layers_that_are_picked_change(model, data):
    calibration.tune_rates(model, *data, layers="a", factors=(0.5,), samples=2)

    assert model.layers[0].rate == pytest.approx(0.1)
    assert model.layers[2].rate == 0.5


def test_rates_come_back_after_an_error(model, data):
    x, y = data

    with pytest.raises(ValueError, match="Labels must be integers"):
        calibration.tune_rates(model, x, y + 5, factors=(0.5,), samples=2)

    assert model.layers[0].rate == pytest.approx(0.2)
    assert model.layers[2].rate == 0.5


def test_values_are_judged_with_the_noise_of_their_residuals(data):
    x, _ = data
    i = keras.Input((6,))
    model = keras.Model(i, L.Dense(1)(kd.layers.Dropout(0.4)(i)))
    y = keras.ops.convert_to_numpy(model(x)) + np.random.default_rng(1).normal(
        size=(120, 1)
    )

    table = calibration.tune_rates(model, x, y, factors=(0.1, 2), samples=20)

    # The noise-free model made the data.
    assert table.best.factor == 0.1
    assert table.baseline.nll == pytest.approx(1.42, abs=0.4)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"factors": ()}, ValueError),
        ({"factors": (0,)}, ValueError),
        ({"factors": ("much",)}, TypeError),
        ({"layers": "c"}, ValueError),
        ({"samples": 1}, ValueError),
        ({"refine": -1}, ValueError),
    ],
)
def test_bad_arguments_are_refused(model, data, change, error):
    with pytest.raises(error):
        calibration.tune_rates(model, *data, **{"samples": 2, **change})


def test_a_model_without_rates_is_refused(data):
    rate = kd.schedules.Linear(0.1, 0.5, 10)
    model = _model(kd.layers.Dropout(rate), L.Dropout(0.0))

    with pytest.raises(ValueError, match="a rate above 0"):
        calibration.tune_rates(model, *data)
