"""Axes, and lines that differ in grey too and show on white and on dark grounds."""

from typing import Any

# Each has a contrast of 3 or more to white and to the dark ground of the site.
COLOURS = ("#1f9488", "#d9603f", "#7a6fc0", "#a87b16")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D")
HATCHES = ("", "///", "...", "\\\\\\")
# What only guides the eye.
QUIET = "0.5"
_GUIDE = "_guide"


def new_axes(ax: Any) -> Any:
    """`ax`, or new axes."""
    return ax if ax is not None else pyplot().subplots()[1]


def pyplot() -> Any:
    """Matplotlib's, if it is installed."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("Plots need Matplotlib: pip install matplotlib") from error
    return pyplot


def line(ax: Any, linestyle: str | None = None) -> dict[str, Any]:
    """Colour and style of the next line on these axes, unlike those that are there."""
    number = sum(each.get_label() != _GUIDE for each in ax.lines) % len(COLOURS)
    style = LINES[number] if linestyle is None else linestyle
    return {"color": COLOURS[number], "linestyle": style, "linewidth": 1.6}


def marker(ax: Any) -> dict[str, Any]:
    """The marker of the next line on these axes."""
    number = sum(each.get_label() != _GUIDE for each in ax.lines) % len(MARKERS)
    return {"marker": MARKERS[number], "markersize": 4}


def guide(ax: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A quiet line between two points, once on these axes, last and in no legend."""
    for each in ax.lines:
        if each.get_label() == _GUIDE:
            each.remove()
    xs, ys = zip(start, end, strict=True)
    ax.plot(xs, ys, color=QUIET, linestyle=(0, (1, 3)), linewidth=1, label=_GUIDE)
