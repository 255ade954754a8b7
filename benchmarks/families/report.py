"""The table and the pictures of the studies of families."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.families.studies import STUDIES
from examples import experiment


def report(results):
    """All studies in one table: what each method gains, costs and keeps."""
    header = ["", "score", "gain", "on", "time", "numbers kept"]
    rows = []
    for name in studied(results):
        study, found = STUDIES[name], of(results, name)
        unit = "bits a character" if study.bits else "% error"
        rows.append([f"**{study.title}**, {unit}", *[""] * (len(header) - 1)])
        rows += [row(study, found, method) for method in study.methods]
    return experiment.table(header, rows)


def study(results, name):
    """The table of one study."""
    own, found = STUDIES[name], of(results, name)
    unit = "bits a character" if own.bits else "% error"
    header = ["", unit, "gain", "on", "time", "numbers kept"]
    return experiment.table(header, [row(own, found, m) for m in own.methods])


def studied(results):
    """The studies of which every method was run."""
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
    unit = "bits a character" if study.bits else "points of error"
    digits = 3 if study.bits else 1
    size = f"{abs(gained.mean()):.{digits}f} ± {error:.{digits}f} {unit}"
    if abs(gained.mean()) <= 2 * error:
        return f"nothing that five seeds tell from chance ({size})"
    return f"{'a gain' if gained.mean() > 0 else 'a loss'} of {size}"


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
    unit = "bits a character" if own.bits else "points of error"
    ax.set_xlabel(f"{unit} below '{next(iter(own.methods))}'")
    return figure


def of_study(name):
    """A figure, under the name that pages show it by."""
    return {f"family_{name}": functools.partial(draw, name=name)}


FIGURES = {key: value for name in STUDIES for key, value in of_study(name).items()}
