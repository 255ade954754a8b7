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

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

# Below every positive float32, so that a zero probability has a finite logarithm.
_TINY = 1e-37


@dataclasses.dataclass(frozen=True)
class Measure:
    """Which statistics hold for an output, and where its classes are.

    Attributes:
        kind: `"values"`, `"probabilities"`, or `"binary"` for independent labels.
        axis: Integer, the axis of the classes or labels counted from the last, so
            that it is the same with and without samples in front; `None` for values,
            and for one label a row without an axis of its own.
    """

    kind: str
    axis: int | None = None

    @property
    def has_classes(self) -> bool:
        """Whether there are probabilities, and so entropies and votes."""
        return self.kind != "values"


def summarise(
    samples: Any,
    kept: Any,
    measure: Measure,
    xp: Any,
    *,
    block: int = 1,
    noise_variance: Any = None,
    count: Any = None,
) -> dict[str, Any]:
    """The summary of some samples.

    Args:
        samples: Array `(samples, rows, ...)`.
        kept: Boolean array `(samples,)`. Samples that are not kept do not count. The
            first must be kept.
        measure: A `Measure`.
        xp: `numpy` or `keras.ops`.
        block: How many samples depend on one another, one after the other; blocks
            are independent.
        noise_variance: Array as `samples`, the variance of the data's own noise that
            the model predicts, or `None`.
        count: Float, how many samples are kept, or `None` to count them.

    Returns:
        A dictionary: `count`; `mean` and `m2`, the sum of squared deviations from it;
        for classes `information`, the mean of KL(p_t || mean), `information_m2`, its
        sum of squared deviations, `cross`, the sum of products of both deviations,
        and `votes`, how often each class won; `aleatoric`, the mean of
        `noise_variance`, if that is given. If blocks are larger than 1, `blocks` is
        their number, and `block_m2`, `block_information_m2` and `block_cross` are the
        sums over samples with the means of their blocks in their places.
    """
    if count is None:
        count = xp.sum(xp.where(kept, 1.0, 0.0))
    mean, deviations = _centred(samples, kept, count, xp)
    summary = {"count": count, "mean": mean, "m2": xp.sum(deviations**2, axis=0)}
    units = {"": (deviations, None)}
    if block > 1:
        sizes = xp.sum(xp.reshape(xp.where(kept, 1.0, 0.0), (-1, block)), axis=1)
        summary["blocks"] = xp.sum(xp.where(sizes > 0, 1.0, 0.0))
        sums = _block_sums(deviations, block, xp)
        summary["block_m2"] = _weighted(sums**2, sizes, xp)
        units["block_"] = sums, sizes
    if measure.has_classes:
        divergence = _divergence(samples, mean[None], measure, xp)
        summary["information"], spread = _centred(divergence, kept, count, xp)
        for unit, (moved, sizes) in units.items():
            by = spread if sizes is None else _block_sums(spread, block, xp)
            both = moved * _like_classes(by, measure, xp)
            summary[unit + "information_m2"] = _weighted(by**2, sizes, xp)
            summary[unit + "cross"] = _weighted(both, sizes, xp)
        votes = _keep(_votes(samples, measure, xp), kept, xp)
        summary["votes"] = xp.sum(votes, axis=0)
    if noise_variance is not None:
        summary["aleatoric"], _ = _centred(noise_variance, kept, count, xp)
    return summary


def merge(
    summaries: Sequence[Mapping[str, Any]], measure: Measure, xp: Any
) -> dict[str, Any]:
    """The summary of the samples of all summaries.

    All is exact but the spread of the divergences, for which see `seen_from`.
    """
    names = summaries[0]
    each = {name: xp.stack([one[name] for one in summaries]) for name in names}
    count = xp.sum(each["count"])
    merged = {"count": count}

    def total(x, weights=None):
        """The sum over all summaries; of each as often as it has samples."""
        if weights is not None:
            x = x * xp.reshape(weights, (-1,) + (1,) * (len(x.shape) - 1))
        return xp.sum(x, axis=0)

    def mean_of(x):
        # Exact where all are equal.
        return x[0] + total(x - x[:1], each["count"] / count)

    merged["mean"] = mean_of(each["mean"])
    step = each["mean"] - merged["mean"][None]
    if measure.has_classes:
        each = seen_from(merged["mean"][None], each, measure, xp)
        merged["information"] = mean_of(each["information"])
        further = each["information"] - merged["information"][None]
        merged["votes"] = total(each["votes"])
    if "blocks" in each:
        merged["blocks"] = xp.sum(each["blocks"])
    for unit in ("", "block_") if "blocks" in each else ("",):
        between = {"m2": step**2}
        if measure.has_classes:
            between["information_m2"] = further**2
            between["cross"] = step * _like_classes(further, measure, xp)
        for name, square in between.items():
            name = unit + name
            merged[name] = total(each[name]) + total(square, each["count"])
    if "aleatoric" in each:
        merged["aleatoric"] = mean_of(each["aleatoric"])
    return merged


