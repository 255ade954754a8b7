"""The pages for newcomers: what they count, quote and link is so."""

import ast
import json
import pathlib
import re

import keras
import numpy as np
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


def test_says_what_keras_does_to_weights_below_the_limit():
    """The page gives Keras's factor, which shows where norms are tiny."""
    page = (DOCS / "max-norm.md").read_text("utf-8")
    weights = np.full((1, 1), 1e-7, "float32")
    shrunk = keras.ops.convert_to_numpy(keras.constraints.MaxNorm(2.0)(weights))

    factor = r"$\lVert w \rVert / (10^{-7} + \lVert w \rVert)$"
    assert factor in page
    np.testing.assert_allclose(shrunk, weights * 1e-7 / (1e-7 + 1e-7), rtol=1e-5)


def test_says_how_much_slower_a_loop_over_predict_is():
    tables = (DOCS / "assets" / "benchmarks" / "mc_predict.md").read_text("utf-8")
    rows = [line.split("|") for line in tables.splitlines() if "| cnn |" in line]
    ratios = [float(row[5]) for row in rows if "long" not in row[5]]
    page = (DOCS / "uncertainty.md").read_text("utf-8")

    assert f"{min(ratios):.0f} to {max(ratios):.0f} times slower" in page


def test_says_where_a_training_argument_has_no_effect():
    """Written into a Functional model, it acts in a plain call and not in `predict`."""
    inputs = keras.Input((64,))
    outputs = keras.layers.Dropout(0.5)(inputs, training=True)
    model, x = keras.Model(inputs, outputs), np.ones((1, 64), "float32")
    quiet = model.predict(x, verbose=0), model(x, training=False)
    page = (DOCS / "uncertainty.md").read_text("utf-8")

    assert [int((keras.ops.convert_to_numpy(y) == 0).sum()) for y in quiet] == [0, 0]
    assert (keras.ops.convert_to_numpy(model(x)) == 0).any()
    assert "only a plain `model(x)` drops" in page


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
