"""The fixed masks: their size, that they cover, and that they are drawn exactly."""

import itertools
import math

import numpy as np
import pytest

from keras_dropout._layers.learned import _covering

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("channels", "members", "scale", "size"),
    [
        (10, 4, 2.0, 5),
        (16, 4, 2.0, 8),
        (64, 4, 2.0, 34),
        (128, 4, 1.5, 86),
        (256, 8, 3.0, 88),
        (10, 1, 3.0, 10),
        (11, 8, 6.0, 2),
        (7, 3, 1.0, 7),
    ],
)
def test_a_mask_has_the_size_of_the_paper(channels, members, scale, size):
    assert _covering.size(channels, members, scale) == size


@pytest.mark.parametrize(
    ("channels", "members", "size", "chance"),
    [(4, 2, 2, 1 / 6), (4, 2, 3, 3 / 4), (6, 3, 3, 0.3675)],
)
def test_the_chance_to_cover_is_the_known_one(channels, members, size, chance):
    found = math.exp(_covering.log_chance(channels, members, size))

    assert found == pytest.approx(chance, rel=1e-12)


@pytest.mark.parametrize("members", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [1.0, 1.5, 3.0, 6.0, 1e6])
def test_masks_of_any_width_end_and_cover_all_channels(members, scale):
    """The official generator hangs or raises for 40 of 224 such settings."""
    rng = np.random.default_rng(0)
    for channels in (1, 2, 3, 10, 11, 16, 256, 1000):
        size = _covering.size(channels, members, scale)
        masks = _covering.masks(channels, members, size, rng)

        assert masks.shape == (members, channels)
        assert (masks.sum(axis=1) == size).all()
        assert masks.any(axis=0).all()


def test_all_sets_of_masks_that_cover_are_equally_probable():
    """Five channels, three masks of two: 5 standard errors of a fair die."""
    subsets = list(itertools.combinations(range(5), 2))
    covering = [
        masks
        for masks in itertools.product(subsets, repeat=3)
        if len(set().union(*masks)) == 5
    ]
    draws = 20 * len(covering)
    rng = np.random.default_rng(1)
    counts = dict.fromkeys(covering, 0)
    for _ in range(draws):
        drawn = _covering.masks(5, 3, 2, rng)
        counts[tuple(tuple(np.flatnonzero(mask).tolist()) for mask in drawn)] += 1

    chi = sum((count - 20) ** 2 / 20 for count in counts.values())
    freedom = len(covering) - 1
    assert abs(chi - freedom) < 5 * math.sqrt(2 * freedom)
