"""How exactly a rate is met, from the smallest up, and a rate a place."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_dropout import random
from keras_dropout.random import context, schemes, thresholds
from tests.bounds import near
from tests.random.test_battery import WAYS, plain

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
ways = pytest.mark.parametrize("way", WAYS[BACKEND])
# As rare as 5 standard errors of a normal number.
RARE = 2 * stats.norm.sf(5)


def numpy(x):
    return ops.convert_to_numpy(x)


def keys(count, seed=3):
    generator = keras.random.SeedGenerator(seed)
    return [random.next_key(generator) for _ in range(count)]


def chance(dropped, size, rate):
    """How likely a count at least as far from its mean is, exactly."""
    binomial = stats.binom(size, rate)
    return 2 * min(binomial.cdf(dropped), binomial.sf(dropped - 1))


@ways
@pytest.mark.parametrize("rate", [1e-3, 1e-4, 1e-5, 1 - 1e-4, 1 - 2**-20])
def test_rates_near_0_and_1_are_met(way, rate):
    rate, shape = np.float32(rate), (2048, 2048)
    draw = way(lambda key: random.keep_mask(shape, rate, key))
    masks = [numpy(draw(key)) for key in keys(4)]

    dropped = sum(np.count_nonzero(~mask) for mask in masks)

    assert chance(dropped, 4 * masks[0].size, float(rate)) > RARE


@ways
@pytest.mark.parametrize("rate", [1e-3, 0.3, 1 - 1e-3])
def test_small_masks_meet_their_rate(way, rate):
    draw = way(lambda key: random.keep_mask((50, 60), np.float32(rate), key))
    masks = [numpy(draw(key)) for key in keys(200)]

    dropped = sum(np.count_nonzero(~mask) for mask in masks)

    assert chance(dropped, 200 * 3000, rate) > RARE


@ways
@pytest.mark.parametrize("rate", [1e-7, 3.3e-6])
def test_the_smallest_rates_are_met_to_one_part_in_ten_thousand(way, rate, monkeypatch):
    """The generator gives all words that can matter, and so the count is exact."""
    module = random._backend
    every, unit = np.arange(1 << 15, dtype=np.uint32), 2.0**-32
    # Ties have 32 bits. The words are spaced evenly, so that half of them drop.
    step = np.uint32(2 * rate * 2.0**48 / every.size)
    if BACKEND == "jax":
        import jax

        monkeypatch.setattr(module, "_words", lambda *_: jax.numpy.asarray(every))
        compiled = jax.jit(module._keep_mask.__wrapped__, static_argnums=(0, 1, 2))

        def draw(shape, rate, key):
            return compiled(shape, 1, False, rate, key)
    elif BACKEND == "tensorflow" and way is not plain:
        import tensorflow as tf

        monkeypatch.setattr(module, "_words", lambda *_: tf.constant(every))
        draw = module._threefry_reach
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        words = np.zeros((9, every.size), "int32")
        words[8] = (every * step).view("int32")
        monkeypatch.setattr(module, "_philox_words", lambda *_: tf.constant(words))
        unit = step * 2.0**-48 / 16

        def draw(shape, rate, key):
            return module._count_reach(16 * every.size, rate, key)
    elif way is plain:
        words = np.zeros((18, every.size), np.uint16)
        words[16:] = (every * step).view(np.uint16).reshape(2, -1)
        monkeypatch.setattr(module.cpu, "words", lambda *_: words)
        unit = step * 2.0**-48 / 16

        def draw(shape, rate, key):
            return module.keep_mask((16 * every.size,), float(rate), key)
    else:
        import torch

        numbers = torch.from_numpy(2 * every.astype(np.int32))
        monkeypatch.setattr(module.compiled, "numbers", lambda *_: numbers)
        unit = 2.0**-31
        compiled = way(lambda key: module.keep_mask((1,), rate, key))

        def draw(shape, rate, key):
            return compiled(key)

    rate = ops.convert_to_tensor(rate, "float32")

    # What has no ties to decide, or not enough, leaves it to many keys.
    many = keys(1 if unit < 2.0**-40 else 500)
    counts = [np.count_nonzero(~numpy(draw(every.shape, rate, k))) for k in many]

    assert abs(np.mean(counts) * unit / float(rate) - 1) < 1e-4


@pytest.mark.once
def test_the_parts_of_a_threshold_are_exact():
    rng = np.random.default_rng(0)
    rates = np.float32(10.0 ** rng.uniform(-9, 0, 2000))
    for upper, lower in ((8, 16), (16, 32), (16, 16)):
        for rate, *parts in zip(
            rates, *thresholds.parts(rates, np.floor, upper, lower), strict=True
        ):
            high, low, rest = map(Fraction, map(float, parts))

            assert Fraction(float(rate)) * 2 ** (upper + lower) == (
                high * 2**lower + low + rest
            )
            assert 0 <= rest < 1
            assert 0 <= low < 2**lower
            assert low.denominator == 1


def test_the_dither_of_successive_keys_fills_its_range_evenly():
    drawn = np.array([float(random._backend.dither(key)) for key in keys(256)])

    assert drawn.min() >= 0
    assert drawn.max() < 1
    for share in (0.1, 0.497, 0.9):
        # A uniform sequence scatters by 0.03; this one is as even as a grid, nearly.
        assert abs(np.mean(drawn < share) - share) < 4 / 256


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_joined_masks_meet_small_rates(scheme):
    rate, size, found = np.float32(1e-4), 50_000, 0
    for key in keys(20):
        with context.sampling([], context.Arrangement(4, 2, scheme, 0)):
            mask = numpy(random.keep_mask((8, size), rate, key))
        # One row of one sample: the others may be joined with it.
        found += np.count_nonzero(~mask[2])

    assert chance(found, 20 * size, float(rate)) > RARE


@ways
@pytest.mark.parametrize("size", [3000, 40000])
def test_each_place_may_have_a_rate_of_its_own(way, size):
    rates = np.linspace(0, 1, 9, dtype="float32")
    rates[1] = 1e-3
    places = ops.convert_to_tensor(rates)
    draw = way(lambda key: random.keep_mask((size, 9), places, key))

    kept = numpy(draw(keys(1)[0]))

    assert near(kept, 1 - rates, rates * (1 - rates))
    assert not np.array_equal(kept, numpy(draw(keys(2)[1])))


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
@pytest.mark.parametrize("first", [12, 1])
def test_every_scheme_takes_a_rate_a_place(scheme, first):
    rates = np.linspace(0, 1, 5, dtype="float32")[:, None]
    with context.sampling([], context.Arrangement(4, 3, scheme, 0)):
        shape = (first, 5, 4000)
        mask = numpy(random.keep_mask(shape, ops.convert_to_tensor(rates), keys(1)[0]))

    assert mask.shape == (12, 5, 4000)
    for sample in mask[::3]:
        assert near(sample.T, 1 - rates[:, 0], (rates * (1 - rates))[:, 0])


def test_the_probability_of_a_place_is_its_own():
    rates = np.array([0, 1e-4, 0.5, 1], "float32")

    kept = numpy(random.keep_probability(ops.convert_to_tensor(rates)))

    np.testing.assert_array_equal(kept, 1 - rates)
