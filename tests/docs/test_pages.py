"""What the pages of the site show runs."""

import importlib
import json
import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if BLOCK.search(page.read_text("utf-8"))
]
# Its code is run as a notebook.
FIVE_MINUTES = DOCS / "five-minutes.md"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != FIVE_MINUTES], ids=lambda page: page.stem
)
def test_runs_the_snippets_of_a_page(page):
    """The Python blocks of a page run one after another, as a reader would."""
    text = page.read_text("utf-8")
    names = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        # Newlines in front, for errors to name the line of the page.
        exec(compile("\n" * line + block[1], str(page), "exec"), names)


def test_runs_the_notebook_of_five_minutes(monkeypatch):
    """Its cells, read as any reader of notebooks does, are the page's own code."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    monkeypatch.syspath_prepend(DOCS / "hooks")
    page = FIVE_MINUTES.read_text("utf-8")
    text = json.dumps(importlib.import_module("notebooks").notebook(page))
    cells = json.loads(text)["cells"]
    codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    names = {"__name__": "__main__"}
    for number, code in enumerate(codes):
        exec(compile(code, f"cell {number}", "exec"), names)

    assert codes == [block[1].rstrip("\n") for block in BLOCK.finditer(page)]
    assert len({each["id"] for each in cells}) == len(cells)
    words = [c["source"] for c in cells if c["cell_type"] == "markdown"]
    assert not any("](" in line for source in words for line in source)


def test_shows_python_on_the_pages_that_teach():
    shown = {page.stem for page in PAGES}

    assert {"index", "max-norm", "schedules", "uncertainty", "saving", "seeds"} <= shown


def test_leads_to_every_layer_from_the_chooser():
    from keras_dropout import layers

    chooser = (DOCS / "choose.md").read_text("utf-8")
    pages = {page.stem for page in (DOCS / "gallery").glob("*.md")} - {"index"}

    assert pages <= set(layers.__all__)
    assert {page for page in pages if f"(gallery/{page}.md)" not in chooser} == set()


def test_links_from_the_readme_to_pages_that_exist():
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    targets = re.findall(r"\]\(([^):]+)\)", readme)

    assert "docs/choose.md" in targets
    assert [path for path in targets if not (DOCS.parent / path).exists()] == []
