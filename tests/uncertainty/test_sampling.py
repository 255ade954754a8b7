"""The schemes that join samples, and the counter-based generator below them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import random
from keras_dropout.random import context, counter, schemes
from tests.bounds import near

SIZE = 4000


def _key(seed=7):
    return random.next_key(keras.random.SeedGenerator(seed))


def _numpy(x):
    return ops.convert_to_numpy(x)


def _drawn(draw, shape, *arguments, scheme, samples, rows, first=0, **options):
    arrangement = context.Arrangement(samples, rows, scheme, first)
    with context.sampling([], arrangement):
        return _numpy(draw(shape, *arguments, **options))


@pytest.mark.parametrize(
    ("key", "position", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x13198A2E, 0x03707344),
            (0x243F6A88, 0x85A308D3),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)
def test_threefry_gives_the_words_that_its_authors_publish(key, position, expected):
    words = [counter._word(word) for word in (*key, *position)]

    found = counter.threefry(*words)

    assert tuple(int(_numpy(word)) for word in found) == expected


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
@pytest.mark.parametrize("shape", [(8 * 5, SIZE), (1, 1, SIZE)])
def test_every_scheme_keeps_with_the_asked_probability_in_every_sample(scheme, shape):
    mask = _drawn(
        random.keep_mask, shape, 0.3, _key(), scheme=scheme, samples=8, rows=5
    )

    assert mask.shape == (40, *shape[1:])
    keep = float(_numpy(random.keep_probability(0.3)))
    for sample in mask.reshape(8, 5, SIZE)[:, 0]:
        assert near(sample, keep, keep * (1 - keep))


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_every_scheme_draws_standard_normals(scheme):
    z = _drawn(random.normal, (8 * 2, SIZE), _key(), scheme=scheme, samples=8, rows=2)

    for sample in z.reshape(8, 2, SIZE)[:, 0]:
        assert near(sample, 0.0, 1.0)
        assert near(sample**2, 1.0, 2.0)
        assert near(np.abs(sample) < 0.6744897502, 0.5, 0.25)


def test_independent_rows_and_samples_share_nothing():
    u = _drawn(
        random.uniform, (6, SIZE), _key(), scheme="independent", samples=3, rows=2
    )

    correlation = np.corrcoef(u) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(SIZE)


def test_shared_masks_are_one_for_all_rows_and_differ_between_samples():
    u = _drawn(random.uniform, (6, SIZE), _key(), scheme="shared", samples=3, rows=2)

    u = u.reshape(3, 2, SIZE)
    np.testing.assert_array_equal(u[:, 0], u[:, 1])
    assert np.abs(np.corrcoef(u[:, 0]) - np.eye(3)).max() < 5 / np.sqrt(SIZE)


def test_a_shared_sample_depends_on_its_number_alone():
    many = _drawn(random.uniform, (12, 9), _key(), scheme="shared", samples=6, rows=2)
    few = _drawn(
        random.uniform, (6, 9), _key(), scheme="shared", samples=2, rows=3, first=3
    )

    np.testing.assert_array_equal(
        many.reshape(6, 2, 9)[3:5, 0], few.reshape(2, 3, 9)[:, 0]
    )


def test_shared_masks_hold_for_rows_that_a_layer_folded():
    u = _drawn(random.uniform, (3 * 8, 5), _key(), scheme="shared", samples=3, rows=2)

    # Two rows of four places each, which have noise of their own, as in any call.
    u = u.reshape(3, 2, 4, 5)
    assert (u == u[:, :1]).all()
    assert len(np.unique(u[:, 0])) == 3 * 4 * 5


def test_antithetic_samples_are_mirrored_in_pairs():
    u = _drawn(
        random.uniform, (4 * 3, SIZE), _key(), scheme="antithetic", samples=4, rows=3
    )

    u = u.reshape(2, 2, 3, SIZE)
    np.testing.assert_allclose(u[:, 0] + u[:, 1], 1, atol=2**-23)
    assert np.abs(np.corrcoef(u[0, 0], u[1, 0]) - np.eye(6)).max() < 5 / np.sqrt(SIZE)


def test_antithetic_masks_at_one_half_are_complements():
    mask = _drawn(
        random.keep_mask, (2, SIZE), 0.5, _key(), scheme="antithetic", samples=2, rows=1
    )

    np.testing.assert_array_equal(mask[0], ~mask[1])


def test_antithetic_pairs_may_come_one_call_after_the_other():
    pair = [
        _drawn(
            random.normal,
            (7, 3),
            _key(),
            scheme="antithetic",
            samples=1,
            rows=2,
            first=first,
            per_row=False,
        )
        for first in (4, 5)
    ]

    np.testing.assert_array_equal(pair[0], -pair[1])


def test_stratified_samples_have_one_number_in_each_stratum():
    u = _drawn(
        random.uniform, (5 * 2, SIZE), _key(), scheme="stratified", samples=5, rows=2
    )

    strata = np.floor(u.reshape(5, 2, SIZE) * 5).astype(int)
    np.testing.assert_array_equal(
        np.sort(strata, axis=0),
        np.broadcast_to(np.arange(5)[:, None, None], (5, 2, SIZE)),
    )


def test_the_order_of_strata_is_unrelated_between_units():
    u = _drawn(
        random.uniform, (3, 2 * SIZE), _key(), scheme="stratified", samples=3, rows=1
    )

    strata = np.floor(u * 3).astype(int)
    same = (strata[:, :SIZE] == strata[:, SIZE:]).all(axis=0)
    # Of the 6 orders of three strata two units have the same one in six.
    assert near(same, 1 / 6, 5 / 36)


def test_stratified_masks_drop_each_unit_as_often_as_the_rate_says():
    mask = _drawn(
        random.keep_mask,
        (8, SIZE),
        0.25,
        _key(),
        scheme="stratified",
        samples=8,
        rows=1,
    )

    np.testing.assert_array_equal((~mask).sum(axis=0), 2)


def test_stratified_masks_drop_once_more_where_the_rate_falls_within_a_stratum():
    mask = _drawn(
        random.keep_mask, (4, SIZE), 0.3, _key(), scheme="stratified", samples=4, rows=1
    )

    often = (~mask).sum(axis=0)
    assert set(often) == {1, 2}
    # 4 x 0.3 = 1.2
    assert near(often - 1, 0.2, 0.2 * 0.8)


def test_stratified_masks_choose_all_samples_alike():
    mask = _drawn(
        random.keep_mask, (4, SIZE), 0.5, _key(), scheme="stratified", samples=4, rows=1
    )

    chosen = np.array([8, 4, 2, 1]) @ ~mask
    # The six ways to choose two of four.
    for two in (3, 5, 6, 9, 10, 12):
        assert near(chosen == two, 1 / 6, 5 / 36)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_stratified_masks_drop_nothing_or_all_at_the_ends(rate):
    mask = _drawn(
        random.keep_mask,
        (7, SIZE),
        rate,
        _key(),
        scheme="stratified",
        samples=7,
        rows=1,
    )

    assert (mask == (rate == 0)).all()


def test_antithetic_masks_are_what_mirrored_uniforms_keep():
    how = {"scheme": "antithetic", "samples": 4, "rows": 3}

    mask = _drawn(random.keep_mask, (12, SIZE), 0.25, _key(), **how)
    u = _drawn(random.uniform, (12, SIZE), _key(), **how)

    np.testing.assert_array_equal(mask, u >= 0.25)


def test_stratified_samples_are_in_the_order_of_their_numbers():
    numbers = np.random.default_rng(0).integers(0, 2**24, (50, 9)) / 2**24
    numbers = ops.convert_to_tensor(numbers.astype("float32"))

    found = _numpy(schemes._order(numbers, 50))

    np.testing.assert_array_equal(found, np.argsort(_numpy(numbers), axis=0))


def test_a_first_axis_that_does_not_count_rows_is_refused():
    with pytest.raises(
        ValueError, match="first axis of a noisy tensor must count rows"
    ):
        _drawn(random.uniform, (7, 3), _key(), scheme="shared", samples=2, rows=4)


def test_noise_of_weights_has_no_row_axis():
    u = _drawn(
        random.uniform,
        (4, 3),
        _key(),
        scheme="shared",
        samples=1,
        rows=5,
        first=2,
        per_row=False,
    )
    again = _drawn(
        random.uniform,
        (4, 3),
        _key(),
        scheme="shared",
        samples=1,
        rows=9,
        first=2,
        per_row=False,
    )

    assert u.shape == (4, 3)
    np.testing.assert_array_equal(u, again)
