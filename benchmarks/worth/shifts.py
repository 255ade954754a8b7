"""Data made worse step by step, and rows of another kind, for images and for tables.

Images are `(rows, height, width, channels)` in `[0, 1]`, tables are standardised.
"""

import numpy as np
from scipy import ndimage

SEVERITIES = (1, 2, 3, 4, 5)


def noise(x, severity, generator):
    """Gaussian noise of up to half the range."""
    return np.clip(x + 0.1 * severity * generator.normal(size=x.shape), 0, 1)


def blur(x, severity, generator):
    """Gaussian blur, of up to a seventh of the width."""
    sigma = 0.03 * severity * x.shape[1]
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0))


def contrast(x, severity, generator):
    """Grey values drawn together about the mean of the image, to a fifth at last."""
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    return mean + (x - mean) * (1 - 0.16 * severity)


def rotation(x, severity, generator):
    """Turned by up to 60 degrees, to either side."""
    angle = 12 * severity
    half = generator.random(len(x)) < 0.5
    options = {"axes": (2, 1), "reshape": False, "order": 1}
    sides = [ndimage.rotate(x, sign * angle, **options) for sign in (1, -1)]
    return np.where(half[:, None, None, None], *sides).clip(0, 1)


def scatter(x, severity, generator):
    """Noise of up to one standard deviation on each column."""
    return x + 0.2 * severity * generator.normal(size=x.shape)


def missing(x, severity, generator):
    """Up to a half of all entries lost, the mean of their column in their place."""
    return np.where(generator.random(x.shape) < 0.1 * severity, 0, x)


OF_IMAGES = {f.__name__: f for f in (noise, blur, contrast, rotation)}
OF_TABLES = {f.__name__: f for f in (scatter, missing)}


def shuffled(x, generator):
    """Each column as it was, but rows put together of many."""
    return generator.permuted(x, axis=0)


def stretched(x, generator):
    """Rows three times as far from the mean."""
    return 3 * x
