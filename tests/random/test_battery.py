"""10^8 bits of each generator, and generators that are weak on purpose."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_dropout import random
from tests.random import battery

pytestmark = pytest.mark.everywhere

BACKEND = keras.backend.backend()
STEPS, ROWS, COLUMNS = 6, 4096, 4096


def plain(draw):
    return draw


def by_xla(draw):
    import tensorflow as tf

    return tf.function(draw, jit_compile=True, autograph=False)


def by_threefry(draw):
    # What `torch.compile` compiles, run as it stands.
    def run(key):
        import torch

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            return draw(key)

    return run


WAYS = {"tensorflow": [plain, by_xla], "jax": [plain], "torch": [plain, by_threefry]}
ways = pytest.mark.parametrize("way", WAYS[BACKEND])


def masks(way, rate, seed, steps, shape=(ROWS, COLUMNS)):
    """Masks of one seed in consecutive steps."""
    generator = keras.random.SeedGenerator(seed)
    draw = way(lambda key: random.keep_mask(shape, rate, key))
    drawn = np.empty((steps, *shape), bool)
    for step in range(steps):
        drawn[step] = ops.convert_to_numpy(draw(random.next_key(generator)))
    return drawn


@pytest.mark.slow
@ways
@pytest.mark.parametrize("rate", [0.5, 0.3])
def test_masks_pass_the_battery(way, rate):
    # 10^8 bits at one half; a tenth of them do for the other rate.
    shape = (ROWS, COLUMNS if rate == 0.5 else COLUMNS // 10)
    drawn = masks(way, rate, seed=2026, steps=STEPS, shape=shape)

    found = battery.scores(drawn, 1 - rate)

    assert not battery.failures(found), found


@pytest.mark.slow
@ways
def test_neighbouring_seeds_share_nothing(way):
    first, second = (masks(way, 0.5, seed, steps=3) for seed in (7, 8))

    found = {
        f"steps {i} and {j}": battery.agreement(first[i], second[j], 0.5)
        for i in range(3)
        for j in range(3)
    }

    assert not battery.failures(found), found


@pytest.mark.slow
@ways
def test_small_masks_of_many_steps_pass_the_battery(way):
    drawn = masks(way, 0.5, seed=11, steps=2000, shape=(16, 64))

    found = battery.scores(drawn, 0.5)

    assert not battery.failures(found), found


@pytest.mark.slow
@ways
def test_uniforms_fill_their_cells_evenly(way):
    generator = keras.random.SeedGenerator(5)
    draw = way(lambda key: random.uniform((1 << 22,), key))
    u = ops.convert_to_numpy(draw(random.next_key(generator)))
    levels = (u * 65536).astype(np.int64)

    found = {
        "upper byte": battery.cells(np.bincount(levels >> 8, minlength=256), 1 / 256),
        "lower byte": battery.cells(np.bincount(levels & 255, minlength=256), 1 / 256),
        "neighbours": np.mean((u[1:] - 0.5) * (u[:-1] - 0.5)) * 12 * np.sqrt(u.size),
    }

    assert u.min() >= 0
    assert u.max() < 1
    assert not battery.failures(found), found


@pytest.mark.slow
@ways
def test_normals_are_normal(way):
    generator = keras.random.SeedGenerator(6)
    draw = way(lambda key: random.normal((1 << 22,), key))
    z = ops.convert_to_numpy(draw(random.next_key(generator))).astype("float64")
    level = np.minimum((stats.norm.cdf(z) * 256).astype(np.int64), 255)

    found = {
        "mean": z.mean() * np.sqrt(z.size),
        "variance": (np.mean(z**2) - 1) * np.sqrt(z.size / 2),
        "fourth moment": (np.mean(z**4) - 3) * np.sqrt(z.size / 96),
        "cells": battery.cells(np.bincount(level, minlength=256), 1 / 256),
        "neighbours": np.mean(z[1:] * z[:-1]) * np.sqrt(z.size),
    }

    assert not battery.failures(found), found


def good(shape=(8, 512, 512)):
    return np.random.default_rng(0).random(shape) < 0.5


def biased():
    return np.random.default_rng(0).random((8, 512, 512)) < 0.502


def repeated_step():
    masks = good()
    masks[3] = masks[2]
    return masks


def repeated_row():
    masks = good()
    masks[:, 1::8] = masks[:, ::8]
    return masks


def mirrored_columns():
    masks = good()
    masks[..., 1::2] = ~masks[..., ::2]
    return masks


def constant_column():
    masks = good()
    masks[..., 17] = True
    return masks


def constant_row():
    masks = good()
    masks[:, 17] = False
    return masks


def uneven_steps():
    masks = good()
    masks[0] |= np.random.default_rng(1).random((512, 512)) < 0.01
    masks[1] &= np.random.default_rng(2).random((512, 512)) > 0.01
    return masks


def parity_bit():
    # Any seven of eight neighbours are independent; the eighth follows from them.
    bits = good().reshape(-1, 8)
    bits[:, 7] = bits[:, :7].sum(1) % 2 == 1
    return bits.reshape(8, 512, 512)


def sticky():
    # One bit in fifty repeats the one before it.
    bits = good().reshape(-1)
    bits[1::50] = bits[::50][: bits[1::50].size]
    return bits.reshape(8, 512, 512)


def short_period():
    # A congruential generator of 16 bits, which comes round after 65,536 numbers.
    state, bits = 1, np.empty(65536, bool)
    for place in range(bits.size):
        state = (25173 * state + 13849) % 65536
        bits[place] = state >= 32768
    return np.tile(bits, 32).reshape(8, 512, 512)


@pytest.mark.parametrize(
    ("weak", "test"),
    [
        (biased, "frequency"),
        (repeated_step, "next step"),
        (repeated_row, "next row"),
        (mirrored_columns, "next column"),
        (constant_column, "columns"),
        (constant_row, "rows"),
        (uneven_steps, "step totals"),
        (parity_bit, "bytes"),
        (sticky, "runs"),
        (sticky, "lag 1"),
        (short_period, "lag 65536"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_weak_generator_fails(weak, test):
    assert test in battery.failures(battery.scores(weak(), 0.5))


def test_a_good_generator_passes():
    assert not battery.failures(battery.scores(good(), 0.5))
