"""Makes a notebook of *Five minutes*: the same words and the same code.

The page is the only source, so the two cannot differ. A test runs the notebook's cells.
"""

import json
import pathlib
import re

from mkdocs.structure.files import File

PAGE = pathlib.Path(__file__).parents[1] / "five-minutes.md"
NAME = "five-minutes.ipynb"
CODE = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
FRONT = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)
# A link leads to another page of the site, which a notebook does not have beside it.
LINK = re.compile(r"\[([^]]+)\](?:\([^)]+\)|\[[^]]*\])")
ONLINE = re.compile(r"<!-- page only -->.*?<!-- end -->\n", re.DOTALL)


def on_files(files, config):
    """Adds the notebook to the site."""
    content = json.dumps(notebook(PAGE.read_text("utf-8")), indent=1)
    files.append(File.generated(config, NAME, content=content))
    return files


def notebook(markdown):
    """A page as a notebook, with a cell for each block of code and what is between."""
    markdown = ONLINE.sub("", FRONT.sub("", markdown))
    cells = []
    # Words and code by turns.
    for place, part in enumerate(CODE.split(markdown)):
        if place % 2:
            cells.append(cell("code", part, execution_count=None, outputs=[]))
        elif part.strip():
            cells.append(cell("markdown", LINK.sub(r"\1", part)))
    for place, each in enumerate(cells):
        each["id"] = f"cell-{place}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def cell(kind, text, **more):
    source = text.strip("\n").splitlines(keepends=True)
    return {"cell_type": kind, "metadata": {}, "source": source, **more}
