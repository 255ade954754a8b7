"""A battery of statistical tests of masks: how many standard errors from chance.

Every statistic has an exact mean and variance under independent draws of a known
probability; sums of squares are turned into a normal score by the chi-squared
distribution.
"""

import numpy as np
from scipy import stats

SIGMAS = 5
# Neighbours, the parts of one word, blocks of vectors, and the periods of 16-bit
# generators.
LAGS = (1, 2, 3, 4, 8, 16, 32, 64, 1024, 65535, 65536, 131072)


def scores(masks, probability):
    """Scores of `masks[step, row, column]`, true with this probability.

    Returns:
        A dictionary from the name of a test to standard errors.
    """
    flat = masks.reshape(-1)
    found = {"frequency": frequency(flat, probability)}
    found["runs"] = runs(flat, probability)
    found["bytes"] = patterns(flat, probability)
    for axis, name in enumerate(("step totals", "rows", "columns")):
        others = tuple(other for other in range(3) if other != axis)
        counts = masks.sum(others, dtype=np.int64)
        found[name] = totals(counts, flat.size // counts.size, probability)
    for lag in LAGS:
        found[f"lag {lag}"] = agreement(flat[:-lag], flat[lag:], probability)
    # Places that share what is drawn with them, each a part of the mask further on.
    steps = masks.reshape(len(masks), -1)
    for parts in (2, 4, 8):
        lag = steps.shape[1] // parts
        pair = steps[:, :-lag], steps[:, lag:]
        found[f"parts of {parts}"] = agreement(*pair, probability)
    found["next row"] = agreement(masks[:, :-1], masks[:, 1:], probability)
    found["next column"] = agreement(masks[..., :-1], masks[..., 1:], probability)
    found["next step"] = agreement(masks[:-1], masks[1:], probability)
    return found


def failures(found):
    """The tests with a score that is too large for chance."""
    return sorted(name for name, score in found.items() if not abs(score) < SIGMAS)


def frequency(bits, probability):
    """How many are true."""
    error = np.count_nonzero(bits) - bits.size * probability
    return error / np.sqrt(bits.size * probability * (1 - probability))


def agreement(first, second, probability):
    """The correlation of two masks of one shape, known to be 0 if independent."""
    both = np.count_nonzero(first & second)
    either = np.count_nonzero(first) + np.count_nonzero(second)
    covariance = both - probability * either + first.size * probability**2
    return covariance / (probability * (1 - probability) * np.sqrt(first.size))


def runs(bits, probability):
    """How often a bit differs from the one before it (Wald and Wolfowitz, 1940)."""
    spread = probability * (1 - probability)
    count = bits.size - 1
    changes = np.count_nonzero(bits[:-1] != bits[1:])
    variance = count * 2 * spread * (1 - 2 * spread)
    variance += 2 * (count - 1) * (spread - 4 * spread**2)
    return (changes - count * 2 * spread) / np.sqrt(variance)


def patterns(bits, probability):
    """The 256 patterns of 8 neighbours."""
    values = np.packbits(bits[: bits.size // 8 * 8])
    ones = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)
    expected = probability**ones * (1.0 - probability) ** (8 - ones)
    return cells(np.bincount(values, minlength=256), expected)


def totals(counts, size, probability):
    """Totals of lines of `size` bits each."""
    variance = size * probability * (1 - probability)
    return _score(np.sum((counts - size * probability) ** 2) / variance, counts.size)


def cells(counts, probabilities):
    """Pearson's chi-squared of counts in cells."""
    expected = counts.sum() * np.asarray(probabilities)
    return _score(np.sum((counts - expected) ** 2 / expected), counts.size - 1)


def _score(square, freedom):
    upper = stats.norm.isf(stats.chi2.sf(square, freedom))
    lower = stats.norm.ppf(stats.chi2.cdf(square, freedom))
    # Whichever tail is short is the one that floats resolve.
    return upper if square > freedom else lower
