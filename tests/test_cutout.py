"""Cutout: where the holes lie, by hand and on average."""

import numpy as np
import pytest
from keras import ops

from keras_dropout import layers
from keras_dropout._layers.regions.cutout import inside_holes
from tests.bounds import near
from tests.test_contract import array


def erased(y, images, *sizes):
    """Which pixels were erased, from outputs for an input of ones."""
    y = array(y)
    assert np.isin(y, [0, 1]).all()
    return (y == 0).reshape(images, *sizes, -1)


def holes(centres, sizes, hole):
    """The pixels inside holes with these centres, given in pixels."""
    places = (np.array(centres, "float32") + 0.5) / np.array(sizes)
    places = ops.convert_to_tensor(places.astype("float32"))
    return array(inside_holes(places, sizes, hole)).astype(int)


def test_golden_holes():
    """4 x 4, size 2: a hole is cut by the corner, or lies inside."""
    corner, inside = holes([[[0, 0]], [[2, 2]]], (4, 4), (2, 2))

    assert np.argwhere(corner).tolist() == [[0, 0]]
    assert np.argwhere(inside).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_odd_holes_have_their_size():
    (hole,) = holes([[[2, 3]]], (5, 7), (3, 1))

    assert np.argwhere(hole).tolist() == [[1, 3], [2, 3], [3, 3]]


def test_several_holes_unite():
    (both,) = holes([[[0, 0], [3, 3]]], (4, 4), (1, 2))

    assert np.argwhere(both).tolist() == [[0, 0], [3, 2], [3, 3]]


def test_the_last_place_is_inside_the_image():
    """In float32, 3 * (1 - 2^-24) is 3."""
    place = ops.convert_to_tensor(np.full((1, 1, 2), 1 - 2**-24, "float32"))

    assert array(inside_holes(place, (3, 3), (1, 1)))[0, 2, 2]


@pytest.mark.parametrize(("sizes", "hole"), [((32, 32), 16), ((6, 9), (3, 4))])
def test_each_pixel_is_erased_as_often_as_a_hole_reaches_it(sizes, hole):
    layer = layers.Cutout(hole, seed=2)

    y = layer(np.ones((4000, *sizes, 1), "float32"), training=True)

    reach = []
    for size, length in zip(sizes, layer.size, strict=True):
        start = np.arange(size)[:, None] - length // 2
        pixels = np.arange(size)
        reach.append(((pixels >= start) & (pixels < start + length)).mean(axis=0))
    expected = np.outer(*reach)
    if hole == 16:
        # The area that the sheet of formulas gives for 16 on 32.
        assert np.isclose(expected.mean(), 0.191406, atol=1e-6)
    dropped = erased(y, 4000, *sizes)[..., 0]
    assert near(dropped, expected, expected * (1 - expected))


def test_all_channels_are_erased_together_in_both_formats():
    first = layers.Cutout(3, data_format="channels_first", seed=1)
    last = layers.Cutout(3, data_format="channels_last", seed=1)

    y = array(first(np.ones((8, 3, 6, 5), "float32"), training=True))
    z = array(last(np.ones((8, 6, 5, 3), "float32"), training=True))

    assert np.array_equal(np.moveaxis(y, 1, -1), z)
    assert np.array_equal(z[..., :1].repeat(3, axis=-1), z)
    assert 0 < (z == 0).mean() < 1


def test_fill_value_stands_in_the_holes():
    y = array(layers.Cutout(20, fill_value=0.5)(np.ones((2, 8, 8, 3)), training=True))

    assert np.all(y == 0.5)


def test_probability_spares_images():
    layer = layers.Cutout(40, probability=0.25, seed=1)

    y = array(layer(np.ones((4000, 4, 4, 1), "float32"), training=True))

    gone = erased(y, 4000, 16).all(axis=(1, 2))
    assert near(gone, 0.25, 0.25 * 0.75)
    layer.probability = 0.0
    assert array(layer(np.ones((400, 4, 4, 1)), training=True)).all()


def test_nan_in_a_hole_does_not_come_through():
    x = np.full((2, 4, 4, 1), np.nan, "float32")

    assert not array(layers.Cutout(20)(x, training=True)).any()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"size": 0}, ValueError, "`size`.*at least 1"),
        ({"size": 4, "num_holes": 0}, ValueError, "`num_holes`.*at least 1"),
        ({"size": 4, "fill_value": "0"}, TypeError, "`fill_value`.*fill_value='0'"),
        ({"size": 4, "probability": 1.5}, ValueError, "`probability`.*between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused_when_built(options, error, match):
    with pytest.raises(error, match=match):
        layers.Cutout(**options)
