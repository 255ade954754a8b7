"""How the pictures of the gallery are drawn: each square is a number of the output."""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Callable

import keras
import numpy as np

KEPT, LOWERED = "#2a9d8f", "#e76f51"
# What texts and dropped squares are drawn in: the page's own colour, or this one.
INK = "#123456"
PITCH, SIDE, SMALL = 10, 9, 5
LEVELS = 8
RATES = (0.1, 0.2, 0.3, 0.5, 0.7)


@dataclasses.dataclass(frozen=True)
class Panels:
    """Matrices that stand side by side.

    Args:
        matrices: Dictionary from a title to a matrix.
        x: What the columns of each matrix are.
        y: What its rows are.
        mode: `"keep"` shows zeros as dropped and all else as kept, `"noise"` shows
            how far the numbers are from 1, up or down, and `"value"` their size.
        names: A name for each row of the first matrix.
    """

    matrices: dict
    x: str = ""
    y: str = ""
    mode: str = "keep"
    names: tuple = ()


@dataclasses.dataclass(frozen=True)
class Picture:
    """What a layer drops, at several values of one of its arguments.

    Args:
        draw: Function from a value of the argument to `Panels`.
        argument: Name of the argument, or `None` where `draw` takes none.
        values: What the slider of the layer's page offers.
        shown: The value of the still picture.
    """

    draw: Callable
    argument: str | None = "rate"
    values: tuple = RATES
    shown: float | None = 0.3

    @functools.cached_property
    def frames(self):
        """The panels by value of the argument, drawn once."""
        if self.argument is None:
            return {None: self.draw()}
        values = sorted({*self.values, self.shown})
        return {value: self.draw(value) for value in values}

    @functools.cached_property
    def scale(self):
        """What has the full colour: the largest number, or a large step from 1."""
        still = self.frames[self.shown]
        if still.mode == "noise":
            steps = [np.abs(np.ravel(m) - 1) for m in still.matrices.values()]
            # A few numbers lie far out, and would leave all others pale.
            return float(np.quantile(np.concatenate(steps), 0.95)) or 1.0
        every = [m for panels in self.frames.values() for m in panels.matrices.values()]
        return max(float(np.max(m)) for m in every) or 1.0

    def still(self):
        """One frame as an SVG file."""
        body, width, height = markup(self.frames[self.shown], self.scale)
        size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        namespace = 'xmlns="http://www.w3.org/2000/svg"'
        return f'<svg {namespace} {size} color="{INK}">{body}</svg>'

    def moving(self, name):
        """All frames as HTML with a slider, which a script shows."""
        drawn = {v: markup(panels, self.scale) for v, panels in self.frames.items()}
        _, width, height = drawn[self.shown]
        hidden = ' display="none"'
        groups = "".join(
            f"<g{'' if value == self.shown else hidden}>{body}</g>"
            for value, (body, _, _) in drawn.items()
        )
        label = html.escape(f"What {name} drops")
        picture = (
            f'<svg role="img" aria-label="{label}" width="{width}" '
            f'viewBox="0 0 {width} {height}">{groups}</svg>'
        )
        if self.argument is None:
            return f'<figure class="mask" data-search-exclude>{picture}</figure>'
        values = [f"{value:g}" for value in drawn]
        at = list(drawn).index(self.shown)
        slider = (
            f"<div hidden><label><code>{self.argument}</code> "
            f'<input type="range" min="0" max="{len(values) - 1}" step="1" '
            f'value="{at}" data-values="{" ".join(values)}" '
            f'aria-valuetext="{values[at]}"></label> '
            f"<output>{values[at]}</output></div>"
        )
        return f'<figure class="mask" data-search-exclude>{picture}{slider}</figure>'


