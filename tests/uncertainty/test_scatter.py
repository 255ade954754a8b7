"""Each error that is told, against how far the estimates scatter over seeds.

A small network of dropout before a softmax or a sigmoid, in NumPy. Rows are seeds: all
have the same input, and noise of their own, which a scheme joins. Its masks are few
enough to sum over, so that the exact values are known too.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from keras_dropout.uncertainty import pooling, statistics
from keras_dropout.uncertainty.statistics import Measure

pytestmark = pytest.mark.once

SEEDS, SAMPLES, UNITS = 1500, 48, 6
CLASSES, LABEL = Measure("probabilities", -1), Measure("binary", -1)
# Samples that depend on one another.
BLOCKS = {"independent": 1, "antithetic": 2, "stratified": 8}
SCHEMES = tuple(BLOCKS)


def _softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _network(measure, generator):
    """Probabilities of masks, for weights at random."""
    outputs = 3 if measure is CLASSES else 1
    kernel = generator.normal(size=(UNITS, outputs))

    def call(masks):
        x = 2.0 * masks @ kernel
        return _softmax(x) if measure is CLASSES else 1 / (1 + np.exp(-x))

    return call


def _masks(scheme, generator):
    """Masks (samples, seeds, units) as the scheme joins them; half of all are kept."""
    size = (SAMPLES // BLOCKS[scheme], BLOCKS[scheme], SEEDS, UNITS)
    if scheme == "antithetic":
        half = generator.random((size[0], 1, SEEDS, UNITS))
        uniforms = np.concatenate([half, 1 - half], axis=1)
    elif scheme == "stratified":
        strata = np.argsort(generator.random(size), axis=1)
        uniforms = (strata + generator.random(size)) / BLOCKS[scheme]
    else:
        uniforms = generator.random(size)
    return (uniforms.reshape(SAMPLES, SEEDS, UNITS) > 0.5).astype(float)


def _exact(networks, measure):
    """The mean and the mutual information, over all masks of all models."""
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=UNITS)))
    samples = np.concatenate([network(masks) for network in networks])[:, None]
    kept = np.ones(len(samples), bool)
    summary = statistics.summarise(samples, kept, measure, np)
    return summary["mean"], summary["information"]


def _summary(samples, measure, block, chunk):
    """What calls of so many samples merge into."""
    total = None
    for start in range(0, SAMPLES, chunk):
        part = samples[start : start + chunk]
        kept = np.ones(chunk, bool)
        part = statistics.summarise(part, kept, measure, np, block=block)
        total = part if total is None else statistics.merge([total, part], measure, np)
    return total


def _pooled(measure, scheme, models, chunk, seed=0):
    generator = np.random.default_rng(seed)
    networks = [_network(measure, generator) for _ in range(models)]
    summaries = [
        _summary(network(_masks(scheme, generator)), measure, BLOCKS[scheme], chunk)
        for network in networks
    ]
    return pooling.pool(summaries, measure, np), _exact(networks, measure)


def _assert_tells(error, estimates, slack):
    """Asserts that squared errors are on average the variance of the estimates.

    The variance over seeds has a chi-square distribution; what is told is so much more
    certain that the bound, at one in a million, leaves room for its own scatter.
    """
    ratio = estimates.var(axis=0, ddof=1) / error.mean(axis=0)
    freedom = SEEDS - 1
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], freedom) / freedom
    assert (ratio > low / (1 + slack)).all()
    assert (ratio < high * (1 + slack)).all()


each_scheme = pytest.mark.parametrize("scheme", SCHEMES)
each_measure = pytest.mark.parametrize(
    "measure", [CLASSES, LABEL], ids=lambda m: m.kind
)
each_number = pytest.mark.parametrize("models", [1, 3])


@pytest.mark.parametrize("chunk", [SAMPLES, 8], ids=["at once", "in calls"])
@each_number
@each_measure
@each_scheme
def test_errors_tell_how_far_estimates_scatter(scheme, measure, models, chunk):
    pooled, _ = _pooled(measure, scheme, models, chunk)

    # Variances estimated from B blocks scatter by sqrt(2 / B) each, over all seeds.
    blocks = models * SAMPLES / BLOCKS[scheme]
    own = 5 * np.sqrt(2 / blocks / SEEDS)
    _assert_tells(pooled["error"], pooled["mean"], own)
    # Beside that, terms of second order in the number of samples; and between models
    # that disagree what is not known of how classes vary together.
    left = 5 / SAMPLES + (0.2 if models > 1 and measure is CLASSES else 0)
    _assert_tells(pooled["information_error"], pooled["information"], own + left)


def test_calls_of_one_sample_tell_the_error_too():
    pooled, _ = _pooled(CLASSES, "independent", 1, chunk=1)

    own = 5 * np.sqrt(2 / SAMPLES / SEEDS) + 5 / SAMPLES
    _assert_tells(pooled["information_error"], pooled["information"], own)


@each_number
@each_measure
@each_scheme
def test_the_bias_of_the_information_is_taken_out(scheme, measure, models):
    pooled, (_, exact) = _pooled(measure, scheme, models, chunk=8)

    corrected = pooled["information"] + pooled["information_bias"]
    error = corrected.std(ddof=1) / np.sqrt(SEEDS)
    assert abs(corrected.mean() - exact) < 5 * error + exact / SAMPLES**1.5
    if scheme == "independent" and models == 1 and measure is CLASSES:
        # The bound can tell: without the correction it is passed.
        assert exact - pooled["information"].mean() > 5 * error


def test_joined_samples_are_not_corrected_as_independent_ones_are():
    pooled, (_, exact) = _pooled(CLASSES, "stratified", 1, chunk=8)

    information = pooled["information"] * SAMPLES / (SAMPLES - 1)
    error = information.std(ddof=1) / np.sqrt(SEEDS)
    assert information.mean() - exact > 5 * error


def test_one_block_of_all_samples_bounds_the_errors_and_corrects_nothing():
    generator = np.random.default_rng(0)
    network = _network(CLASSES, generator)
    samples = network(_masks("stratified", generator))[: BLOCKS["stratified"]]
    kept = np.ones(len(samples), bool)

    summary = statistics.summarise(samples, kept, CLASSES, np, block=len(samples))
    pooled = pooling.pool([summary], CLASSES, np)

    assert (pooled["mean"].var(axis=0) < pooled["error"].mean(axis=0)).all()
    told = pooled["information_error"].mean()
    assert pooled["information"].var() < told
    assert not pooled["information_bias"].any()
