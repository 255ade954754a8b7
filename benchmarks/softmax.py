"""How near the mean of a softmax of normal logits comes, by three closed forms.

Logits are drawn with means of deviation 2 and some variance, independent or correlated.
The truth is the mean of many samples; the error is the total variation, the largest
difference that any set of classes sees.

    KERAS_BACKEND=torch python -m benchmarks.softmax

writes the table to `docs/assets/benchmarks/softmax.md`.
"""

import argparse
import pathlib

import keras
import numpy as np

from benchmarks.made import how_made
from benchmarks.moments import OUTPUT
from keras_dropout.moments import gaussian

CLASSES, VARIANCES = (2, 3, 10), (0.3, 1.0, 3.0)
WAYS = "no noise", "mean field by pairs", "log odds to second order"


def softmax(logits):
    """The softmax along the last axis."""
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def mean_field(mean, covariance):
    """The mean field by pairs of Lu, Ie and Sha (arXiv:2006.07584)."""
    v = np.diag(covariance)
    apart = 1 + np.pi / 8 * (v[:, None] + v - 2 * covariance)
    p = 1 / np.exp((mean - mean[:, None]) / np.sqrt(apart)).sum(axis=-1)
    return p / p.sum()


def log_odds(mean, covariance):
    """What `propagate_moments` takes."""
    given = mean[None], np.diag(covariance)[None], covariance[None]
    given = [keras.ops.convert_to_tensor(each.astype("float32")) for each in given]
    return keras.ops.convert_to_numpy(gaussian.softmax(*given)[0])[0]


def errors(classes, variance, correlated, cases, samples):
    """The mean error of each way over some cases."""
    rng = np.random.default_rng(classes)
    found = []
    for _ in range(cases):
        mean, factor = 2 * rng.normal(size=classes), rng.normal(size=(classes, classes))
        if correlated:
            covariance = variance * factor @ factor.T / classes
        else:
            covariance = variance * np.diag(rng.gamma(2, 0.5, size=classes))
        logits = rng.multivariate_normal(mean, covariance, size=samples)
        truth = softmax(logits).mean(axis=0)
        ways = softmax(mean), mean_field(mean, covariance), log_odds(mean, covariance)
        found.append([np.abs(each - truth).sum() / 2 for each in ways])
    return np.mean(found, axis=0)


def table(cases, samples):
    """The errors as a table of Markdown."""
    lines = [
        f"| classes | variance of the logits | logits | {' | '.join(WAYS)} |",
        "|--:|--:|---|--:|--:|--:|",
    ]
    for classes in CLASSES:
        for variance in VARIANCES:
            for correlated in (False, True):
                found = errors(classes, variance, correlated, cases, samples)
                numbers = " | ".join(f"{each:.4f}" for each in found)
                kind = "correlated" if correlated else "independent"
                lines.append(f"| {classes} | {variance:g} | {kind} | {numbers} |")
    size = f"Mean over {cases} cases, each of {samples:,} samples."
    return "\n".join([*lines, "", f"{size} {how_made()}", ""])


def main(arguments=None):
    """Compares and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--samples", type=int, default=40_000)
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    told = parser.parse_args(arguments)
    text = table(told.cases, told.samples)
    told.output.mkdir(parents=True, exist_ok=True)
    (told.output / "softmax.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
