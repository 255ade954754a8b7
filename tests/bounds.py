"""Bounds for tests of random numbers: five standard errors of the exact value."""

import numpy as np

SIGMAS = 5


def near(values, mean, variance):
    """Whether the mean of independent `values` is within 5 standard errors of `mean`.

    Along the first axis where `mean` is an array: then all its entries must be.
    """
    values = np.asarray(values, "float64")
    if np.ndim(mean) == 0:
        values = values.ravel()
    error = np.abs(values.mean(axis=0) - mean)
    # Rounding of float32, for what does not vary at all.
    bound = SIGMAS * np.sqrt(variance / len(values)) + 1e-6 * np.abs(mean)
    return bool(np.all(error <= bound))
