r"""Statistics of Monte Carlo samples, as pure functions of arrays.

Sample first: samples have the shape (samples, rows, ...). What is known of some
samples is a *summary*, a dictionary of arrays without the sample axis; two summaries
merge into that of all their samples, so memory does not grow with their number. The
functions take the namespace that computes, `numpy` or `keras.ops`.

With $p_t$ the class probabilities in sample $t$ and $\bar p$ their mean, all in nats:

$$\underbrace{H(\bar p)}_{\text{total}} =
\underbrace{\tfrac1T \textstyle\sum_t H(p_t)}_{\text{expected}} +
\underbrace{\tfrac1T \textstyle\sum_t \mathrm{KL}(p_t \Vert \bar p)}_{
\text{mutual information}}$$

References:
    - Chan, Golub and LeVeque, 1983, Algorithms for Computing the Sample Variance
    - Houlsby et al., 2011, [Bayesian Active Learning for Classification and
      Preference Learning](https://arxiv.org/abs/1112.5745)
"""

import numpy as np

# Below every positive float32, so that a zero probability has a finite logarithm.
_TINY = 1e-37

CLASSES = ("probabilities", "binary")


def summarise(samples, kept, kind, xp, *, block=1, noise_variance=None):
    """The summary of some samples.

    Args:
        samples: Array `(samples, rows, ...)`.
        kept: Boolean array `(samples,)`. Samples that are not kept do not count. The
            first must be kept.
        kind: `"values"`, `"probabilities"` with the classes on the last axis, or
            `"binary"` with independent labels on it.
        xp: `numpy` or `keras.ops`.
        block: How many samples depend on one another, one after the other; blocks
            are independent.
        noise_variance: Array as `samples`, the variance of the data's own noise that
            the model predicts, or `None`.

    Returns:
        A dictionary: `count`; `mean` and `m2`, the sum of squared deviations from it;
        `blocks` and `block_m2`, the same of the means of blocks, if they are larger
        than 1; for classes `information`, the mean of KL(p_t || mean), its
        `information_m2`, and `votes`, how often each class won; `aleatoric`, the
        mean of `noise_variance`, if that is given.
    """
    count = xp.sum(xp.where(kept, 1.0, 0.0))
    mean, deviations = _centred(samples, kept, count, xp)
    summary = {"count": count, "mean": mean, "m2": xp.sum(deviations**2, axis=0)}
    if block > 1:
        means = xp.reshape(deviations, (-1, block, *deviations.shape[1:]))
        means = xp.sum(means, axis=1) / xp.minimum(count, 1.0 * block)
        summary["blocks"] = xp.maximum(count / block, 1.0)
        summary["block_m2"] = xp.sum(means**2, axis=0)
    if kind in CLASSES:
        divergence = _divergence(samples, mean[None], kind, xp)
        information, deviations = _centred(divergence, kept, count, xp)
        summary["information"] = xp.maximum(information, 0.0)
        summary["information_m2"] = xp.sum(deviations**2, axis=0)
        summary["votes"] = xp.sum(_keep(_votes(samples, kind, xp), kept, xp), axis=0)
    if noise_variance is not None:
        summary["aleatoric"], _ = _centred(noise_variance, kept, count, xp)
    return summary


def merge(a, b, kind, xp):
    """The summary of the samples of both summaries."""
    count = a["count"] + b["count"]
    share = b["count"] / count
    mean, m2 = _chan(a, b, "mean", "m2", "count")
    merged = {"count": count, "mean": mean, "m2": m2}
    if "blocks" in a:
        merged["blocks"] = a["blocks"] + b["blocks"]
        _, merged["block_m2"] = _chan(a, b, "mean", "block_m2", "blocks")
    if kind in CLASSES:
        # Seen from the common mean, each side's divergences are larger by its own
        # mean's divergence from it.
        a, b = (
            {**side, "information": side["information"] + further}
            for side in (a, b)
            for further in [_divergence(side["mean"], mean, kind, xp)]
        )
        pair = _chan(a, b, "information", "information_m2", "count")
        merged["information"], merged["information_m2"] = pair
        merged["votes"] = a["votes"] + b["votes"]
    if "aleatoric" in a:
        merged["aleatoric"] = a["aleatoric"] + (b["aleatoric"] - a["aleatoric"]) * share
    return merged


