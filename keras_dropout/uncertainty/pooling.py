r"""From summaries to the numbers that are told, with their Monte Carlo errors.

**Blocks.** Samples that a scheme joins come in blocks that are independent of each
other: one sample, an antithetic pair, all samples of one stratified call. With $B$
blocks of $n_b$ samples, of $T$ in all, and block means $m_b$, the variance of the mean
of the samples is estimated without bias (with blocks of one size) by

$$\frac{1}{T (B - 1)} \sum_b n_b (m_b - \bar m)^2.$$

**Error of the mutual information.** With $\mu$ the exact mean,

$$\hat I = \frac1T \sum_t \mathrm{KL}(p_t \Vert \mu) - \mathrm{KL}(\bar p \Vert \mu).$$

The first term is a plain mean, without bias; the second is of second order. So to first
order the error of $\hat I$ is that of the mean of $D_t = \mathrm{KL}(p_t \Vert \mu)$,
which already holds how $\hat I$ depends on the mean (the delta method), and the formula
above gives it from the block means of $D_t$, with $\bar p$ in the place of $\mu$.

**Bias of the mutual information.** To second order $\mathrm{KL}(\bar p \Vert \mu)$ is
$\tfrac12 \sum_c (\bar p_c - \mu_c)^2 / \mu_c$, so

$$\mathrm{E} \hat I = I - \tfrac12 \sum_c \frac{\mathrm{Var}(\bar p_c)}{\mu_c},$$

where each label counts for two classes, $p$ and $1 - p$. What joins the samples is in
$\mathrm{Var}(\bar p_c)$, the squared standard error of the mean. For independent
samples the bias is close to $-I / T$; for samples of only 0 and 1 it is that of Miller
and Madow, $-(C - 1) / 2T$.

**Several models** count alike. Errors are those of the pooled estimates, the models
being given: with $M$ models the sum of squared errors of each over $M^2$, the
divergences being measured from the mean of all (`statistics.seen_from`).

**One block.** Where one block is all there is, nothing tells how far its mean would
scatter. Errors are then what independent samples would have. That bounds them: the
variance of a mean over a Latin hypercube, which a stratified call is, is at most
$T / (T - 1)$ times as large (Owen, 1997). No bias is taken out, as it is smaller too.

References:
    - Miller, 1955, Note on the Bias of Information Estimates
    - Owen, 1997, [Monte Carlo Variance of Scrambled Net
      Quadrature](https://doi.org/10.1137/S0036142994277468)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dropout.uncertainty import statistics
from keras_dropout.uncertainty.statistics import Measure


def join_blocks(summary: Mapping[str, Any], xp: Any) -> dict[str, Any]:
    """The same summary, its samples taken for one block."""
    joined = {**summary, "blocks": 1.0 + 0.0 * summary["count"]}
    for name in ("m2", "information_m2", "cross"):
        if name in summary:
            joined["block_" + name] = xp.zeros_like(summary[name])
    return joined


def blocks_of(summary: Mapping[str, Any]) -> Any:
    """How many independent blocks of samples there are."""
    return summary.get("blocks", summary["count"])


def error_variance(summary: Mapping[str, Any], name: str = "m2") -> Any:
    """The squared Monte Carlo standard error of a mean.

    Args:
        summary: A summary.
        name: `"m2"` for that of the samples, `"information_m2"` for that of their
            divergences.
    """
    blocks, count = blocks_of(summary), summary["count"]
    if blocks >= 2:
        squares = summary.get("block_" + name, summary[name])
        return squares / (count * (blocks - 1.0))
    return summary[name] / (count * max(count - 1.0, 1.0))


def pool(
    summaries: Sequence[Mapping[str, Any]], measure: Measure, xp: Any
) -> dict[str, Any]:
    """The summary of several models, all with the same weight.

    It gains `error`, the squared standard error of the mean, the models being given
    (or, with one sample of each, being the samples), and `variance`. The mean square
    about the sample mean falls short of the variance by exactly the variance of that
    mean, whatever joins the samples, so that is added: for independent samples it is
    the familiar division by T - 1. Nothing is added where one block is all there is,
    since its mean is nearly exact. For classes it gains `information_error`, squared
    as well, and `information_bias`.
    """
    alike = sum(summary["count"] for summary in summaries) / len(summaries)
    pooled = [_as_of(summary, alike) for summary in summaries]
    pooled = statistics.merge(pooled, measure, xp) if len(pooled) > 1 else pooled[0]
    single = len(summaries) > 1 and all(each["count"] == 1 for each in summaries)
    # One sample of each model: the models are the samples.
    parts = [pooled] if single else summaries
    known = all(blocks_of(part) >= 2 for part in parts)
    error = sum(map(error_variance, parts)) / len(parts) ** 2
    variance = pooled["m2"] / pooled["count"]
    sure = error if known else xp.zeros_like(error)
    told = {**pooled, "error": error, "variance": variance + sure}
    if measure.has_classes:
        if len(parts) > 1:
            mean = pooled["mean"]
            parts = [statistics.seen_from(mean, part, measure, xp) for part in parts]
        errors = [error_variance(part, "information_m2") for part in parts]
        told["information_error"] = sum(errors) / len(parts) ** 2
        told["information_bias"] = _bias(pooled["mean"], sure, measure, xp)
    return told


def _bias(mean, error, measure, xp):
    """How much too low the mutual information is on average."""
    share = error / xp.maximum(mean, 1e-30)
    if measure.kind == "binary":
        share = share + error / xp.maximum(1.0 - mean, 1e-30)
    return 0.5 * statistics.over_classes(share, measure, xp)


def _as_of(summary, count):
    """What a summary would be for so many samples of the same kind, without blocks."""
    times = count / summary["count"]
    sums = ("count", "m2", "information_m2", "cross", "votes")
    return {
        name: x * times if name in sums else x
        for name, x in summary.items()
        if not name.startswith("block")
    }


def fields(summaries: Sequence[Mapping[str, Any]], measure: Measure) -> dict[str, Any]:
    """The arrays of a `Prediction`, pooled over the models."""
    told = pool(summaries, measure, np)
    arrays = {
        "mean": told["mean"],
        "variance": told["variance"],
        "standard_error": np.sqrt(told["error"]),
    }
    extra = {}
    if measure.has_classes:
        extra = {
            "information": told["information"],
            "information_bias": told["information_bias"],
            "information_error": np.sqrt(told["information_error"]),
            "votes": told["votes"],
        }
    if "aleatoric" in told:
        extra["noise_variance"] = told["aleatoric"]
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    extra = {name: array.astype(np.float32) for name, array in extra.items()}
    count = np.full(len(arrays["mean"]), round(float(told["count"])))
    return {**arrays, "count": count, "statistics": extra}
