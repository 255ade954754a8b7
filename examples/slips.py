"""The mistakes on the page of errata: each formula as it is, and as it should be.

Every function returns two numbers: that of the formula that was found, written again
here, and that of the right formula.
"""

import itertools
import math

import numpy as np

ROWS = 20_000
# As many numbers as even as random ones are in the limit.
EVEN = (np.arange(ROWS) + 0.5) / ROWS


def covered(size, block, seeds):
    """How many of the seeds' blocks cover each position of an axis.

    Args:
        size: Positions of the axis.
        block: Positions that a block covers.
        seeds: The first positions of the blocks that can be drawn.
    """
    places = np.arange(size)
    return sum((places >= seed) & (places < seed + block) for seed in seeds)


def dropped(sizes, block, gamma, seeds):
    """By position, the probability to be dropped: one of the blocks is drawn."""
    rows, columns = (
        covered(size, block, own) for size, own in zip(sizes, seeds, strict=True)
    )
    return 1 - (1 - gamma) ** np.outer(rows, columns)


def gamma_of(rate, sizes, block):
    """The paper's probability of a seed, where only whole blocks are drawn."""
    rows, columns = sizes
    valid = (rows - block + 1) * (columns - block + 1)
    return rate * rows * columns / block**2 / valid


def drop_block_at_the_border(size=7, block=7, rate=0.1):
    """Seeds are drawn at the border too, with the rate for whole blocks."""
    gamma = gamma_of(rate, (size, size), block)
    whole = range(size - block + 1)
    anywhere = range(-(block // 2), size - block // 2)
    wrong, right = (
        dropped((size, size), block, gamma, (seeds, seeds)).mean()
        for seeds in (anywhere, whole)
    )
    return wrong, right


def drop_block_of_fourteen():
    return drop_block_at_the_border(14)


def drop_block_of_rows(rows=28, columns=12, block=7, rate=0.1):
    """The columns bound the rows: the probability of the last row to be dropped."""
    sizes = rows, columns
    gamma = gamma_of(rate, sizes, block)
    within = range(columns - block + 1)
    wrong = dropped(sizes, block, gamma, (within, within))
    right = dropped(sizes, block, gamma, (range(rows - block + 1), within))
    return wrong[-4].mean(), right[-4].mean()


def drop_block_of_even_size(size=4, block=2, rate=0.1):
    """The region of seeds ends one position early for blocks of an even size."""
    gamma = gamma_of(rate, (size, size), block)
    found = []
    for last in (size - block, size - block + 1):
        seeds = range(last)
        found.append(dropped((size, size), block, gamma, (seeds, seeds)).mean())
    return tuple(found)


def drop_path_without_floor(rate=0.3):
    """A uniform number stands where its comparison with the rate should."""
    keep = 1 - rate
    return np.mean((EVEN + keep) / keep == 0), np.mean(np.floor(EVEN + keep) == 0)


def patches_that_stay(tokens=10, rate=0.9):
    """The product of two floats is cut to an integer."""
    share = 1 - rate
    return int(tokens * share), max(1, math.floor(tokens * share + 1e-6))


def scaled_twice(rate=0.5):
    """The mean of a weight of 1: the mask is scaled, and then once more."""
    keep = rate <= EVEN
    return np.mean(keep / (1 - rate) / (1 - rate)), np.mean(keep / (1 - rate))


def ties_among_weights(weights=(0.0, 0.0, 0.0, 0.0), share=0.5):
    """Weights *below* the value at the threshold are dropped: of equal ones, none."""
    count = int(share * len(weights))
    threshold = np.sort(np.abs(weights))[count]
    return int(np.sum(np.abs(weights) < threshold)), count


def mixout_gradient(rate=0.5):
    """The gradient of a weight that is kept: the code forgets to divide."""
    weight, anchor, step = 2.0, 1.0, 1e-3

    def mixed(value):
        return (value - rate * anchor) / (1 - rate)

    measured = (mixed(weight + step) - mixed(weight - step)) / (2 * step)
    return 1.0, measured


def relaxed_channels(rate=0.1, temperature=2 / 3):
    """The mean of a relaxed mask over 1 - rate, which should be 1."""
    logit = math.log(rate / (1 - rate)) + np.log(EVEN / (1 - EVEN))
    means = []
    for each in (temperature, 0.1):
        keep = 1 - 1 / (1 + np.exp(-np.clip(logit / each, -500, 500)))
        means.append(keep.mean() / (1 - rate))
    return tuple(means)


def divergence_of_precision(log_alpha=0.0):
    """The divergence from the log-uniform prior, returned with the other sign."""
    first, second, third = 0.63576, 1.87320, 1.48695
    gain = first / (1 + math.exp(-(second + third * log_alpha)))
    divergence = -(gain - 0.5 * math.log1p(math.exp(-log_alpha)) - first)
    return -divergence, divergence


def signs_that_are_floats():
    """The mean square of signs, 2 u - 1 with u an integer of {0, 1}, or a float."""
    as_float = 2 * (2 * EVEN) - 1
    as_integer = 2 * np.floor(2 * EVEN) - 1
    return np.mean(as_float**2), np.mean(as_integer**2)


def moments_of_dropout(mean=2.0, variance=0.5, rate=0.2):
    """The variance after dropout, with the mean divided by the rate, and without."""
    wrong_mean = mean / rate
    keep = 1 - rate
    wrong = (variance + wrong_mean**2 * rate) / keep
    return wrong, (variance + mean**2 * rate) / keep


def deviations_that_add(epistemic=(1.0, 1.4, 0.6), aleatoric=(0.04, 0.09, 0.01)):
    """The total standard deviation: deviations are added in place of variances."""
    between, within = np.std(epistemic), np.asarray(aleatoric)
    return np.mean(np.sqrt(within)) + between, math.sqrt(within.mean() + between**2)


def quantile_of_scores(rows=20, miss=0.2):
    """The coverage of sets by the quantile that is one score too high."""
    level = math.ceil((rows + 1) * (1 - miss)) / rows
    return coverage(level, "higher", rows), ranked(rows, miss)


def quantile_without_correction(rows=20, miss=0.2):
    """The coverage by the plain quantile of the scores, interpolated."""
    return coverage(1 - miss, "linear", rows), ranked(rows, miss)


def coverage(level, method, rows):
    """The mean coverage of the quantile of uniform scores, which is that quantile."""
    scores = np.random.default_rng(0).random((ROWS, rows))
    return np.quantile(scores, level, axis=1, method=method).mean()


def ranked(rows, miss):
    """The same of the score of the right rank."""
    rank = math.ceil((rows + 1) * (1 - miss) - 1e-9)
    scores = np.sort(np.random.default_rng(0).random((ROWS, rows)), axis=1)
    return scores[:, rank - 1].mean()


CONFIDENCES = (0.3, 0.5, 0.5, 0.6, 0.75, 0.8, 1.0, 1.0)
RIGHT = (0, 1, 0, 1, 0, 1, 1, 0)


def bin_of_certain_rows(bins=4):
    """The calibration error where a confidence of exactly 1 gets a bin of its own."""
    edges = np.arange(bins + 1) / bins
    wrong = np.searchsorted(edges, CONFIDENCES, "right") - 1
    right = np.clip(np.searchsorted(edges, CONFIDENCES, "left") - 1, 0, bins - 1)
    return binned(wrong), binned(right)


def bins_of_equal_weight():
    """The error of nine rows at 0.9, eight of them right, and a wrong one at 0.3.

    Bins count alike, however many rows they have.
    """
    gaps, rows = np.array([abs(8 / 9 - 0.9), 0.3]), np.array([9, 1])
    return gaps.mean(), np.average(gaps, weights=rows)


def binned(places):
    weights = [np.mean(places == each) for each in np.unique(places)]
    gaps = [abs(gap(places == each)) for each in np.unique(places)]
    return float(np.dot(weights, gaps))


def gap(own):
    return np.mean(np.array(RIGHT)[own]) - np.mean(np.array(CONFIDENCES)[own])


def brier_that_does_not_add_up():
    """A Brier score minus the sum of its parts, which should be 0.

    The rows are in bins by their most probable class, and the overall share of each
    class is laid along the axis of the bins, rather than that of the classes.
    """
    bins = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    y = np.eye(3)[[0, 0, 1, 1, 2, 2, 2, 0]]
    overall = y.mean(axis=0)
    shares = np.array([np.mean(bins == each) for each in range(3)])
    found = np.array([y[bins == each].mean(axis=0) for each in range(3)])
    total = np.sum(overall * (1 - overall))
    within = shares @ np.sum(found * (1 - found), axis=1)
    by_axis = overall[:, None], overall[None]
    left = [
        total - within - shares @ np.sum((found - each) ** 2, axis=1)
        for each in by_axis
    ]
    return left[0], round(left[1], 12) + 0.0


def inverted_zoneout(zoneout=0.1):
    """The share of units that keep their state: the mask says which change."""
    updates = zoneout > EVEN
    return np.mean(~updates), np.mean(zoneout > EVEN)


def masked_logits():
    """The attention to a key that is dropped: 1 to the minus 12 is 1."""
    logits = np.zeros(4)
    found = []
    for penalty in (-(1.0**-12), -1e9):
        moved = logits + penalty * np.array([0, 1, 0, 0])
        weights = np.exp(moved - moved.max())
        found.append((weights / weights.sum())[1])
    return tuple(found)


def max_norm_inside(times=2000, norm=0.1, limit=2.0):
    """A weight within the ball, after as many updates."""
    import keras

    constraint = keras.constraints.MaxNorm(limit)
    weight = keras.ops.convert_to_tensor([[norm]], "float32")
    for _ in range(times):
        weight = constraint(weight)
    return float(weight[0, 0]), norm


def forced_training():
    """The share of zeros in `predict` after `Dropout(0.5)(x, training=True)`."""
    import keras

    inputs = keras.Input((1000,))
    outputs = keras.layers.Dropout(0.5)(inputs, training=True)
    model = keras.Model(inputs, outputs)
    x = np.ones((4, 1000), "float32")
    return np.mean(model.predict(x, verbose=0) == 0), 0.5


def filter_norms(limit=2.0):
    """The norm of a filter that default axes hold to 2: groups of rows are held."""
    kernel = np.full((3, 3, 8, 1), 2 / math.sqrt(3))
    norms = np.sqrt(np.square(kernel).sum(axis=0, keepdims=True))
    held = kernel * np.minimum(1, limit / norms)
    return np.sqrt(np.square(held).sum()), limit


def seeds_that_meet():
    """Of two draws with each of 20 seeds, how many repeat that of another seed.

    Where the seed and the counter are added, the second draw of one seed is the first
    of the next. Where both are hashed, none is.
    """
    pairs = list(itertools.product(range(20), (0, 1)))
    added = {seed + counter for seed, counter in pairs}
    both = [np.random.SeedSequence(pair).generate_state(2) for pair in pairs]
    hashed = {tuple(each) for each in both}
    return len(pairs) - len(added), len(pairs) - len(hashed)
