"""Draws the pictures of the recipes from the results of their pages."""

import re
from typing import Any

import numpy as np

KEPT, NOISY, THIRD = "#2a9d8f", "#e76f51", "#7b6fb8"


def axes(count=1, size=(5, 2.6), **options) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    # Laid out when it is saved: images then need no room for labels.
    layout = "constrained" if count > 1 else None
    return plt.subplots(1, count, figsize=size, layout=layout, **options)


def boxes(ax, layers, at=0):
    """Layers from left to right: orange where each sample computes them again."""
    for place, (name, again) in enumerate(layers):
        colour = NOISY if again else KEPT
        ax.barh(at, 0.94, left=place, height=0.8, color=colour, alpha=0.45)
        words = re.sub("(?<=[a-z])(?=[A-Z])", "\n", name)
        ax.text(place + 0.47, at, words, ha="center", va="center", fontsize=6.5)
    ax.axis("off")


def draw_own_cnn(shown):
    figure, ax = axes(size=(5.6, 1.8))
    boxes(ax, shown["before"], at=1)
    boxes(ax, shown["after"])
    return figure


def draw_transfer(shown):
    figure, ax = axes(size=(5, 0.9))
    boxes(ax, shown)
    return figure


def draw_max_norm(shown):
    figure, ax = axes()
    names, before, after = zip(*shown, strict=True)
    at = np.arange(len(names))
    ax.bar(at - 0.2, before, 0.38, color=NOISY, label="before")
    ax.bar(at + 0.2, after, 0.38, color=KEPT, label="after", hatch="//")
    ax.axhline(1.0, ls="--", color=THIRD, lw=1, label="limit")
    ax.set(ylabel="largest norm", xticks=at, xticklabels=names)
    ax.legend(fontsize=8)
    return figure


def draw_epochs(shown):
    figure, ax = axes()
    ax.step(range(1, len(shown) + 1), shown, where="mid", color=KEPT, marker="o")
    ax.set(xlabel="epoch", ylabel="rate", ylim=(0, None))
    return figure


def draw_regression(shown):
    figure, ax = axes()
    x, y, mean, low, high, lower, upper = map(np.asarray, shown)
    ax.plot(x, y, ".", ms=3, color=NOISY, label="data")
    ax.plot(x, mean, color=KEPT, label="mean")
    ax.fill_between(x, lower, upper, color=KEPT, alpha=0.2, label="new data, 90 %")
    ax.fill_between(x, low, high, color=KEPT, alpha=0.4, label="mean, 90 %")
    ax.legend(fontsize=7, ncols=2)
    ax.set(xlabel="x", ylabel="y")
    return figure


def draw_resnet(shown):
    figure, ax = axes()
    styles = zip(shown["rates"], (":", "--", "-"), strict=True)
    for i, (rates, style) in enumerate(styles):
        ax.plot(shown["steps"], rates, ls=style, color=KEPT, label=f"block {i + 1}")
    ax.set(xlabel="step", ylabel="rate")
    ax.legend(fontsize=8)
    return figure


def draw_segmentation(shown):
    figure, found = axes(3, (6, 2.2))
    names = "image", "probability of a square", "entropy, nats"
    for ax, name, values in zip(found, names, shown, strict=True):
        ax.imshow(values, cmap="viridis")
        ax.set_title(name, fontsize=8)
        ax.axis("off")
    return figure


def draw_transformer(shown):
    figure, ax = axes(size=(5, 0.4 + 0.24 * len(shown)))
    names, rates = zip(*reversed(shown), strict=True)
    ax.barh(range(len(names)), rates, color=KEPT)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set(xlabel="rate")
    return figure


def draw_time_series(shown):
    figure, ax = axes()
    truth, lower, upper = shown
    ax.fill_between(range(len(truth)), lower, upper, color=KEPT, alpha=0.3)
    ax.plot(truth, ".-", ms=4, lw=0.8, color=NOISY, label="true value")
    ax.set(xlabel="new row", ylabel="value")
    ax.legend(fontsize=8)
    return figure


