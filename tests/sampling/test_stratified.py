"""Stratified masks join the samples of a call, however wide the maps are."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.sampling import sizes

L = keras.layers
# Ten samples at rate 0.5 keep each unit in exactly five of them.
SAMPLES, ROWS, UNITS = 30, 20, 4


@pytest.fixture
def wide_maps(monkeypatch):
    """Every tensor counts as wider than the cache."""
    monkeypatch.setattr(sizes, "_CACHE", 1)


def _linear(dropout=kd.layers.Dropout):
    """A sum of units, whose mean over well joined samples is exact."""
    layers = [
        keras.Input((UNITS,)),
        dropout(0.5),
        L.Dense(1, kernel_initializer="ones"),
    ]
    return keras.Sequential(layers)


def _wide_map():
    """A model whose maps are wider than the cache, for hardly any inputs."""
    layers = [
        keras.Input((2, 2, 1)),
        kd.layers.SpatialDropout2D(0.5),
        L.UpSampling2D(512),
        L.GlobalAveragePooling2D(),
    ]
    return keras.Sequential(layers)


def _predicted(model, x, **options):
    prediction = kd.mc_predict(model, x, SAMPLES, masks="stratified", **options)
    return prediction.mean, prediction.variance


def _answered(model, x, **options):
    server = kd.MonteCarlo(model, SAMPLES, masks="stratified")
    answer = server.predict(x, verbose=0, **options)
    return answer["mean"], answer["std"] ** 2


@pytest.mark.parametrize(
    ("face", "dropout", "options"),
    [
        (_predicted, L.Dropout, {}),
        (_predicted, kd.layers.Dropout, {"batch_size": ROWS}),
        (_answered, kd.layers.Dropout, {}),
        pytest.param(
            _answered,
            L.Dropout,
            {"batch_size": ROWS},
            marks=pytest.mark.backend("torch"),
        ),
    ],
)
def test_samples_are_joined_on_wide_maps(wide_maps, face, dropout, options):
    x = np.ones((ROWS, UNITS), "float32")

    mean, variance = face(_linear(dropout), x, **options)

    # Independent samples scatter by a variance of 4 * 1 / 30.
    np.testing.assert_allclose(mean, UNITS, rtol=1e-6)
    # The samples of one row have a variance of 4, known to a part of sqrt(2 / 30).
    error = UNITS * np.sqrt(2 / SAMPLES / ROWS)
    assert abs(variance.mean() - UNITS) < 5 * error


def test_samples_are_joined_where_a_batch_has_many_rows():
    x = np.ones((6000, UNITS), "float32")

    mean, _ = _predicted(_linear(), x, batch_size=6000)

    np.testing.assert_allclose(mean, UNITS, rtol=1e-6)


def test_a_map_wider_than_the_cache_is_sampled_in_few_rows():
    x = np.ones((3, 2, 2, 1), "float32")

    prediction = kd.mc_predict(_wide_map(), x, 10, masks="stratified", seed=0)

    np.testing.assert_allclose(prediction.mean, 1.0, rtol=1e-5)
    np.testing.assert_allclose(prediction.variance, 1.0, rtol=1e-5)


@pytest.mark.backend("torch")
def test_joined_samples_of_many_layers_have_less_error(wide_maps):
    layers = [L.Dense(16, "relu"), kd.layers.GaussianDropout(0.5), L.Dense(16, "relu")]
    model = keras.Sequential(
        [keras.Input((3,)), *layers, kd.layers.Dropout(0.5), L.Dense(1)]
    )
    x = np.ones((400, 3), "float32")

    independent, joined = (
        kd.mc_predict(model, x, 10, batch_size=400, seed=3, masks=masks).mean.var()
        for masks in ("independent", "stratified")
    )

    # The ratio of two equal variances of 400 means is below 1.28 with 5 errors.
    assert independent / joined > 1 + 5 * np.sqrt(2 * 2 / 400)


@pytest.mark.once
@pytest.mark.parametrize("most", [1, 40, 5120])
def test_a_call_joins_ten_samples_or_all(most):
    for samples in range(2, 60):
        size = sizes.samples_per_call(samples, 8, most, "stratified")

        assert size >= 10 or size >= samples


@pytest.mark.once
def test_calls_are_even_and_join_samples_where_there_is_little_room():
    found = [
        sizes.samples_per_call(50, 8, most, "stratified", is_told=True)
        for most in (8, 16, 40, 72, 80, 88)
    ]

    assert found == [1, 2, 5, 5, 10, 10]


def test_batches_leave_room_for_ten_samples_in_the_rows_that_were_asked():
    x = np.ones((12, UNITS), "float32")

    mean, _ = _predicted(_linear(), x, max_rows=48)

    np.testing.assert_allclose(mean, UNITS, rtol=1e-6)


def test_too_few_rows_for_two_samples_are_refused():
    x = np.ones((20, UNITS), "float32")

    with pytest.raises(ValueError, match=r"one sample of a batch of 32 rows.*to 320"):
        _predicted(_linear(), x, batch_size=20, max_rows=63)
    with pytest.raises(ValueError, match="has room for one sample"):
        _predicted(_linear(), x, max_rows=1)
