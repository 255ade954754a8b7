"""Tables and pictures of what was measured."""

from benchmarks.timing import geometric_mean

SIZES = ("small", "medium", "large")
COLOURS = {"ours": "#2a9d8f", "keras": "#8c8c8c"}
COLUMNS = 3


def line(cell):
    """One cell in one line."""
    times = " ".join(f"{k} {v:.3f}" for k, v in cell["milliseconds"].items())
    gain, low, high = cell["gain"]
    return (
        f"{cell['mode']:17} {cell['layer']:17} {cell['size']:7} {cell['rate']} "
        f"{cell['dtype']:9} {gain:7.2f} times Keras [{low:.2f}, {high:.2f}], "
        f"{cell['cost'][0]:6.2f} multiplications ({times} ms)"
    )


def table(cells):
    """A Markdown table: a row for each mode and layer.

    How many times faster than Keras by size and over all (geometric means over rates
    and dtypes), what a mere multiplication would reach over all, the worst cell with
    its quartiles, and how many multiplications the large ones cost.
    """
    head = ["", "", *SIZES, "all", "at most", "worst cell", "large, in multiplications"]
    rows = []
    for mode, layer in dict.fromkeys((c["mode"], c["layer"]) for c in cells):
        own = [c for c in cells if (c["mode"], c["layer"]) == (mode, layer)]
        row = [mode, f"`{layer}`"]
        for size in SIZES:
            row.append(_mean([c["gain"][0] for c in own if c["size"] == size]))
        row.append(f"**{_mean([c['gain'][0] for c in own])}**")
        took = [c["milliseconds"] for c in own]
        row.append(_mean([each["keras"] / each["multiply"] for each in took]))
        middle, low, high = min((c["gain"] for c in own), key=lambda gain: gain[0])
        row.append(f"{middle:.2f} [{low:.2f}, {high:.2f}]")
        row.append(_mean([c["cost"][0] for c in own if c["size"] == "large"]))
        rows.append(row)
    text = markdown(head, rows)
    unseeded = [c["gain_torch"][0] for c in cells if "gain_torch" in c]
    if unseeded:
        text += f"\n`Dropout` over `F.dropout` of PyTorch: {_mean(unseeded)}.\n"
    return text


def markdown(head, rows):
    """A table in Markdown; columns of numbers have a name, those of texts have none."""
    texts = sum(not name for name in head)
    line = "---|" * texts + "--:|" * (len(head) - texts)
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"| {' | '.join(head)} |\n|{line}\n{body}\n"


def _mean(values):
    return f"{geometric_mean(values):.1f}" if values else "-"


def draw(cells):
    """A figure of the times of the large layers, ours beside Keras's."""
    import matplotlib.pyplot as plt

    large = [c for c in cells if c["size"] == "large"]
    modes = list(dict.fromkeys(c["mode"] for c in large))
    layers = list(dict.fromkeys(c["layer"] for c in large))
    rows = -(-len(modes) // COLUMNS)
    figure, axes = plt.subplots(
        rows,
        min(COLUMNS, len(modes)),
        figsize=(9, 0.9 + 2.6 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, mode in zip(axes.flat, modes, strict=False):
        for place, layer in enumerate(layers):
            own = [c for c in large if (c["mode"], c["layer"]) == (mode, layer)]
            if not own:
                continue
            for shift, (who, colour) in zip((0.2, -0.2), COLOURS.items(), strict=True):
                ratio = geometric_mean(
                    c["milliseconds"][who] / c["milliseconds"]["multiply"] for c in own
                )
                ax.barh(place - shift, ratio, 0.36, color=colour)
        ax.axvline(1, color=plt.rcParams["axes.edgecolor"], linewidth=0.8)
        ax.set(title=mode, xscale="log")
        ax.set_yticks(range(len(layers)), layers)
    axes[0][0].invert_yaxis()
    for ax in axes.flat[len(modes) :]:
        ax.set_axis_off()
    figure.supxlabel("time, in multiplications of the same tensor", fontsize="medium")
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in COLOURS.values()]
    names = ["keras_dropout", "keras.layers"]
    figure.legend(handles, names, loc="outside upper right", ncols=2)
    return figure


def plot(cells, path):
    """Saves the figure, without a window."""
    import matplotlib

    matplotlib.use("Agg")
    draw(cells).savefig(path)
