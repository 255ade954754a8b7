"""The pictures show the numbers that they are given."""

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
from matplotlib import colors, pyplot

import keras_dropout as kd
from keras_dropout import plots
from keras_dropout.plots import styles
from tests.uncertainty import models

pytestmark = pytest.mark.once


@pytest.fixture
def ax():
    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


@pytest.fixture(scope="module")
def prediction():
    x = models.x_of(12, 6)
    return kd.mc_predict(models.mlp(), x, samples=6, seed=0, return_samples=True)


def of_classes(rows=40, classes=3, seed=0):
    """A prediction of some samples, and labels, without a model."""
    generator = np.random.default_rng(seed)
    samples = generator.dirichlet(np.ones(classes), size=(5, rows))
    y = generator.integers(0, classes, rows)
    return kd.Prediction.from_samples(samples, "probabilities"), y


def test_histogram_has_an_outline_for_each_group_and_says_what_it_shows(ax, prediction):
    result = plots.uncertainty_histogram(
        prediction, np.ones(5), labels=["in", "out"], ax=ax
    )

    assert result is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in", "out"]
    assert ax.get_xlabel() == "entropy (nats)"
    # In grey and in print the groups differ by their hatch.
    first, second = ax.patches
    assert first.get_hatch() != second.get_hatch()
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


def test_without_samples_a_bar_shows_how_far_a_class_moves(ax):
    prediction, _ = of_classes()
    kept = prediction[3]
    streamed = kd.Prediction(
        **{
            name: getattr(kept, name)
            for name in ("mean", "variance", "standard_error", "count", "kind")
        },
        class_axis=-1,
    )

    plots.class_probabilities(streamed, ax=ax)

    bars = ax.collections[0].get_segments()
    np.testing.assert_allclose(
        [high - low for (_, low), (_, high) in bars], 2 * streamed.std[0], rtol=1e-6
    )


def test_error_falls_as_uncertain_rows_are_left_out(ax):
    uncertainty = np.array([0.1, 0.1, 0.1, 0.5])
    errors = np.array([1, 0, 0, 1])

    plots.risk_coverage(errors, uncertainty, ax=ax)

    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0.75, 1])
    np.testing.assert_allclose(line.get_ydata(), [1 / 3, 0.5])


def test_takes_a_prediction_with_labels_an_evaluation_or_arrays(ax):
    prediction, y = of_classes()
    wrong = (prediction.label != y).astype(float)
    ways = {
        plots.risk_coverage: (wrong, 1 - prediction.max_probability),
        plots.reliability: (prediction.max_probability, 1 - wrong),
    }
    for draw, arrays in ways.items():
        draw(prediction, y, ax=ax)
        draw(*arrays, ax=ax)
        drawn = [line for line in ax.lines if line.get_label() != "_guide"][-2:]

        assert drawn[0].get_xydata() == pytest.approx(drawn[1].get_xydata(), rel=1e-6)
    judged = kd.evaluate(prediction, y)
    plots.reliability(judged, ax=ax)
    with pytest.raises(ValueError, match="known noise"):
        plots.coverage(judged, ax=ax)
    with pytest.raises(ValueError, match="as many as"):
        plots.risk_coverage([0, 1], [1.0, 2.0, 3.0], ax=ax)


def test_roc_is_the_curve_whose_area_separation_gives(ax):
    inside, outside = [0.1, 0.4, 0.65, 0.35], [0.35, 0.8, 0.9]

    plots.roc(inside, outside, label="letters", ax=ax)

    line = ax.lines[0]
    area = np.trapezoid(line.get_ydata(), line.get_xdata())
    assert area == pytest.approx(kd.metrics.separation(inside, outside)["auroc"])
    assert line.get_label() == f"letters (AUROC {area:.2f})"
    assert [line.get_xydata()[i].tolist() for i in (0, -1)] == [[0, 0], [1, 1]]


