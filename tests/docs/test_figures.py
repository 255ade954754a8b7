"""The figures of the site are drawn by the package, and show what they say."""

import pathlib
import re
import sys

import keras
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

# The squares of one colour and strength.
PATH = re.compile(r"<path [^>]*>")
EXAMPLES = pathlib.Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def masks():
    sys.path.insert(0, str(EXAMPLES))
    yield __import__("masks")
    sys.path.remove(str(EXAMPLES))


def test_has_a_picture_of_every_layer(masks):
    from keras_dropout import layers

    public = {name for name in layers.__all__ if is_layer(getattr(layers, name))}

    assert public == set(masks.PICTURES)


def is_layer(value):
    from keras_dropout.layers import NoiseLayer

    layer = isinstance(value, type) and issubclass(value, keras.layers.Layer)
    return layer and value is not NoiseLayer


@pytest.mark.slow
def test_draws_every_layer_otherwise_than_all_others(masks):
    """Each picture shows a difference, and none is that of another layer."""
    stills = {name: picture.still() for name, picture in masks.PICTURES.items()}
    squares = {name: tuple(PATH.findall(still)) for name, still in stills.items()}

    assert {name for name, found in squares.items() if len(found) < 2} == set()
    assert len(set(squares.values())) == len(squares)


@pytest.mark.slow
def test_moves_the_mask_with_the_slider(masks):
    """The argument changes the picture, for each layer that has one."""
    for name, picture in masks.PICTURES.items():
        page = picture.moving(name)
        frames = re.findall(r"<g[^>]*>(.*?)</g>", page)

        assert len(set(frames)) > 1 or picture.argument is None, name
        assert page.count('display="none"') == len(frames) - 1, name
        assert ("<input" in page) == (picture.argument is not None), name


@pytest.mark.slow
def test_drops_more_squares_at_a_larger_rate(masks):
    def dropped(panels):
        return sum((np.asarray(m) == 0).sum() for m in panels.matrices.values())

    frames = masks.PICTURES["Dropout"].frames
    numbers = [dropped(frames[rate]) for rate in sorted(frames)]

    assert numbers == sorted(numbers)
    assert numbers[-1] > 2 * numbers[0]


def test_shows_zeros_as_dropped_and_all_else_as_kept(masks):
    looks = [masks.drawing.kept_or_dropped(number, 1.0) for number in (0.0, 2.0, -1.0)]
    strengths = [strength for _, strength, _ in looks]

    assert strengths[0] < 0.5
    assert strengths[1:] == [1.0, 1.0]
