"""The pages for newcomers: what they count, quote and link is so."""

import ast
import json
import pathlib
import re

import pytest

from tests.docs.test_pages import BLOCK

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
RECIPES = {page.stem: page for page in (DOCS / "recipes").glob("*.md")}
INDEX = RECIPES.pop("index").read_text("utf-8")
ROW = re.compile(r"^\| \[[^]]+\]\(([\w-]+)\.md\) \| (\d+) \|", re.MULTILINE)
MESSAGE = re.compile(r'^### "(.*)"$', re.MULTILINE)

# What people type, and the page that they should be led to.
SEARCHES = {
    "MC dropout": "recipes/own-cnn/",
    "calibration": "five-minutes/",
    "conformal": "recipes/intervals-and-sets/",
    "error bars": "recipes/regression/",
    "out of distribution": "recipes/outliers/",
    "active learning": "recipes/active-learning/",
    "segmentation": "recipes/segmentation/",
    "GPU": "speed/",
    "concrete dropout": "recipes/tune-or-learn-the-rate/",
    "learning rate of dropout": "choosing-the-rate/",
}


def lines_of_the_package(page):
    code = "".join(block[1] for block in BLOCK.finditer(page.read_text("utf-8")))
    return sum("kd." in line for line in code.splitlines())


def test_lists_every_recipe_with_its_lines():
    listed = {name: int(lines) for name, lines in ROW.findall(INDEX)}
    counted = {name: lines_of_the_package(page) for name, page in RECIPES.items()}

    assert listed == counted
    assert len(listed) >= 12
    assert max(listed.values()) <= 10


def literals():
    """All texts of the package, with three dots where a value is put in."""
    for path in (ROOT / "keras_dropout").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if is_text(part) else "..." for part in node.values
                )
            elif is_text(node):
                yield node.value


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_quotes_messages_that_the_package_has():
    text = "\n".join(literals())
    quoted = MESSAGE.findall((DOCS / "troubleshooting.md").read_text("utf-8"))

    assert len(quoted) >= 15
    assert [message for message in quoted if message not in text] == []


@pytest.mark.slow
def test_has_the_words_that_people_search_for_on_the_right_page(site):
    """The index of the search knows the words, on the page that is meant."""
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    texts = {}
    for entry in index["docs"]:
        page = entry["location"].partition("#")[0]
        text = f"{entry['title']} {entry['text']}"
        texts[page] = texts.get(page, "") + re.sub(r"\W+", " ", text).lower()

    missing = {
        words: page
        for words, page in SEARCHES.items()
        if words.lower() not in texts.get(page, "")
    }
    assert missing == {}
