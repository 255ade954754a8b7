"""The structure that the design promises, held by looking at the imports."""

import ast
import pathlib
import subprocess
import sys

import pytest

import keras_dropout as kd

pytestmark = pytest.mark.once

PACKAGE = pathlib.Path(kd.__file__).parent
# Lower numbers may not import higher ones.
LEVELS = {
    "_typing": 0,
    "_bases": 0,
    "_constants": 0,
    "_validation": 0,
    "_registration": 0,
    "_keras": 0,
    "_table": 0,
    "_away": 1,
    "_model": 1,
    "random": 2,
    "schedules": 2,
    "losses": 2,
    "constraints": 2,
    "_layers": 3,
    "layers": 4,
    "graph": 5,
    "surgery": 6,
    "callbacks": 6,
    "uncertainty": 6,
    "metrics": 6,
    "plots": 6,
    "acquisition": 7,
    "calibration": 8,
    "sampling": 7,
    "moments": 8,
    "trainers": 6,
    "integrations": 9,
}


def imports(path):
    """The names of our own top-level modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "keras_dropout":
                names = [f"keras_dropout.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "keras_dropout" and len(parts) > 1:
                yield parts[1]


def files():
    return [p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem[0] != "_"]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down_only(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    for name in imports(path):
        assert LEVELS[name] <= LEVELS[own], f"{own} imports {name}"


@pytest.mark.parametrize("folder", ["keras_dropout", "examples", "benchmarks", "docs"])
def test_files_are_one_idea(folder):
    """A file of three hundred lines or more is to be split."""
    lines = {
        path.name: path.read_text("utf-8").count("\n")
        for path in (pathlib.Path(__file__).parents[1] / folder).rglob("*.py")
    }

    assert lines
    assert {name for name, count in lines.items() if count >= 300} == set()


@pytest.mark.once
def test_nothing_is_left_to_assertions():
    """Python drops them under `-O`, with all that they do."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)], path


@pytest.mark.parametrize(
    "module",
    [
        kd,
        kd.layers,
        kd.schedules,
        kd.constraints,
        kd.losses,
        kd.metrics,
        kd.acquisition,
        kd.moments,
        kd.calibration,
        kd.integrations,
    ],
)
def test_all_lists_what_is_there(module):
    for name in module.__all__:
        assert hasattr(module, name), name


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import keras_dropout as kd\n"
        "kd.integrations.ray.predict\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "heavy = {'matplotlib', 'scipy', 'sklearn', 'pandas', 'ray'}\n"
        "heavy |= {'tensorflow', 'jax', 'torch'} - {keras.backend.backend()}\n"
        "assert not new & heavy, new & heavy\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
