"""The strengths of penalties: the table, and that it makes one bound of each loss."""

import numpy as np
import pytest

from keras_dropout import losses

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("options", "weight", "dropout"),
    [
        ({}, 1e-4 / 200, 0.01),
        ({"outputs": 5}, 1e-4 / 1000, 0.002),
        ({"loss": "mse", "precision": 2.0, "length_scale": 0.1}, 5e-5, 0.01),
        ({"loss": "mse", "outputs": 4}, 1e-4 / 400, 0.005),
        ({"loss": "double_nll", "outputs": 4}, 1e-6, 0.02),
    ],
    ids=str,
)
def test_the_table(options, weight, dropout):
    strengths = losses.kl_weights(100, **options)

    assert strengths == {
        "weight_regularizer": pytest.approx(weight),
        "dropout_regularizer": pytest.approx(dropout),
    }


def test_each_loss_with_its_penalties_is_the_same_bound():
    """Per example and up to the factor of the loss, whatever the kernel and rate."""
    rng = np.random.default_rng(0)
    outputs, examples, tau, scale = 3, 40, 2.5, 0.3
    error = rng.normal(size=(examples, outputs))
    kernel, rate, features = rng.normal(size=(7, 3)), 0.2, 7
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    norm = np.sum(kernel**2) / (1 - rate)
    kl = scale**2 / 2 * norm - features * entropy
    # Without the parts that nothing can change.
    bound = 0.5 * tau * np.sum(error**2) / examples + kl / examples

    def total(loss, value, **options):
        strengths = losses.kl_weights(
            examples, loss=loss, length_scale=scale, outputs=outputs, **options
        )
        weight, dropout = strengths.values()
        return value + weight * norm - dropout * features * entropy

    assert total("nll", np.mean(0.5 * tau * error**2)) * outputs == pytest.approx(bound)
    mse = total("mse", np.mean(error**2), precision=tau)
    assert mse * tau * outputs / 2 == pytest.approx(bound)
    double = total("double_nll", np.mean(np.sum(tau * error**2, axis=1)))
    assert double / 2 == pytest.approx(bound)


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"examples": 0}, ValueError, "examples"),
        ({"examples": 10.0}, TypeError, "examples"),
        ({"loss": "mae"}, ValueError, "loss"),
        ({"outputs": 0}, ValueError, "outputs"),
        ({"length_scale": 0}, ValueError, "length_scale"),
        ({"loss": "mse", "precision": -1}, ValueError, "precision"),
        ({"precision": 2}, ValueError, "precision"),
        ({"loss": "double_nll", "precision": 2.0}, ValueError, "precision"),
    ],
    ids=str,
)
def test_refuses(options, error, name):
    with pytest.raises(error, match=f"`{name}`"):
        losses.kl_weights(**{"examples": 10, **options})
