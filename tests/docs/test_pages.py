"""What the pages of the site show runs."""

import pathlib
import re

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if BLOCK.search(page.read_text("utf-8"))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_runs_the_snippets_of_a_page(page):
    """The Python blocks of a page run one after another, as a reader would."""
    text = page.read_text("utf-8")
    names = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        # Newlines in front, for errors to name the line of the page.
        exec(compile("\n" * line + block[1], str(page), "exec"), names)


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
