"""Tables and the picture of what uncertainty buys."""

import numpy as np

from benchmarks.worth.judge import MEASURES
from benchmarks.worth.methods import ALL, FEW, NAMES, WAYS

CLASSES = {
    "nll": "loss, nats",
    "ece": "miscalibration",
    "aurc": "AURC",
    "error_auroc": "errors, AUROC",
}
VALUES = {
    "nll": "loss, nats",
    "coverage_90": "coverage of 90 %",
    "rmse": "RMSE",
    "aurc": "AURC",
    "error_auroc": "errors, AUROC",
}
# Losses beyond it are drawn by their logarithms.
WIDE = 20
# Below, all measures are close to guessing.
FOUND = 0.6
MASKED = "monte carlo", "tuned", "learned"


def report(results):
    """A table for each task: the scores of each method, mean and spread over seeds."""
    return "\n\n".join(
        f"**{name}**\n\n{table(methods)}" for name, methods in results["tasks"].items()
    )


def table(methods):
    """The scores of each method on clean data, as Markdown."""
    first = methods["plain"][0]
    is_classes = "ece" in first
    scores = CLASSES if is_classes else VALUES
    by = "entropy" if is_classes else "total"
    strangers = list(first["strange"][by])
    head = ["", *scores.values(), *(f"{name}, AUROC" for name in strangers)]
    head.append("loss at worst shift")
    rows = []
    for name in ordered(methods):
        runs = methods[name]
        cells = [spread([run[score] for run in runs]) for score in scores]
        cells += [
            spread([run["strange"][by][stranger] for run in runs])
            for stranger in strangers
        ]
        cells.append(spread([run["shifted"][-1][0] for run in runs], 2))
        rows.append([NAMES[name], *cells])
    return markdown(head, rows)


def ordered(methods):
    """The methods that were run, in the order in which they are shown."""
    return [name for name in NAMES if name in methods]


def scores(results):
    """Which measure finds errors, strangers, and strangers that no measure finds.

    Of a task of classes, a way of masking and a kind of stranger the mean over seeds is
    one case. Strangers count as found where the best measure reaches `FOUND`.
    """
    cases = {"errors": [], "strangers": [], "others": []}
    for methods in results["tasks"].values():
        for name in MASKED:
            runs = [run for run in methods.get(name, ()) if "errors" in run]
            if not runs:
                continue
            found = [[run["errors"][m] for m in MEASURES] for run in runs]
            cases["errors"].append(np.nanmean(found, axis=0))
            for kind in runs[0]["strange"]["entropy"]:
                found = [[run["strange"][m][kind] for m in MEASURES] for run in runs]
                mean = np.mean(found, axis=0)
                kind = "strangers" if mean.max() >= FOUND else "others"
                cases[kind].append(mean)
    head = ["", "errors", f"strangers, found ({FOUND} or more)", "strangers, not found"]
    columns = []
    for rows in cases.values():
        mean = np.mean(rows, axis=0) if rows else np.full(len(MEASURES), np.nan)
        columns.append([f"{each:.3f}" for each in mean])
    counts = [f"{len(rows)} cases" for rows in cases.values()]
    names = [f"`{name}`" for name in MEASURES]
    rows = [list(row) for row in zip(names, *columns, strict=True)]
    return markdown(head, [*rows, ["", *counts]])


def ways(results):
    """Fewer passes, joined passes and moments: the loss beyond that of many passes.

    A table for clean rows and one for the worst shift, with a line for each task, and
    the processor time of each way as a multiple of that of a few passes.
    """
    found = {
        task: {way: methods[way] for way in WAYS}
        for task, methods in results["tasks"].items()
        if all(way in methods for way in WAYS)
    }
    others = [way for way in WAYS if way != ALL]
    texts = []
    for title, severity in (("Clean rows", 0), ("Worst shift", -1)):
        head = ["", WAYS[ALL], *(WAYS[way] for way in others)]
        rows = []
        for task, runs in found.items():
            losses = {way: _losses(runs[way], severity) for way in WAYS}
            cells = [spread(losses[way] - losses[ALL]) for way in others]
            rows.append([task, spread(losses[ALL]), *cells])
        rows.append(["processor time", *_times(found, [ALL, *others])])
        texts.append(f"**{title}**\n\n{markdown(head, rows)}")
    return "\n\n".join(texts)


def _losses(runs, severity):
    if severity == 0:
        return np.array([run["nll"] for run in runs])
    return np.array([run["shifted"][severity][0] for run in runs])


def _times(found, names):
    """The median over tasks and seeds, the first seed apart, which compiles."""
    few = f"{FEW} independent"
    cells = []
    for name in names:
        ratios = [
            run["seconds"] / base["seconds"]
            for runs in found.values()
            for run, base in zip(runs[name][1:], runs[few][1:], strict=True)
        ]
        cells.append(f"{np.median(ratios):.1f}" if ratios else "-")
    return cells


def spread(values, digits=3):
    """The mean and the standard deviation over seeds, as text."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def markdown(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# What the picture shows: colour, style and marker of each line.
LINES = {
    "plain": ("#a87b16", ":", "o"),
    "one pass": ("#7a6fc0", "--", "s"),
    "tuned": ("#1f9488", "-", "^"),
    "monte carlo": ("#1f9488", "-.", "D"),
    "recipe tuned": ("#b0447f", (0, (4, 1)), "P"),
    "ensemble": ("#d9603f", (0, (5, 1, 1, 1, 1, 1)), "v"),
}


def draw(results):
    """The likelihood of test rows as they get worse, a panel for each task."""
    import matplotlib.pyplot as plt

    tasks = results["tasks"]
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(9.5, 0.5 + 2.6 * rows),
        squeeze=False,
        layout="constrained",
    )
    for ax, (name, methods) in zip(axes.flat, tasks.items(), strict=False):
        for method, (colour, line, marker) in LINES.items():
            if method not in methods:
                continue
            losses = np.array([run["shifted"] for run in methods[method]])[..., 0]
            options = {"color": colour, "linestyle": line, "marker": marker}
            mean = losses.mean(axis=0)
            ax.plot(mean, label=NAMES[method], markersize=3.5, lw=1.5, **options)
        ax.set(title=name, xticks=range(6))
        if ax.get_ylim()[1] > WIDE:
            ax.set_yscale("symlog", linthresh=1)
            ax.autoscale()
    for ax in axes.flat[len(tasks) :]:
        ax.set_axis_off()
    figure.supxlabel("severity of the shift (0: clean)", fontsize="medium")
    figure.supylabel("loss (nats)", fontsize="medium")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


FIGURES = {"worth": draw}
