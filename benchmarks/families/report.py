"""The table and the pictures of the studies of families."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.families.studies import STUDIES
from examples import experiment

HEADLINES = {
    "units": "Srivastava et al. (2014) take the error of a perceptron on 60,000 digits "
    "of MNIST from 1.60 % to 1.35 %, with dropout and logistic units.",
    "channels": "Tompson et al. (2015) locate joints of the human body. They drop "
    "whole maps, because neighbours in a map are nearly equal.",
    "pooling": "Zeiler and Fergus (2013) reach 84.9 % accuracy on CIFAR-10, without "
    "augmentation.",
    "passes": "Liang, Wu et al. (2021) reach 30.91 BLEU from English to German (WMT14) "
    "with R-Drop on a plain transformer. Inoue (2019) proposes several masks a step to "
    "train in fewer steps.",
    "schedules": "Liu et al. (2023): on ImageNet early dropout takes a small vision "
    "transformer (ViT-T) from 73.9 to 74.3 % accuracy, where dropout throughout takes "
    "it to 67.9; late stochastic depth takes ViT-B from 81.6 to 82.3.",
    "mixout": "Lee et al. (2020) report that tuning BERT on few examples becomes "
    "more stable and on average more accurate.",
    "recurrent": "Merity et al. (2018) reach a perplexity of 57.3 a word on the Penn "
    "Treebank with dropped weights and averaged gradients; Krueger et al. (2017) "
    "report competitive results with zoneout on characters.",
    "residual": "Ghiasi et al. (2018): DropBlock takes a ResNet-50 to 78.13 % accuracy "
    "on ImageNet, 1.6 points above the baseline. Huang et al. (2016) reach 4.91 % "
    "error on CIFAR-10 with stochastic depth and more than 1,200 layers.",
    "patches": "Liu et al. (2023): half of the operations and the memory, or less, on "
    "ImageNet with patches dropped.",
    "shake": "Gastaldi (2017): 2.86 % error on CIFAR-10, and 15.85 % on CIFAR-100.",
}


def report(results):
    """All studies in one table: what each method gains, costs and keeps."""
    header = ["", "score", "gain", "seeds", "time", "memory"]
    rows = []
    for name in studied(results):
        study, found = STUDIES[name], of(results, name)
        unit = "bits per character" if study.bits else "% error"
        rows.append([f"**{study.title}**, {unit}", *[""] * (len(header) - 1)])
        rows += [row(study, found, method) for method in study.methods]
    return experiment.table(header, rows)


def study(results, name):
    """The table of one study."""
    own, found = STUDIES[name], of(results, name)
    unit = "bits per character" if own.bits else "% error"
    header = ["", unit, "gain", "seeds", "time", "memory"]
    return experiment.table(header, [row(own, found, m) for m in own.methods])


def studied(results):
    """The studies that are complete: every method was run."""
    return [
        name
        for name, each in STUDIES.items()
        if all(f"{name}/{method}" in results["cells"] for method in each.methods)
    ]


def of(results, name):
    """The cells of a study, by method."""
    return {m: results["cells"][f"{name}/{m}"] for m in STUDIES[name].methods}


def row(study, found, method):
    """Score, gain over the first method, seeds that it is better on, time, memory."""
    first, own = found[next(iter(found))], found[method]
    digits = 3 if study.bits else 1
    cells = [experiment.mean_and_error(column(own), digits)]
    if own is first:
        return [method, *cells, "", "", "1", "1"]
    gained = gains(found, method)
    wins = f"{np.sum(gained > 0)} of {len(gained)}"
    cells += [signed(experiment.mean_and_error(gained, digits)), wins]
    cells.append(f"{took(own) / took(first):.2f}")
    kept = own["kept"] and f"{own['kept'] / first['kept']:.2f}"
    return [method, *cells, kept or ""]


def signed(text):
    return text if text.startswith("-") else f"+{text}"


def column(cell, key="score"):
    return np.array([run[key] for run in cell["runs"]])


def gains(found, method):
    """By seed, how much lower the score is than that of the first method."""
    return column(found[next(iter(found))]) - column(found[method])


def took(cell):
    """Seconds of the processor to train, without the run that was compiled."""
    return np.median(column(cell, "seconds")[1:] if len(cell["runs"]) > 1 else [1.0])


def verdict(results, name, method):
    """What a study says of a method, in words."""
    study, found = STUDIES[name], of(results, name)
    gained = gains(found, method)
    error = experiment.standard_error(gained)
    what, unit = ("loss", "bits per character") if study.bits else ("error", "points")
    digits = 3 if study.bits else 1
    size = f"{abs(gained.mean()):.{digits}f} ± {error:.{digits}f} {unit}"
    if abs(gained.mean()) <= 2 * error:
        return f"made no difference beyond chance ({size})"
    return f"{'lowered' if gained.mean() > 0 else 'raised'} the {what} by {size}"


def sections(results):
    """By study: what the paper reports, what was gained here and what was not."""
    parts = []
    for name in studied(results):
        own = STUDIES[name]
        methods = list(own.methods)[1:]
        said = {method: verdict(results, name, method) for method in methods}
        lines = [
            f"- `{method}` {words}, {costs(results, name, method)}."
            for method, words in said.items()
        ]
        parts += [
            f"## {own.title}",
            f"On {own.task}, compared with *{next(iter(own.methods))}*:",
            "\n".join(lines),
            f"**Not gained**: {not_gained(said)}",
            f"![{own.title}: the gain of each seed](figures/family_{name}.svg)",
            f"**The paper**: {HEADLINES[name]}",
        ]
    return "\n\n".join(parts)


def costs(results, name, method):
    """Time and memory of a method over those of the first, in words."""
    found = of(results, name)
    first, own = found[next(iter(found))], found[method]
    text = f"took {took(own) / took(first):.2f} times as long"
    if not own["kept"]:
        return text
    kept = own["kept"] / first["kept"]
    return f"{text} and {kept:.2f} times the memory"


def not_gained(said):
    """A sentence on the methods that did not gain."""
    none = [f"`{method}`" for method, words in said.items() if "lowered" not in words]
    if not none:
        return "nothing here, but other data and rates were not tried."
    names = " and ".join(each for each in (", ".join(none[:-1]), none[-1]) if each)
    return f"{names} did not lower the error on this task, at this rate."


def draw(results, name):
    """The gain of each seed, and the mean, by method."""
    import matplotlib.pyplot as plt

    own, found = STUDIES[name], of(results, name)
    methods = list(own.methods)[1:]
    size = (6.4, 0.9 + 0.45 * len(methods))
    figure, ax = plt.subplots(figsize=size)
    for height, method in enumerate(reversed(methods)):
        gained = gains(found, method)
        ax.plot(gained, np.full(len(gained), height), "o", color="#2a9d8f", ms=4)
        ax.plot(gained.mean(), height, "|", color="#e76f51", ms=18, mew=2)
    ax.axvline(0, color="0.5", lw=1, ls="--")
    ax.set_yticks(range(len(methods)), list(reversed(methods)))
    ax.set_ylim(-0.6, len(methods) - 0.4)
    unit = "bits per character" if own.bits else "points of error"
    ax.set_xlabel(f"{unit} below '{next(iter(own.methods))}'")
    return figure


def figures(results):
    """A figure of each study that was run, under the name that pages show it by."""
    return {
        f"family_{name}": functools.partial(draw, name=name)
        for name in studied(results)
    }