def seen_from(
    mean: Any, summary: Mapping[str, Any], measure: Measure, xp: Any
) -> dict[str, Any]:
    r"""The same summary, its divergences measured from another mean.

    With $r = \log q - \log q'$, to be taken class by class,

    $$\mathrm{KL}(p \Vert q') = \mathrm{KL}(p \Vert q) + p \cdot r + \text{constant},$$

    so the mean changes by exactly $\mathrm{KL}(q \Vert q')$, and the sum of squares $v$
    by $2 r \cdot c + r^\top \Sigma r$. Here $c$ are the `cross` products, and $\Sigma$
    the products between classes. Of $\Sigma$ only the diagonal `m2` is kept, so the
    rest is estimated. The part that is explained by the divergences is known, it is
    $c c^\top / v$. For labels we assume that the remainder is uncorrelated. For classes
    the probabilities sum to one, so the rows of the remainder sum to zero. We take the
    matrix with this property that is exact for two classes, and for any number of
    classes with equal variances. The error of the reported standard error is about one
    per cent if the samples of one model are merged, as their means are close. It is up
    to 25 per cent if models are pooled that disagree about many classes.
    """
    q = summary["mean"]
    moved = {**summary}
    moved["information"] = summary["information"] + _divergence(q, mean, measure, xp)
    r = _log_ratio(q, mean, xp)
    if measure.kind == "binary":
        r = r - _log_ratio(1.0 - q, 1.0 - mean, xp)
    for unit in ("", "block_") if "blocks" in summary else ("",):
        spread, cross = summary[unit + "information_m2"], summary[unit + "cross"]
        slope = cross / _like_classes(xp.maximum(spread, _TINY), measure, xp)
        along = over_classes(cross * r, measure, xp)
        left = xp.maximum(summary[unit + "m2"] - cross * slope, 0.0)
        shift = r
        if measure.kind == "probabilities":
            total = xp.maximum(_sum_kept(left, measure, xp), _TINY)
            shift = r - _sum_kept(left / total * r, measure, xp)
            left = left / xp.maximum(
                1.0 - _sum_kept((left / total) ** 2, measure, xp), 0.5
            )
        rest = left * shift
        grown = 2.0 * along + over_classes(slope * r, measure, xp) * along
        grown = grown + over_classes(rest * shift, measure, xp)
        moved[unit + "information_m2"] = xp.maximum(spread + grown, 0.0)
        moved[unit + "cross"] = cross + slope * _like_classes(along, measure, xp) + rest
    return moved


def entropy(p: Any, measure: Measure, xp: Any) -> Any:
    """Entropy in nats over the classes, summed if they are independent labels."""
    total = p * xp.log(xp.maximum(p, _TINY))
    if measure.kind == "binary":
        total = total + (1.0 - p) * xp.log(xp.maximum(1.0 - p, _TINY))
    return xp.maximum(-over_classes(total, measure, xp), 0.0)


def over_classes(x: Any, measure: Measure, xp: Any) -> Any:
    """The sum over the axis of the classes, if there is one."""
    return x if measure.axis is None else xp.sum(x, axis=measure.axis)


def _sum_kept(x, measure, xp):
    return xp.sum(x, axis=measure.axis, keepdims=True)


def _like_classes(x, measure, xp):
    """What has no axis of classes, to broadcast with what has."""
    return x if measure.axis is None else xp.expand_dims(x, measure.axis)


def _centred(samples, kept, count, xp):
    """Mean and deviations; both exact where all samples are equal."""
    shifted = _keep(samples - samples[:1], kept, xp)
    shift = xp.sum(shifted, axis=0) / count
    return samples[0] + shift, _keep(shifted - shift[None], kept, xp)


def _keep(samples, kept, xp):
    kept = xp.reshape(kept, (-1,) + (1,) * (len(samples.shape) - 1))
    return xp.where(kept, samples, xp.zeros_like(samples))


def _block_sums(deviations, block, xp):
    shape = tuple(xp.shape(deviations))
    return xp.sum(xp.reshape(deviations, (-1, block, *shape[1:])), axis=1)


def _weighted(products, sizes, xp):
    """The sum of products over samples, or over blocks of samples.

    A block of n samples with the sums s and s' counts as n samples of s / n and s' / n.
    """
    if sizes is not None:
        sizes = xp.reshape(sizes, (-1,) + (1,) * (len(products.shape) - 1))
        products = products / xp.maximum(sizes, 1.0)
    return xp.sum(products, axis=0)


def _log_ratio(p, q, xp):
    """log(p / q); exactly zero where both are equal, also where both are zero."""
    return xp.log(xp.maximum(p, _TINY) / xp.maximum(q, _TINY))


def _divergence(p, q, measure, xp):
    """KL(p || q); exactly zero where p equals q.

    With `q - p`, which sums to nothing for probabilities, no term is ever negative,
    also where a dropout after the softmax leaves something else.
    """
    terms = p * _log_ratio(p, q, xp)
    if measure.kind == "binary":
        terms = terms + (1.0 - p) * _log_ratio(1.0 - p, 1.0 - q, xp)
    else:
        terms = terms + (q - p)
    return xp.maximum(over_classes(terms, measure, xp), 0.0)


def _votes(samples, measure, xp):
    """1 for the class that wins in each sample, ties to the first; 0 for others."""
    if measure.kind == "binary":
        won = samples > 0.5
    else:
        axis = measure.axis
        classes = xp.reshape(xp.arange(samples.shape[axis]), (-1,) + (1,) * (-axis - 1))
        winner = xp.argmax(samples, axis=axis)
        won = xp.equal(xp.expand_dims(winner, axis), classes)
    return xp.where(won, xp.ones_like(samples), xp.zeros_like(samples))