def join_blocks(summary, xp):
    """The same summary, its samples taken for one block."""
    zero = xp.zeros_like(summary["m2"])
    return {**summary, "blocks": 1.0 + 0.0 * summary["count"], "block_m2": zero}


def error_variance(summary):
    """The squared Monte Carlo standard error of the mean.

    It comes from the spread of independent blocks. Where there is only one, it is
    what independent samples would have, which is too large, never too small.
    """
    blocks = summary.get("blocks", summary["count"])
    if blocks >= 2:
        m2 = summary.get("block_m2", summary["m2"])
        return m2 / (blocks * (blocks - 1.0))
    count = summary["count"]
    return summary["m2"] / (count * max(count - 1.0, 1.0))


def pool(summaries, kind):
    """The summary of several models, each of which counts as much as the others.

    It gains `error`, the squared standard error of the mean, the models being given
    (or, with one sample of each, being the samples), and `variance`. The mean square
    about the sample mean falls short of the variance by exactly the variance of that
    mean, whatever joins the samples, so that is added: for independent samples it is
    the familiar division by T - 1. Nothing is added where one block is all there is,
    since its mean is nearly exact.
    """
    errors = [error_variance(summary) for summary in summaries]
    alike = sum(summary["count"] for summary in summaries) / len(summaries)
    pooled = None
    for summary in summaries:
        plain = _as_of(summary, alike)
        pooled = plain if pooled is None else merge(pooled, plain, kind, np)
    error = sum(errors) / len(errors) ** 2
    if all(summary["count"] == 1 for summary in summaries):
        error = error_variance(pooled)
    known = all(s.get("blocks", s["count"]) >= 2 for s in summaries) or (
        pooled["count"] == len(summaries)
    )
    mean_square = pooled["m2"] / pooled["count"]
    return {
        **pooled,
        "error": error,
        "variance": mean_square + error if known else mean_square,
    }


def _as_of(summary, count):
    """What a summary would be for so many samples of the same kind, without blocks."""
    times = count / summary["count"]
    sums = ("count", "m2", "information_m2", "votes")
    return {
        name: x * times if name in sums else x
        for name, x in summary.items()
        if name not in ("blocks", "block_m2")
    }


def entropy(p, kind, xp):
    """Entropy in nats over the last axis, summed if it holds independent labels."""
    total = p * xp.log(xp.maximum(p, _TINY))
    if kind == "binary":
        total = total + (1.0 - p) * xp.log(xp.maximum(1.0 - p, _TINY))
    return xp.maximum(-xp.sum(total, axis=-1), 0.0)


def _chan(a, b, first, second, weight):
    """Chan's merge of two means and sums of squared deviations."""
    difference = b[first] - a[first]
    share = b[weight] / (a[weight] + b[weight])
    mean = a[first] + difference * share
    return mean, a[second] + b[second] + difference**2 * (a[weight] * share)


def _centred(samples, kept, count, xp):
    """Mean and deviations; both exact where all samples are equal."""
    shifted = _keep(samples - samples[:1], kept, xp)
    shift = xp.sum(shifted, axis=0) / count
    return samples[0] + shift, _keep(shifted - shift[None], kept, xp)


def _keep(samples, kept, xp):
    kept = xp.reshape(kept, (-1,) + (1,) * (len(samples.shape) - 1))
    return xp.where(kept, samples, xp.zeros_like(samples))


def _divergence(p, q, kind, xp):
    """KL(p || q); exactly zero where p equals q, since the ratio is then 1."""

    def terms(p, q):
        return p * xp.log(xp.maximum(p, _TINY) / xp.maximum(q, _TINY))

    total = terms(p, q)
    if kind == "binary":
        total = total + terms(1.0 - p, 1.0 - q)
    return xp.maximum(xp.sum(total, axis=-1), 0.0)


def _votes(samples, kind, xp):
    """1 for the class that wins in each sample, ties to the first; 0 for others."""
    if kind == "binary":
        won = samples > 0.5
    else:
        classes = xp.arange(samples.shape[-1])
        won = xp.equal(xp.argmax(samples, axis=-1)[..., None], classes)
    return xp.where(won, xp.ones_like(samples), xp.zeros_like(samples))
