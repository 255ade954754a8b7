"""Monte Carlo against the sum over all masks, for each way to join samples."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from keras_dropout.random.schemes import SCHEMES
from tests.uncertainty import models

pytestmark = pytest.mark.everywhere

ROWS, SAMPLES = 150, 80

each_scheme = pytest.mark.parametrize("masks", SCHEMES)
ours_and_keras = pytest.mark.parametrize(
    "dropout", [kd.layers.Dropout, keras.layers.Dropout], ids=["ours", "keras"]
)


def _predict(oracle, dropout, masks):
    """Many rows of one input are independent trials, unless they share masks."""
    model, x = oracle(dropout)
    shared = masks == "shared"
    return kd.mc_predict(
        model,
        np.repeat(x, 1 if shared else ROWS, axis=0),
        samples=ROWS * SAMPLES if shared else SAMPLES,
        batch_size=ROWS,
        seed=11,
        masks=masks,
        max_rows=ROWS * SAMPLES // 2,
    )


def _near(found, exact, error):
    return abs(float(np.mean(found)) - exact) < 5 * float(error)


def _error(found):
    return np.std(found) / np.sqrt(len(found))


@ours_and_keras
@each_scheme
def test_mean_and_variance_converge_to_the_exact_ones(masks, dropout):
    prediction = _predict(models.regression_oracle, dropout, masks)

    if masks == "shared":
        assert _near(prediction.mean, 2.85, prediction.standard_error[0, 0])
        # A variance's standard error for a bounded variable is near its kurtosis'.
        error = 3.138125 * np.sqrt(3 / (ROWS * SAMPLES))
        assert _near(prediction.variance, 3.138125, error)
    else:
        assert _near(prediction.mean, 2.85, _error(prediction.mean))
        assert _near(prediction.variance, 3.138125, _error(prediction.variance))


@ours_and_keras
@each_scheme
def test_entropies_converge_to_the_exact_ones(masks, dropout):
    prediction = _predict(models.classes_oracle, dropout, masks)

    exact = models.EXACT_CLASSES
    information = prediction.mutual_information_corrected
    if masks == "shared":
        error = prediction.mutual_information_error[0]
        mean_error = prediction.standard_error[0]
    else:
        error = _error(information)
        mean_error = prediction.mean.std(axis=0) / np.sqrt(ROWS)
    # What the correction leaves is of order 1/T^2.
    left = 1 / prediction.count[0] ** 2
    assert abs(information.mean() - exact["mutual_information"]) < 5 * error + left
    assert (np.abs(prediction.mean.mean(axis=0) - exact["mean"]) < 5 * mean_error).all()
    expected = prediction.entropy - prediction.mutual_information
    np.testing.assert_allclose(prediction.expected_entropy, expected, rtol=1e-5)
    # The expected entropy is a plain mean, so it has no bias at all.
    spread = _error(prediction.expected_entropy) if masks != "shared" else error
    assert _near(prediction.expected_entropy, exact["expected_entropy"], spread)


@pytest.mark.parametrize("masks", ["independent", "antithetic", "stratified"])
def test_the_standard_error_tells_how_far_means_scatter(masks):
    model, x = models.regression_oracle(kd.layers.Dropout)

    prediction = kd.mc_predict(
        model,
        np.repeat(x, 400, axis=0),
        samples=64,
        batch_size=400,
        seed=5,
        masks=masks,
        max_rows=400 * 8,
    )

    told = np.sqrt(np.mean(prediction.standard_error**2))
    # The standard deviation of 400 means is known to one part in sqrt(800), and what
    # is told comes from at least 8 blocks, in 400 rows.
    assert abs(prediction.mean.std() / told - 1) < 5 * (
        1 / np.sqrt(800) + 1 / np.sqrt(2 * 7 * 400)
    )


@pytest.mark.parametrize(("masks", "gain"), [("antithetic", 1.02), ("stratified", 2.0)])
def test_joined_samples_have_less_error(masks, gain):
    model, x = models.regression_oracle(kd.layers.Dropout)
    x = np.repeat(x, 600, axis=0)

    variance = {
        scheme: kd.mc_predict(
            model, x, samples=8, batch_size=600, seed=3, masks=scheme, max_rows=4800
        ).mean.var()
        for scheme in ("independent", masks)
    }

    assert variance["independent"] / variance[masks] > gain
