"""The pictures show the numbers that they are given."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot

import keras_dropout as kd
from keras_dropout import plots
from tests.uncertainty import models

pytestmark = pytest.mark.once


@pytest.fixture
def ax():
    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


@pytest.fixture
def prediction():
    x = models.x_of(12, 6)
    return kd.mc_predict(models.mlp(), x, samples=6, seed=0, return_samples=True)


def test_histogram_has_an_outline_for_each_group(ax, prediction):
    result = plots.uncertainty_histogram(
        prediction, np.ones(5), labels=["in", "out"], ax=ax
    )

    assert result is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in", "out"]
    with pytest.raises(ValueError, match="one name for each of the 1 groups"):
        plots.uncertainty_histogram(prediction, labels=["a", "b"], ax=ax)


def test_band_is_drawn_in_the_order_of_the_input(ax):
    model, _ = models.regression_oracle(kd.layers.Dropout)
    x = np.array([[2.0, 0], [0, 0], [1, 0]], "float32")
    prediction = kd.mc_predict(model, x, samples=4, seed=0, return_samples=True)

    plots.regression_band(x[:, 0], prediction, width=3.0, ax=ax)

    mean, spread = prediction.mean[0, 0], 3.0 * prediction.std[0, 0]
    edge = ax.collections[0].get_paths()[0].vertices
    edge = np.unique(edge[edge[:, 0] == 2, 1])
    np.testing.assert_allclose(edge, [mean - spread, mean + spread], rtol=1e-6)
    mean = ax.lines[-1]
    np.testing.assert_array_equal(mean.get_xdata(), [0, 1, 2])
    np.testing.assert_array_equal(mean.get_ydata(), prediction.mean[[1, 2, 0], 0])
    assert len(ax.lines) == 5


def test_every_sample_of_every_class_is_a_point(ax, prediction):
    plots.class_probabilities(prediction, row=2, names=["a", "b", "c"], ax=ax)

    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], prediction.samples[:, 2].ravel())
    with pytest.raises(ValueError, match="return_samples=True"):
        plots.class_probabilities(
            kd.mc_predict(models.mlp(), models.x_of(2, 6), samples=2), ax=ax
        )


def test_accuracy_rises_as_uncertain_rows_are_rejected(ax):
    uncertainty = np.array([0.1, 0.1, 0.1, 0.5])
    predicted, labels = np.array([1, 0, 0, 1]), np.zeros(4)

    plots.accuracy_rejection((uncertainty, predicted), labels, ax=ax)

    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 0.25])
    np.testing.assert_allclose(line.get_ydata(), [0.5, 2 / 3])
