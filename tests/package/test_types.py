"""What a type checker sees of the package, as it is installed from its wheel."""

import ast
import doctest
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.docs.test_pages import BLOCK, PAGES
from tests.package.test_help import PUBLIC
from tools import types

pytestmark = [pytest.mark.once, pytest.mark.newest]

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
MISTAKE = re.compile(r"# mistake: (\S+)")


def pyright(*arguments, path, cwd):
    """What pyright says, as a dictionary; `path` is the folder of the package."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    command += [*map(str, arguments), "--outputjson"]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return json.loads(done.stdout)


def snippets(page):
    """The Python blocks of a page as one module, on their own lines."""
    text = page.read_text("utf-8")
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        block_lines = block[1].splitlines()
        lines[first : first + len(block_lines)] = block_lines
    return "\n".join(lines)


def examples(file):
    """The examples in the docstrings of a module, each in a function of its own."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        text = isinstance(node, kinds) and ast.get_docstring(node)
        parts = doctest.DocTestParser().get_examples(text) if text else []
        if parts:
            lines = "".join(part.source for part in parts).splitlines()
            body = "".join(f"    {line}\n" for line in lines)
            found.append(f"def example_{len(found)}():\n{body}")
    return "\n\n".join(found)


def checked(folder, installed, **rules):
    """The errors that pyright finds in a folder, by file and line."""
    (folder / "pyrightconfig.json").write_text(json.dumps(rules))
    errors = {}
    for each in pyright(".", path=installed, cwd=folder)["generalDiagnostics"]:
        if each["severity"] == "error":
            name = pathlib.Path(each["file"]).name
            line = each["range"]["start"]["line"] + 1
            errors.setdefault(name, {}).setdefault(line, []).append(each["message"])
    return errors


@pytest.fixture(scope="module")
def said(installed, tmp_path_factory):
    """What pyright says of two files, as an editor shows it."""
    folder = tmp_path_factory.mktemp("checked")
    for file in (HERE / "mistakes.py", HERE / "allowed.py"):
        (folder / file.name).write_text(file.read_text("utf-8"), "utf-8")
    return checked(folder, installed)


def test_knows_the_type_of_all_that_is_public(installed):
    names, score = types.unknown(installed)

    # What the public modules list, all of it; of what is behind, most.
    assert [name for name in names if name in PUBLIC] == []
    assert score >= types.ENOUGH


def test_sees_each_mistake_where_it_is_made(said):
    text = (HERE / "mistakes.py").read_text("utf-8").splitlines()
    marked = {n: m[1] for n, each in enumerate(text, 1) if (m := MISTAKE.search(each))}
    errors = said["mistakes.py"]

    assert len(marked) > 60
    assert {line: text[line - 1] for line in marked if line not in errors} == {}
    assert {line: errors[line] for line in errors if line not in marked} == {}
    for line, word in marked.items():
        assert any(word.strip('"') in each for each in errors[line]), errors[line]


def test_has_nothing_to_say_of_right_code(said):
    assert "allowed.py" not in said


def test_has_nothing_to_say_of_what_is_documented(installed, tmp_path):
    """Pages, examples and docstrings.

    The types of Keras are left out. Pyright guesses them from its code, where
    `verbose="auto"` means a string, and so `fit(verbose=0)` would be a mistake.
    """
    for page in (ROOT / "README.md", *PAGES):
        name = page.stem.replace("-", "_")
        (tmp_path / f"page_{name}.py").write_text(snippets(page), "utf-8")
    for file in sorted((ROOT / "examples").glob("*.py")):
        # Each has a docstring, which pyright does not look for.
        text = file.read_text("utf-8").replace("__doc__", "str(__doc__)")
        (tmp_path / file.name).write_text(text, "utf-8")
    for file in sorted((ROOT / "keras_dropout").rglob("*.py")):
        if text := examples(file):
            parts = file.relative_to(ROOT).with_suffix("").parts
            (tmp_path / f"{'_'.join(parts)}.py").write_text(text, "utf-8")
    count = len(list(tmp_path.iterdir()))

    errors = checked(
        tmp_path,
        installed,
        useLibraryCodeForTypes=False,
        reportMissingImports=False,
        reportMissingModuleSource=False,
        reportPossiblyUnboundVariable=False,
    )

    assert count > 80
    assert errors == {}
