"""Draws the figures of the site with the code that they are about.

A page shows a figure as `![What it shows](figures/NAME.svg)`, whatever its own folder.
Each figure is drawn once and saved in the colours of both themes. A wide one is laid
out and saved once more for phones.
"""

import functools
import importlib
import importlib.util
import io
import json
import os
import pathlib
import re
import sys

import phones
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

os.environ.setdefault("KERAS_BACKEND", "jax")

DOCS = pathlib.Path(__file__).parents[1]
IMAGE = re.compile(r"!\[([^]]*)\]\(figures/([\w-]+)\.svg\)")
# A table of `docs/results`; the function that makes it is `report`, or the one named.
REPORT = re.compile(r"<!-- report: (\w+)(?:\.(\w+))? -->")
# Words and pictures that a function makes of a file of `docs/results`.
TEXT = re.compile(r"<!-- text: (\w+)\.(\w+) -->")
BENCHMARK = re.compile(r"<!-- benchmark: (\w+) -->")
# A value and its spread.
SPREAD = re.compile(r"([^\s|]+) (± [^\s|]+)")
BENCHMARKS = DOCS / "assets" / "benchmarks"
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
# What text and axes are drawn in, and what replaces it in each theme.
INK = "#123456"
THEMES = {"light": "#3b4252", "dark": "#d8dee9"}


def on_files(files, config):
    """Adds an SVG file for each figure, theme and kind of screen."""
    for folder in (DOCS.parent, DOCS.parent / "examples", DOCS / "examples"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    for name, draw in sources().items():
        for kind, svg in themed(draw).items():
            uri = f"figures/{name}.{kind}.svg"
            files.append(File.generated(config, uri, content=svg))
    return files


def sources():
    """All figures of the site: a name and a function that draws it, or returns SVG."""
    found = {}
    for path in sorted((DOCS / "examples").glob("*.py")):
        found.update(importlib.import_module(path.stem).FIGURES)
    for path in sorted((DOCS / "results").glob("*.json")):
        results = json.loads(path.read_text())
        module = experiment(path.stem)
        # What can be drawn may hang on what was run.
        figures = getattr(module, "figures", lambda results, own=module: own.FIGURES)
        for name, draw in figures(results).items():
            found[name] = functools.partial(draw, results)
    cells = json.loads((BENCHMARKS / "layers.json").read_text())
    draw = importlib.import_module("benchmarks.report").draw
    found["benchmark_layers"] = functools.partial(draw, cells)
    rows = json.loads((BENCHMARKS / "many_rows.json").read_text())
    draw = importlib.import_module("benchmarks.many_rows").draw
    found["benchmark_many_rows"] = functools.partial(draw, rows)
    masks = importlib.import_module("masks")
    for name, picture in masks.PICTURES.items():
        found[f"mask-{name}"] = picture.still
    return found


def experiment(name):
    """The program that wrote the results of this name: an example or a benchmark."""
    if importlib.util.find_spec(name) is None:
        return importlib.import_module(f"benchmarks.{name}.report")
    return importlib.import_module(name)


def themed(draw):
    """Draws a figure, and returns its SVG by theme, for phones as `phone.light`."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    ink = {"text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK}
    ink |= {"axes.titlecolor": INK, "xtick.color": INK, "ytick.color": INK}
    style = {
        "svg.hashsalt": "keras_dropout",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(ink | style):
        figure = draw()
        if isinstance(figure, str):
            return recoloured(figure)
        found = recoloured(saved(figure))
        if phones.narrow(figure):
            small = recoloured(saved(figure))
            found |= {f"phone.{theme}": svg for theme, svg in small.items()}
        plt.close(figure)
    return found


def saved(figure):
    """The SVG of a figure of Matplotlib."""
    buffer = io.StringIO()
    options = {"transparent": True, "bbox_inches": "tight", "metadata": {"Date": None}}
    figure.savefig(buffer, format="svg", **options)
    return buffer.getvalue()


def recoloured(svg):
    return {theme: svg.replace(INK, colour) for theme, colour in THEMES.items()}


def on_page_markdown(markdown, page, config, files):
    """Puts figures, in both themes, and tables of results into a page."""

    def image(match):
        text, name = match[1], match[2]
        found = [f"{kind}{theme}" for kind in ("", "phone.") for theme in THEMES]
        shown = []
        for kind in found:
            file = files.get_file_from_path(f"figures/{name}.{kind}.svg")
            if file is not None:
                link = get_relative_url(file.src_uri, page.file.src_uri)
                shown.append((kind, link))
        if not shown:
            message = f"{page.file.src_uri} shows figure {name!r}: nothing draws it"
            raise PluginError(message)
        pairs = len(shown) > len(THEMES)
        return "".join(tag(text, *each, pairs) for each in shown)

    makers = (REPORT, report), (TEXT, text), (BENCHMARK, benchmark), (IMAGE, image)
    for pattern, found in makers:
        markdown = pattern.sub(found, markdown)
    return markdown


def tag(text, kind, link, pairs):
    """The image of a theme; one of `pairs` is for a phone or for all other screens."""
    *_, theme = kind.split(".")
    screen = f".{'phone' if kind != theme else 'desk'} " if pairs else ""
    return f"![{text}]({link}#only-{theme}){{ {screen}loading=lazy }}"


def report(match):
    """The table of an experiment's results, and how they were made."""
    results = json.loads((DOCS / "results" / f"{match[1]}.json").read_text())
    made = results["settings"]
    table = compact(getattr(experiment(match[1]), match[2] or "report")(results))
    epochs = f"{made['epochs']} epochs, " if "epochs" in made else ""
    caption = (
        f"Keras {made['keras']} on {BACKENDS[made['backend']]}, "
        f"{epochs}{made['repeats']} repeats.{origin(made)}"
    )
    return f"{table}\n\n{caption}\n{{ .caption }}"


def text(match):
    """What a function says of an experiment's results."""
    results = json.loads((DOCS / "results" / f"{match[1]}.json").read_text())
    return getattr(experiment(match[1]), match[2])(results)


def origin(made):
    """Where and when results came about, as far as their file has it."""
    if "date" not in made:
        return ""
    return f" {made['processor']}, {made['date']}, commit {made['commit']}."


def benchmark(match):
    """The tables that a benchmark wrote."""
    return compact((BENCHMARKS / f"{match[1]}.md").read_text().strip())


def compact(tables):
    """Tables of numbers; a value may wrap before its spread and nowhere else."""
    tables = SPREAD.sub(r"<span>\1</span> <span>\2</span>", tables)
    return f'<div class="compact" markdown>\n\n{tables}\n\n</div>'
