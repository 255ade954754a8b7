"""The figures of the site are drawn by the package, and show what they say."""

import pathlib
import sys

import keras
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

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
def test_shows_a_difference_in_every_picture(masks):
    """No picture is of one colour alone, as one of an unlucky seed would be."""
    import matplotlib.pyplot as plt

    for name, draw in masks.PICTURES.items():
        figure = draw()
        pixels = [image.get_array() for ax in figure.axes for image in ax.images]
        colours = np.concatenate([np.asarray(p).reshape(-1, 4) for p in pixels])
        seen = np.unique(colours[colours[:, 3] > 0].round(3), axis=0)
        plt.close(figure)

        assert len(seen) > 1, name


def test_shows_zeros_as_dropped_and_all_else_as_kept(masks):
    colours = masks.drawing.kept_or_dropped(np.array([[0.0, 2.0, -1.0]]))

    assert colours[0, 0, 3] < 0.5
    assert (colours[0, 1:, 3] == 1).all()
