"""The statistics of samples, against values by hand and in double precision."""

import keras
import numpy as np
import pytest

from keras_dropout.uncertainty import classes, pooling, statistics
from keras_dropout.uncertainty.statistics import Measure

VALUES, BINARY = Measure("values"), Measure("binary", -1)
CLASSES = Measure("probabilities", -1)
P = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.8, 0.1, 0.1], [0.1, 0.6, 0.3]])


class _Ops:
    """`keras.ops` that takes and gives NumPy arrays."""

    def summarise(self, samples, kept, kind, **options):
        samples = keras.ops.convert_to_tensor(samples.astype("float32"))
        summary = statistics.summarise(
            samples, keras.ops.convert_to_tensor(kept), kind, keras.ops, **options
        )
        return {name: keras.ops.convert_to_numpy(x) for name, x in summary.items()}


class _Numpy:
    def summarise(self, samples, kept, kind, **options):
        return statistics.summarise(samples, kept, kind, np, **options)


each_namespace = pytest.mark.parametrize(
    ("namespace", "rtol"), [(_Numpy(), 1e-9), (_Ops(), 2e-5)], ids=["numpy", "ops"]
)


def _all(samples):
    return np.ones(len(samples), bool)


def _streamed(samples, kind, sizes, block=1):
    """The summary that calls of these sizes merge into."""
    total, start = None, 0
    for size in sizes:
        part = samples[start : start + size]
        summary = statistics.summarise(part, _all(part), kind, np, block=block)
        total = (
            summary if total is None else statistics.merge([total, summary], kind, np)
        )
        start += size
    return total


@each_namespace
def test_measures_of_classes_equal_the_worked_example(namespace, rtol):
    samples = P[:, None]

    summary = namespace.summarise(samples, _all(samples), CLASSES)

    np.testing.assert_allclose(summary["mean"], [[0.5, 0.35, 0.15]], rtol=rtol)
    np.testing.assert_allclose(summary["information"], [0.1780431992], rtol=rtol)
    np.testing.assert_array_equal(summary["votes"], [[2, 2, 0]])
    divergences = [0.0830608972, 0.0485335406, 0.2101800957, 0.3703982634]
    m2 = np.var(divergences) * 4
    np.testing.assert_allclose(summary["information_m2"], [m2], rtol=20 * rtol)
    pooled = pooling.pool([summary], CLASSES, np)
    np.testing.assert_allclose(
        np.sqrt(pooled["variance"] * 3 / 4).mean(), 0.1888730335, rtol=rtol
    )


def test_votes_and_margins_equal_the_worked_example():
    votes, count = np.array([[2.0, 2.0, 0.0]]), np.array([4])
    mean = P.mean(axis=0)[None]

    np.testing.assert_allclose(classes.entropy(mean, CLASSES), 0.9985793316)
    np.testing.assert_allclose(classes.variation_ratio(votes, count, CLASSES), [0.5])
    np.testing.assert_allclose(classes.disagreement(votes, count, CLASSES), [2 / 3])
    np.testing.assert_allclose(classes.margin(mean, CLASSES), [0.15])
    np.testing.assert_allclose(classes.max_probability(mean, CLASSES), [0.5])


@each_namespace
def test_binary_information_equals_the_worked_example(namespace, rtol):
    samples = np.array([0.9, 0.6, 0.3])[:, None, None]

    summary = namespace.summarise(samples, _all(samples), BINARY)

    np.testing.assert_allclose(summary["information"], [0.1366920196], rtol=rtol)
    np.testing.assert_allclose(classes.entropy([[0.6]], BINARY), [0.6730116670])
    np.testing.assert_array_equal(summary["votes"], [[2]])


def test_merging_equals_the_worked_example():
    samples = np.array([1.0, 2.0, 4.0, 3.0, 7.0])[:, None]

    merged = _streamed(samples, VALUES, [3, 2])

    np.testing.assert_allclose(merged["mean"], 3.4, rtol=1e-12)
    np.testing.assert_allclose(merged["m2"], 21.2, rtol=1e-12)


