"""Tables and pictures of what was measured."""

from benchmarks.timing import geometric_mean

SIZES = ("small", "medium", "large")


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
    and dtypes), the worst cell with its quartiles, and how many multiplications the
    large ones cost.
    """
    lines = [
        "| | | small | medium | large | all | worst cell | large, in multiplications |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for mode, layer in dict.fromkeys((c["mode"], c["layer"]) for c in cells):
        own = [c for c in cells if (c["mode"], c["layer"]) == (mode, layer)]
        row = [mode, f"`{layer}`"]
        for size in SIZES:
            row.append(_mean([c["gain"][0] for c in own if c["size"] == size]))
        row.append(f"**{_mean([c['gain'][0] for c in own])}**")
        middle, low, high = min((c["gain"] for c in own), key=lambda gain: gain[0])
        row.append(f"{middle:.2f} [{low:.2f}, {high:.2f}]")
        row.append(_mean([c["cost"][0] for c in own if c["size"] == "large"]))
        lines.append("| " + " | ".join(row) + " |")
    unseeded = [c["gain_torch"][0] for c in cells if "gain_torch" in c]
    if unseeded:
        lines += ["", f"`Dropout` over `F.dropout` of PyTorch: {_mean(unseeded)}."]
    return "\n".join(lines) + "\n"


def _mean(values):
    return f"{geometric_mean(values):.1f}" if values else "-"


def plot(cells, path):
    """Times of the large layers, in multiplications, ours beside Keras's."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    large = [c for c in cells if c["size"] == "large"]
    modes = list(dict.fromkeys(c["mode"] for c in large))
    layers = list(dict.fromkeys(c["layer"] for c in large))
    figure, axes = plt.subplots(
        1, len(modes), figsize=(2.6 * len(modes) + 1.4, 3.4), sharey=True, squeeze=False
    )
    for ax, mode in zip(axes[0], modes, strict=True):
        for place, layer in enumerate(layers):
            own = [c for c in large if (c["mode"], c["layer"]) == (mode, layer)]
            if not own:
                continue
            for shift, who, colour in ((0.2, "ours", "C0"), (-0.2, "keras", "C7")):
                ratio = geometric_mean(
                    c["milliseconds"][who] / c["milliseconds"]["multiply"] for c in own
                )
                ax.barh(place - shift, ratio, 0.36, color=colour)
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set(title=mode, xscale="log", xlabel="multiplications")
        ax.set_yticks(range(len(layers)), layers)
    axes[0][0].invert_yaxis()
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in ("C0", "C7")]
    figure.legend(handles, ["keras_dropout", "keras.layers"], loc="outside lower right")
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path)
    plt.close(figure)
