"""How the pictures of the gallery are drawn: each square is a number of the output."""

import keras
import matplotlib.pyplot as plt
import numpy as np

KEPT = np.array([42, 157, 143]) / 255
RAISED = KEPT
LOWERED = np.array([231, 111, 81]) / 255
DROPPED = np.array([128, 128, 128]) / 255
CELL, GAP = 16, 2


def noisy(layer, shape):
    """What the layer makes of ones of this shape in training."""
    ones = np.ones(shape, "float32")
    return keras.ops.convert_to_numpy(layer(ones, training=True))


def picture(panels, x="", y="", mode="keep"):
    """Draws matrices side by side.

    Args:
        panels: Dictionary from a title to a matrix.
        x: What the columns of each matrix are.
        y: What its rows are.
        mode: `"keep"` shows zeros as dropped and all else as kept, `"noise"` shows
            how far the numbers are from 1, up or down, and `"value"` their size.
    """
    shapes = [np.shape(matrix) for matrix in panels.values()]
    widths = [columns for _, columns in shapes]
    width = 0.11 * sum(widths) + 0.3 * len(widths)
    height = 0.11 * max(rows for rows, _ in shapes) + 0.4
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(width, height),
        squeeze=False,
        gridspec_kw={"width_ratios": widths},
    )
    colours = MODES[mode]
    for ax, (title, matrix) in zip(axes[0], panels.items(), strict=True):
        ax.imshow(cells(colours(np.asarray(matrix))), interpolation="none")
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=8)
        ax.set_xlabel(x, fontsize=8)
        ax.spines[:].set_visible(False)
    axes[0][0].set_ylabel(y, fontsize=8)
    return figure


def kept_or_dropped(matrix):
    """Colours: strong where kept, faint where dropped."""
    kept = matrix[..., None] != 0
    solid = np.concatenate([KEPT, [1.0]])
    faint = np.concatenate([DROPPED, [0.22]])
    return np.where(kept, solid, faint)


def up_or_down(matrix):
    """Colours: the further from 1 the stronger, another colour up than down."""
    off = matrix - 1.0
    colour = np.where(off[..., None] >= 0, RAISED, LOWERED)
    strength = np.clip(np.abs(off) / (np.abs(off).max() or 1.0), 0.06, 1.0)
    return np.concatenate([colour, strength[..., None]], axis=-1)


def sized(matrix):
    """Colours: the larger the stronger."""
    strength = np.clip(matrix / matrix.max(), 0.06, 1.0)
    colour = np.broadcast_to(KEPT, (*matrix.shape, 3))
    return np.concatenate([colour, strength[..., None]], axis=-1)


MODES = {"keep": kept_or_dropped, "noise": up_or_down, "value": sized}


def cells(colours):
    """Each entry as a square with a gap around it."""
    image = np.kron(colours, np.ones((CELL, CELL, 1)))
    rows, columns = (np.arange(size) % CELL >= CELL - GAP for size in image.shape[:2])
    image[rows, :, 3] = 0.0
    image[:, columns, 3] = 0.0
    return image


def calls(call, number=4, mode="keep", x="features", y="rows"):
    """What some calls in a row give, each a matrix."""
    panels = {}
    for i in range(number):
        panels[f"call {i + 1}"] = keras.ops.convert_to_numpy(call())
    return picture(panels, x, y, mode)


def features(layer, mode="keep", rows=8, columns=32):
    """Rows of features."""
    return picture({"": noisy(layer, (rows, columns))}, "features", "rows", mode)


def sequences(layer, mode="keep", rows=3, steps=10, columns=14):
    """Some sequences, each as steps by features."""
    y = noisy(layer, (rows, steps, columns))
    panels = {f"sequence {i + 1}": matrix for i, matrix in enumerate(y)}
    return picture(panels, "features", "steps", mode)


def images(layer, mode="keep", rows=2, size=14, channels=2):
    """The channels of some images."""
    y = noisy(layer, (rows, size, size, channels))
    panels = {
        f"image {i + 1}, channel {c + 1}": y[i, :, :, c]
        for i in range(rows)
        for c in range(channels)
    }
    return picture(panels, mode=mode)


def volumes(layer, mode="keep", depth=3, size=10, channels=2):
    """The channels of one volume, as slices."""
    y = noisy(layer, (1, depth, size, size, channels))
    panels = {
        f"channel {c + 1}, slice {d + 1}": y[0, d, :, :, c]
        for c in range(channels)
        for d in range(depth)
    }
    return picture(panels, mode=mode)


def middles(number):
    """Where the middles of this many cells lie."""
    return CELL * (np.arange(number) + 0.5) - 1