@pytest.mark.parametrize("sizes", [[24], [7, 7, 7, 3], [1] * 24])
def test_streaming_gives_what_all_samples_at_once_give(sizes):
    samples = np.random.default_rng(0).dirichlet(np.ones(5), size=(24, 3))

    streamed = _streamed(samples, CLASSES, sizes)

    mean = samples.mean(axis=0)
    divergence = (samples * np.log(samples / mean)).sum(axis=-1)
    np.testing.assert_allclose(streamed["mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(streamed["m2"] / 24, samples.var(axis=0), rtol=1e-11)
    np.testing.assert_allclose(streamed["information"], divergence.mean(0), rtol=1e-11)
    # Of five classes it is not known how they vary together.
    error = np.sqrt(streamed["information_m2"] / divergence.var(axis=0) / 24)
    np.testing.assert_allclose(error, 1, atol=1e-9 if len(sizes) == 1 else 0.1)


def _beta(generator, outputs):
    """Probabilities of two classes, or of one label, that scatter widely."""
    p = generator.beta(0.5, 1.5, size=(24, 7, 1))
    return p if outputs == 1 else np.concatenate([p, 1 - p], axis=-1)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("measure", "outputs"), [(VALUES, 1), (BINARY, 1), (CLASSES, 2)], ids=str
)
def test_merged_summaries_are_the_summary_of_all(measure, outputs, seed, block):
    generator = np.random.default_rng(seed)
    samples = _beta(generator, outputs)
    cuts = block * np.sort(generator.choice(24 // block - 1, 3, replace=False) + 1)
    sizes = np.diff([0, *cuts, 24])

    whole = _streamed(samples, measure, [24], block)
    merged = _streamed(samples, measure, sizes, block)

    assert whole.keys() == merged.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(
            merged[name], value, rtol=1e-7, atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("block", [1, 2])
def test_merged_summaries_of_many_classes_are_exact_but_for_the_spread(block):
    samples = np.random.default_rng(0).dirichlet(np.ones(6), size=(24, 7))

    whole = _streamed(samples, CLASSES, [24], block)
    merged = _streamed(samples, CLASSES, [4, 14, 6], block)

    for name, value in whole.items():
        exact = "information_m2" not in name and "cross" not in name
        if exact:
            np.testing.assert_allclose(merged[name], value, rtol=1e-9, err_msg=name)
        elif "information" in name:
            np.testing.assert_allclose(merged[name], value, rtol=0.25, err_msg=name)


def test_blocks_of_unequal_sizes_count_by_their_samples():
    samples = np.random.default_rng(0).normal(size=(7, 2))
    kept = np.arange(8) < 7

    padded = np.concatenate([samples, samples[:1]])
    summary = statistics.summarise(padded, kept, VALUES, np, block=4)

    means = np.stack([samples[:4].mean(axis=0), samples[4:].mean(axis=0)])
    about = (means - samples.mean(axis=0)) ** 2
    expected = 4 * about[0] + 3 * about[1]
    np.testing.assert_allclose(summary["block_m2"], expected)
    assert summary["blocks"] == 2


@pytest.mark.parametrize(
    ("namespace", "rtol", "kind"),
    [
        (_Numpy(), 1e-9, "probabilities"),
        (_Numpy(), 1e-9, "binary"),
        (_Ops(), 2e-5, "probabilities"),
    ],
)
def test_classes_may_be_on_any_axis(namespace, rtol, kind):
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(6, 2, 4, 5))
    first = np.moveaxis(samples, -1, 2)

    last = namespace.summarise(samples, _all(samples), Measure(kind, -1), block=2)
    found = namespace.summarise(first, _all(first), Measure(kind, -3), block=2)

    assert found.keys() == last.keys()
    for name, value in last.items():
        if np.shape(value) == (2, 4, 5, 3):
            value = np.moveaxis(value, -1, 1)
        np.testing.assert_allclose(
            found[name], value, rtol=100 * rtol, atol=rtol, err_msg=name
        )


def test_probabilities_that_a_dropout_scales_have_an_information_too():
    kept = np.array([[2, 0, 2], [2, 2, 0], [0, 2, 2], [2, 2, 2]])
    samples = (P * kept)[:, None]

    summary = statistics.summarise(samples, _all(samples), CLASSES, np)

    mean = samples.mean(axis=0)
    terms = samples * np.log(np.maximum(samples, 1e-37) / mean)
    expected = terms.sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(summary["information"], expected)


@each_namespace
def test_equal_samples_have_no_information_and_no_variance_at_all(namespace, rtol):
    row = np.random.default_rng(1).dirichlet(np.ones(7), size=3).astype("float32")
    samples = np.repeat(row[None], 11, axis=0)

    summary = namespace.summarise(samples, _all(samples), CLASSES)

    assert not summary["information"].any()
    assert not summary["m2"].any()
    np.testing.assert_array_equal(summary["mean"], row)


def test_single_precision_keeps_a_small_variance_about_a_large_mean():
    samples = np.random.default_rng(2).normal(1000, 0.01, (50, 4)).astype("float32")

    summary = _Ops().summarise(samples, _all(samples), VALUES)

    exact = samples.astype("float64").var(axis=0)
    # The samples are 2^-14 apart, and so is the mean that deviations are taken from.
    np.testing.assert_allclose(summary["m2"] / 50, exact, rtol=1e-3)


@each_namespace
def test_samples_that_do_not_count_change_nothing(namespace, rtol):
    samples = np.random.default_rng(3).dirichlet(np.ones(3), size=(6, 2))
    kept = np.arange(6) < 4

    some = namespace.summarise(samples, kept, CLASSES)

    few = namespace.summarise(samples[:4], _all(samples[:4]), CLASSES)
    for name, value in few.items():
        np.testing.assert_allclose(some[name], value, rtol=10 * rtol, err_msg=name)


@each_namespace
def test_a_nan_stays_in_its_row(namespace, rtol):
    samples = np.random.default_rng(4).dirichlet(np.ones(3), size=(6, 2))
    samples[:, 1] = np.nan

    summary = namespace.summarise(samples, _all(samples), CLASSES)

    for name in ("mean", "m2", "information"):
        assert np.isfinite(summary[name][0]).all(), name
        assert np.isnan(summary[name][1]).all(), name


@each_namespace
def test_one_hot_probabilities_have_finite_information(namespace, rtol):
    samples = np.eye(3)[[0, 1, 0, 2]][:, None]

    summary = namespace.summarise(samples, _all(samples), CLASSES)

    exact = -(0.5 * np.log(0.5) + 2 * 0.25 * np.log(0.25))
    np.testing.assert_allclose(summary["information"], [exact], rtol=rtol)


def test_aleatoric_and_epistemic_variance_add_up():
    mean = np.array([1.0, 1.4, 0.6])[:, None]
    noise = np.array([0.04, 0.09, 0.01])[:, None]

    summary = statistics.summarise(mean, _all(mean), VALUES, np, noise_variance=noise)

    np.testing.assert_allclose(summary["m2"] / 3, 0.1066666667)
    np.testing.assert_allclose(summary["aleatoric"], 0.0466666667)


def test_independent_samples_divide_by_one_less_than_their_number():
    samples = np.random.default_rng(5).normal(size=(8, 3))

    pooled = pooling.pool([_streamed(samples, VALUES, [8])], VALUES, np)

    np.testing.assert_allclose(pooled["variance"], samples.var(axis=0, ddof=1))
    error = samples.std(axis=0, ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(np.sqrt(pooled["error"]), error)


def test_variance_of_antithetic_pairs_is_free_of_bias():
    u = np.random.default_rng(6).uniform(size=(4000, 2))
    # Antithetic and linear: with two pairs the sum of squares is all there is.
    pairs = np.stack([u, 1 - u], axis=1).transpose(1, 0, 2)
    samples = np.concatenate([pairs[:, :, :1], pairs[:, :, 1:]])[..., 0]

    pooled = pooling.pool([_streamed(samples, VALUES, [4], block=2)], VALUES, np)

    per_point = pooled["variance"]
    error = per_point.std() / np.sqrt(len(per_point))
    assert abs(per_point.mean() - 1 / 12) < 5 * error
    assert samples.var(axis=0, ddof=1).mean() > 1 / 12 + 5 * error
    np.testing.assert_allclose(pooled["error"], 0, atol=1e-12)


def test_models_that_disagree_have_the_variance_between_them():
    a, b = np.zeros((4, 1)), np.full((4, 1), 2.0)
    summaries = [_streamed(x, VALUES, [4]) for x in (a, b)]

    pooled = pooling.pool(summaries, VALUES, np)

    np.testing.assert_allclose(pooled["mean"], 1)
    np.testing.assert_allclose(pooled["variance"], 1)
    np.testing.assert_allclose(pooled["error"], 0)