def test_coverage_counts_the_values_inside_each_central_interval(ax):
    quantile = np.array([0.5, 0.3, 0.9, 0.05])

    plots.coverage(quantile, ax=ax)
    plots.quantiles(quantile, ax=ax)

    inside, below = (line for line in ax.lines if line.get_label() != "_guide")
    np.testing.assert_allclose(inside.get_xdata(), [0, 0, 0.4, 0.8, 0.9, 1])
    np.testing.assert_allclose(inside.get_ydata(), [0, 0.25, 0.5, 0.75, 1, 1])
    np.testing.assert_allclose(below.get_xdata(), [0, 0.05, 0.3, 0.5, 0.9, 1])


def test_a_regression_that_is_calibrated_lies_on_the_diagonal(ax):
    generator = np.random.default_rng(0)
    y = generator.normal(size=(4000, 1))
    samples = np.zeros((2, 4000, 1))
    prediction = kd.Prediction.from_samples(
        samples, "gaussian", noise_variance=np.ones_like(samples)
    )

    plots.coverage(kd.evaluate(prediction, y), ax=ax)

    x, y = ax.lines[0].get_xydata().T
    # The largest gap of an empirical distribution (Kolmogorov), at one in a million.
    assert np.abs(x - y).max() < np.sqrt(np.log(2e6) / 2 / 4000)


@pytest.mark.parametrize(("first", "step"), [("uncertain", 1), ("certain", -1)])
def test_images_stand_in_order_with_truth_answer_and_uncertainty(first, step):
    prediction, y = of_classes()
    pictures = np.arange(40)[:, None, None] * np.ones((40, 2, 2))

    axes = plots.images(pictures, prediction, y, k=3, first=first)

    expected = prediction.rank()[::step][:3]
    for ax, place in zip(axes, expected, strict=True):
        assert ax.images[0].get_array()[0, 0] == place
        text = f"{y[place]}: {prediction.label[place]}"
        assert ax.get_title() == f"{text}\n{prediction.entropy[place]:.2f} nats"
    pyplot.close(axes[0].figure)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"images": np.zeros((39, 2, 2))}, "40 images"),
        ({"images": np.zeros((40, 2))}, "images"),
        ({"k": 41}, "at most the 40"),
        ({"first": "best"}, "first"),
        ({"axes": []}, "3 axes"),
    ],
)
def test_images_that_do_not_fit_are_refused(change, text):
    prediction, _ = of_classes()
    given = {"images": np.zeros((40, 2, 2)), "prediction": prediction, "k": 3, **change}

    with pytest.raises(ValueError, match=text):
        plots.images(**given)


def test_lines_on_the_same_axes_differ_in_grey_too(ax):
    for seed in range(4):
        plots.reliability(*of_classes(seed=seed), label=str(seed), ax=ax)

    drawn = [line for line in ax.lines if line.get_label() != "_guide"]
    assert len({line.get_linestyle() for line in drawn}) == 4
    assert len({line.get_marker() for line in drawn}) == 4
    assert len({line.get_color() for line in drawn}) == 4
    assert sum(line.get_label() == "_guide" for line in ax.lines) == 1


@pytest.mark.parametrize("ground", ["#ffffff", "#1e2129"])
def test_colours_show_on_the_grounds_of_both_themes(ground):
    """A contrast of 3, as WCAG asks of graphics."""
    for colour in styles.COLOURS:
        light, dark = sorted(map(luminance, (colour, ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def luminance(colour):
    channels = np.array(colors.to_rgb(colour))
    linear = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", plots.__all__)
def test_every_axis_says_what_it_shows(name, prediction):
    draw = getattr(plots, name)
    classes, y = of_classes()
    given = {
        "class_probabilities": (prediction,),
        "coverage": ([0.1, 0.5],),
        "quantiles": ([0.1, 0.5],),
        "reliability": (classes, y),
        "risk_coverage": (classes, y),
        "roc": ([0.1], [0.2]),
        "uncertainty_histogram": (prediction,),
    }
    if name in ("images", "regression_band"):
        return
    ax = draw(*given[name])

    assert ax.get_xlabel()
    assert ax.get_ylabel()
    pyplot.close(ax.figure)
