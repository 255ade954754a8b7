"""The pages are in plain words, and what was found false does not come back."""

import pathlib
import re

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
# Each was on a page, and measured or read to be otherwise.
FALSE = (
    r"20 to 160 times",
    r"training=True\)` does nothing",
    r"as large as the gap",
    r"no moment at which",
    r"says? that nothing is known",
)
# What a reader has to read twice, with the plain word for it.
RIDDLES = {
    r"no noise (reaches|has reached)": "before the noise",
    r"looks? at (an)?other": "depends on",
    r"\bfor ever\b": "deadlock",
    r"\bNot once\b": "never",
    r"\bgoes on where\b": "continues where",
    r"\bcompiles (nothing|anew)\b": "recompile",
    r"\bin vain\b": "not used",
    r"\bwhat came\b": "the true value",
    r"whose [^.]* of which": "two sentences",
}


def pages():
    return {
        str(page.relative_to(ROOT)): " ".join(page.read_text("utf-8").split())
        for page in PAGES
    }


@pytest.mark.parametrize("claim", FALSE)
def test_does_not_repeat_what_is_false(claim):
    assert [name for name, text in pages().items() if re.search(claim, text)] == []


@pytest.mark.parametrize("riddle", RIDDLES)
def test_says_it_in_plain_words(riddle):
    found = [name for name, text in pages().items() if re.search(riddle, text)]

    assert found == [], f"Say {RIDDLES[riddle]!r}"


def test_calls_itself_honest_at_most_once():
    text = " ".join(pages().values())

    assert len(re.findall("honest", text, re.IGNORECASE)) <= 1


def test_says_what_the_export_of_jax_needs():
    said = "writing a SavedModel needs TensorFlow"

    assert said in pages()["docs/saving.md"]
    assert "JAX needs TensorFlow" in pages()["docs/five-minutes.md"]


def test_says_that_learned_rates_are_recorded():
    assert "also records rates that a layer learns" in pages()["docs/schedules.md"]
