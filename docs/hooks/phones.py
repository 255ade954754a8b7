"""Lays figures out anew for phones, where a wide one would be too small to read."""

import math

# Width of a figure for a phone in inches, and how wide a panel of it may be at least.
WIDTH, NARROW = 4.4, 1.9
# Figures up to this width are shown as they are.
SMALL = 5.6
# Rows of at least so many images are halved.
LONG = 6
# More panels than this, none of them wider than that, stand in two columns. With words
# beside them they stand in one.
FEW, WIDE = 4, 3.3
# Letters that fit below the width of a phone.
LETTERS = 34


def narrow(figure):
    """Stacks the panels of a wide figure in place; whether it did."""
    width, height = figure.get_size_inches()
    panels = [ax for ax in figure.axes if ax.has_data() or ax.texts]
    grid = grid_of(panels)
    if width <= SMALL or grid is None:
        return False
    rows, columns = grid.get_geometry()
    if columns >= LONG and all(ax.images for ax in panels):
        count = math.ceil(columns / 2)
    elif width / columns < NARROW or not any(ax.axison for ax in panels):
        return False
    else:
        whole = len(panels) <= FEW or width / columns > WIDE or any(map(wordy, panels))
        count = 1 if whole else 2
    stack(figure, panels, grid, count)
    figure.set_size_inches(WIDTH, height / rows * math.ceil(len(panels) / count) + 0.4)
    figure.set_layout_engine("constrained")
    return True


def grid_of(panels):
    """The grid that the panels stand in, each in one cell, or `None`."""
    places = [ax.get_subplotspec() for ax in panels]
    if not places or None in places:
        return None
    grids = {id(place.get_gridspec()) for place in places}
    spans = any(len(place.rowspan) * len(place.colspan) > 1 for place in places)
    return None if len(grids) > 1 or spans else places[0].get_gridspec()


def stack(figure, panels, grid, count):
    """Puts the panels into `count` columns, with the labels that they now need."""
    for ax in set(figure.axes) - set(panels):
        ax.remove()
    labels = row_labels(panels)
    new = figure.add_gridspec(math.ceil(len(panels) / count), count)
    for place, ax in enumerate(panels):
        if count < grid.ncols and place % count == 0 and not ax.get_ylabel():
            ax.set_ylabel(labels[place])
        ax.set_subplotspec(new[place // count, place % count])
        if len(panels) > 1 and ax.axison and not ax.images:
            ax.tick_params(labelbottom=True, labelleft=True)
        if letters(ax) > LETTERS / count:
            ax.tick_params(axis="x", labelsize=8)
    for legend in list(figure.legends):
        texts = [text.get_text() for text in legend.get_texts()]
        several = max(map(len, texts)) < LETTERS / 2
        options = {"loc": "outside upper center", "ncols": 2 if several else 1}
        figure.legend(legend.legend_handles, texts, **options)
        legend.remove()


def wordy(ax):
    """Whether the labels beside a panel leave no room for another panel."""
    words = [text.get_text() for text in ax.get_yticklabels()]
    return max(map(len, words), default=0) > LETTERS / 3


def letters(ax):
    """How many letters the labels below a panel have side by side."""
    texts = [text.get_text() for text in ax.get_xticklabels()]
    return sum(max(map(len, text.split("\n"))) for text in texts)


def row_labels(panels):
    """What the values of each panel are, which may be said in its row only once."""
    first = {}
    for ax in panels:
        first.setdefault(ax.get_subplotspec().rowspan.start, ax.get_ylabel())
    return [first[ax.get_subplotspec().rowspan.start] for ax in panels]
