"""The pages for newcomers: what they count, quote and link is so."""

import ast
import importlib
import inspect
import json
import pathlib
import re

import keras
import numpy as np

import keras_dropout
from tests.docs.test_pages import BLOCK

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
RECIPES = {page.stem: page for page in (DOCS / "recipes").glob("*.md")}
INDEX = RECIPES.pop("index").read_text("utf-8")
ROW = re.compile(r"^\| \[[^]]+\]\(([\w-]+)\.md\) \| (\d+) \|", re.MULTILINE)
MESSAGE = re.compile(r'^### "(.*)"$', re.MULTILINE)


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
    page = " ".join((DOCS / "uncertainty.md").read_text("utf-8").split())

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


def test_shows_no_private_argument_in_a_signature():
    """What the API pages print as signatures holds public names alone."""
    values = [getattr(keras_dropout, name) for name in keras_dropout.__all__]
    modules = [keras_dropout, *(v for v in values if inspect.ismodule(v))]
    private = [
        f"{module.__name__}.{name}({argument})"
        for module in modules
        for name in getattr(module, "__all__", ())
        if callable(value := getattr(module, name))
        for argument in inspect.signature(value).parameters
        if argument.startswith("_")
    ]

    assert private == []


def test_shows_pictures_of_the_code_of_the_recipes(monkeypatch):
    """The results were made by the code that the pages show."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    recipes = importlib.import_module("recipes")
    made = json.loads((DOCS / "results" / "recipes.json").read_text("utf-8"))

    assert set(recipes.RECIPES) == set(RECIPES)
    assert made["code"] == {name: recipes.code_of(name) for name in RECIPES}
    for name, page in RECIPES.items():
        assert f"(figures/recipe-{name}.svg)" in page.read_text("utf-8"), name


def test_says_what_the_served_model_does_not_notice():
    """Most turned digits are answered, more of them than of upright ones."""
    made = json.loads((DOCS / "results" / "recipes.json").read_text("utf-8"))
    shares = made["shown"]["serve"]["shares"]
    answered = {kind: outcomes[0] for kind, outcomes in shares.items()}

    assert 0.5 < answered["digits"] < answered["turned by 90°"]
    assert answered["pixels shuffled"] < 0.5
    assert "certain about most of the turned digits" in RECIPES["serve"].read_text(
        "utf-8"
    ).replace("\n  ", " ")