def markup(panels, scale):
    """Panels as SVG elements, with their width and height."""
    sizes = [np.shape(matrix) for matrix in panels.matrices.values()]
    titled = any(panels.matrices)
    left = 16 if panels.y else 0
    if panels.names:
        left = 8 + 7 * max(len(name) for name in panels.names)
    top, bottom = (16 if titled else 2), (18 if panels.x else 2)
    height = top + PITCH * max(rows for rows, _ in sizes) + bottom
    parts, at = [], left
    for (title, matrix), (rows, columns) in zip(
        panels.matrices.items(), sizes, strict=True
    ):
        middle = at + PITCH * columns / 2
        if title:
            parts.append(text(title, middle, 11))
        if panels.x:
            parts.append(text(panels.x, middle, top + PITCH * rows + 13))
        parts.append(squares(np.asarray(matrix), panels.mode, scale, at, top))
        at += PITCH * columns + 16
    if panels.y:
        middle = top + PITCH * sizes[0][0] / 2
        turn = f' transform="rotate(-90 10 {middle:g})"'
        parts.append(text(panels.y, 10, middle, turn))
    for row, name in enumerate(panels.names):
        parts.append(text(name, left - 6, top + PITCH * row + 8, anchor="end"))
    return "".join(parts), at - 16, height


def text(words, x, y, more="", anchor="middle"):
    return (
        f'<text x="{x:g}" y="{y:g}" fill="currentColor" font-size="11" '
        f'font-family="sans-serif" text-anchor="{anchor}"{more}>'
        f"{html.escape(words)}</text>"
    )


def squares(matrix, mode, scale, left, top):
    """The squares of one matrix: a path for each colour and strength."""
    paths = {}
    for (row, column), number in np.ndenumerate(matrix):
        look = MODES[mode](float(number), scale)
        side = look[2]
        inset = (SIDE - side) // 2
        x, y = left + PITCH * column + inset, top + PITCH * row + inset
        paths.setdefault(look, []).append(f"M{x} {y}h{side}v{side}h-{side}z")
    return "".join(
        f'<path fill="{colour}" fill-opacity="{strength:g}" d="{"".join(d)}"/>'
        for (colour, strength, _), d in paths.items()
    )


def kept_or_dropped(number, scale):
    """Colour, strength and side: strong where kept, faint where dropped."""
    return (KEPT, 1.0, SIDE) if number else ("currentColor", 0.15, SIDE)


def up_or_down(number, scale):
    """The further from 1 the stronger; what is lowered is a smaller square."""
    strength = stepped(abs(number - 1.0) / scale)
    return (KEPT, strength, SIDE) if number >= 1 else (LOWERED, strength, SMALL)


def sized(number, scale):
    """The larger the stronger."""
    return (KEPT, stepped(number / scale), SIDE)


def stepped(strength):
    """A strength from 0.06 to 1, in few steps, so that few paths are needed."""
    return max(0.06, round(min(strength, 1.0) * LEVELS) / LEVELS)


MODES = {"keep": kept_or_dropped, "noise": up_or_down, "value": sized}


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def noisy(layer, shape):
    """What the layer makes of ones of this shape in training."""
    return numbers(layer(np.ones(shape, "float32"), training=True))


def calls(call, number=4, mode="keep", x="features", y="rows"):
    """What some calls in a row give, each a matrix."""
    return Panels({f"call {i + 1}": numbers(call()) for i in range(number)}, x, y, mode)


def features(layer, mode="keep", rows=8, columns=32):
    """Rows of features."""
    return Panels({"": noisy(layer, (rows, columns))}, "features", "rows", mode)


def sequences(layer, mode="keep", rows=3, steps=10, columns=14):
    """Some sequences, each as steps by features."""
    y = noisy(layer, (rows, steps, columns))
    panels = {f"sequence {i + 1}": matrix for i, matrix in enumerate(y)}
    return Panels(panels, "features", "steps", mode)


def images(layer, mode="keep", rows=2, size=14, channels=2):
    """The channels of some images."""
    y = noisy(layer, (rows, size, size, channels))
    panels = {
        f"image {i + 1}, channel {c + 1}": y[i, :, :, c]
        for i in range(rows)
        for c in range(channels)
    }
    return Panels(panels, mode=mode)


def volumes(layer, mode="keep", depth=3, size=10, channels=2):
    """The channels of one volume, as slices."""
    y = noisy(layer, (1, depth, size, size, channels))
    panels = {
        f"channel {c + 1}, slice {d + 1}": y[0, d, :, :, c]
        for c in range(channels)
        for d in range(depth)
    }
    return Panels(panels, mode=mode)
