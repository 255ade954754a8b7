"""The tables and the picture of the regressions, of what `uci.py` found."""

import math

import experiment
import numpy as np
from uci_networks import CHOICES, Choice

METHODS = {
    "paper": "the paper's protocol",
    "no noise": "the same networks, noise off",
    "moments": "the same, moments for samples",
    "tuned": "the same, tuned rates",
    "tuned, noise too": "the same, tuned rates and noise",
    "epsilon": "the paper's, with Adam's old epsilon",
    "batch": "the paper's, with batches of 128",
    "learned": "learned rates",
    "masks": "Masksembles",
}


def by_method(results, name):
    """The scores of each split of a set, by method."""
    cells = results["cells"]
    runs = cells[f"{name}/paper"]
    found = {m: [run[m] for run in runs] for m in METHODS if m in runs[0]}
    for method in METHODS:
        if f"{name}/{method}" in cells and method != "paper":
            found[method] = cells[f"{name}/{method}"]
    return found


def sets(results):
    """The sets, in the order in which they were run."""
    keys = [key.split("/") for key in results["cells"]]
    return [name for name, cell in keys if cell == "paper"]


def column(runs, score):
    return np.array([run[score] for run in runs])


def digits_of(name):
    """Digits behind the point: three, but five where errors are small."""
    return 4 if name == "kin8nm" else 3


def report(results):
    """The protocol beside what is published."""
    header = ["set", "splits", "RMSE", "published", "apart"]
    header += ["log-likelihood", "published", "apart"]
    rows = []
    for name in sets(results):
        runs, choice = by_method(results, name)["paper"], CHOICES.get(name, Choice())
        row = [name, len(runs)]
        for score in ("rmse", "likelihood"):
            values, published = column(runs, score), getattr(choice, score)
            row.append(experiment.mean_and_error(values, digits_of(name)))
            if published is None:
                row += ["", ""]
                continue
            row.append(" ± ".join(f"{each:.{digits_of(name)}f}" for each in published))
            row.append(f"{apart(values, published):+.1f}")
        rows.append(row)
    return experiment.table(header, rows)


def apart(values, published):
    """How many standard errors of the difference our mean is above theirs."""
    mean, error = published
    own = experiment.standard_error(values)
    return (values.mean() - mean) / math.hypot(own, error)


def methods(results):
    """What each method gains over the protocol, by splits that both were run on."""
    header = ["", *sets(results)]
    rows = []
    for score in ("likelihood", "rmse"):
        rows.append([f"**{SCORES[score]}**", *[""] * (len(header) - 1)])
        for method, title in METHODS.items():
            cells = [gain(results, name, method, score) for name in header[1:]]
            rows.append([title, *cells])
    return experiment.table(header, rows)


SCORES = {"likelihood": "log-likelihood, nats", "rmse": "RMSE"}


def gain(results, name, method, score):
    """The mean of the protocol, or the difference to it, and its standard error."""
    found = by_method(results, name)
    if method not in found:
        return ""
    values, paper = column(found[method], score), column(found["paper"], score)
    if method == "paper":
        return experiment.mean_and_error(values, digits_of(name))
    text = experiment.mean_and_error(values - paper[: len(values)], digits_of(name))
    return text if text.startswith("-") else f"+{text}"


def draw(results):
    """What each method gains in likelihood over the protocol."""
    import matplotlib.pyplot as plt

    shown = [m for m in METHODS if m not in ("paper", "epsilon", "batch")]
    names = sets(results)
    size = (2.1 * len(names) + 1.6, 2.6)
    figure, axes = plt.subplots(
        1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, name in zip(axes[0], names, strict=True):
        found = by_method(results, name)
        paper = column(found["paper"], "likelihood")
        for height, method in enumerate(reversed(shown)):
            if method not in found:
                continue
            values = column(found[method], "likelihood")
            gains = values - paper[: len(values)]
            width = 2 * experiment.standard_error(gains) if len(gains) > 1 else 0
            ax.errorbar(gains.mean(), height, xerr=width, fmt="o", color="#2a9d8f")
        ax.axvline(0, color="#e76f51", lw=1, ls="--")
        ax.set(title=name)
        ax.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(shown)), [METHODS[m] for m in reversed(shown)])
    figure.supxlabel("nats above the paper's protocol", fontsize="medium")
    return figure