def draw_tuned(shown):
    figure, (left, right) = axes(2, (7, 2.6))
    factors, nll, error = zip(*shown["tuned"], strict=True)
    left.errorbar(factors, nll, error, fmt="o", color=KEPT, capsize=2)
    left.set(xlabel="factor (0: without noise)", ylabel="held-out nll, nats")
    right.plot(range(1, len(shown["learned"]) + 1), shown["learned"], color=KEPT)
    right.set(xlabel="epoch", ylabel="learned rate", ylim=(0, None))
    return figure


def draw_intervals(shown):
    figure, (left, right) = axes(2, (7, 2.6))
    lower, upper, truth = map(np.asarray, shown["values"])
    at = np.arange(len(truth))
    left.vlines(at, lower, upper, color=KEPT, lw=3, alpha=0.5)
    left.plot(at, truth, ".", color=NOISY)
    left.set(xlabel="new row", ylabel="value")
    right.bar(range(len(shown["sizes"])), shown["sizes"], color=KEPT)
    right.set(xlabel="classes in the set", ylabel="new rows", xticks=range(3))
    return figure


def draw_outliers(shown):
    figure, ax = axes()
    bins = np.linspace(0, 2.3, 30)
    known, strange = shown["entropy"]
    ax.hist(known, bins, color=KEPT, alpha=0.6, label="known")
    ax.hist(strange, bins, color=NOISY, histtype="step", lw=1.5, label="strange")
    ax.axvline(shown["limit"], color=THIRD, ls="--", label="limit")
    ax.set(xlabel="entropy, nats", ylabel="rows")
    ax.legend(fontsize=8)
    return figure


def draw_chosen(shown):
    figure, found = axes(10, (7, 0.8))
    for ax, digit in zip(found, shown, strict=True):
        ax.imshow(np.reshape(digit, (8, 8)), cmap="gray_r")
        ax.axis("off")
    return figure


def draw_compare(shown):
    figure, ax = axes()
    for place, (values, marker) in enumerate(zip(shown.values(), "os^", strict=True)):
        ax.plot([place] * len(values), values, marker, color=KEPT, alpha=0.7)
    ax.set_xticks(range(len(shown)), shown)
    ax.set(ylabel="held-out loss, nats", xlim=(-0.5, len(shown) - 0.5))
    return figure


def draw_served(shown):
    """An example of each outcome, and how often each comes."""
    import matplotlib.pyplot as plt

    figure, found = plt.subplot_mosaic(
        [list("0123"), ["b"] * 4], figsize=(7, 3.8), layout="constrained"
    )
    names = "answered", "several digits: a person", "refused"
    for place, (outcome, image, digits, p_value) in enumerate(shown["examples"]):
        ax = found[str(place)]
        ax.imshow(np.reshape(image, (8, 8)), cmap="gray_r")
        ax.axis("off")
        held = ", ".join(map(str, digits))
        title = f"{names[outcome]}\nset {{{held}}}, p-value {p_value:.2f}"
        ax.set_title(title, fontsize=8)
    bars, left = found["b"], np.zeros(len(shown["shares"]))
    shares = np.transpose(list(shown["shares"].values()))
    for name, widths, colour, hatch in zip(
        names, shares, (KEPT, THIRD, NOISY), ("", "//", ".."), strict=True
    ):
        options = {"color": colour, "alpha": 0.6, "hatch": hatch, "label": name}
        bars.barh(list(shown["shares"]), 100 * widths, left=100 * left, **options)
        left += widths
    bars.invert_yaxis()
    bars.set(xlabel="rows, %", xlim=(0, 100))
    bars.legend(ncols=3, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def draw_batches(shown):
    figure, ax = axes()
    ax.boxplot(shown, medianprops={"color": NOISY}, showfliers=False)
    ax.set(xlabel="batch", ylabel="entropy, nats")
    return figure


DRAWN = {
    "own-cnn": draw_own_cnn,
    "pretrained-max-norm": draw_max_norm,
    "rate-over-epochs": draw_epochs,
    "regression": draw_regression,
    "resnet": draw_resnet,
    "segmentation": draw_segmentation,
    "transformer": draw_transformer,
    "time-series": draw_time_series,
    "transfer": draw_transfer,
    "tune-or-learn-the-rate": draw_tuned,
    "intervals-and-sets": draw_intervals,
    "outliers": draw_outliers,
    "active-learning": draw_chosen,
    "compare": draw_compare,
    "serve": draw_served,
    "many-rows": draw_batches,
}
