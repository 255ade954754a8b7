"""The site does not build with a hole in it: each kind is made, and must stop it."""

import importlib
import pathlib
import shutil
import subprocess
import sys
import types

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")

from mkdocs.exceptions import PluginError

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def hook(monkeypatch):
    """A function that loads one of the site's hooks by name."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    return importlib.import_module


def test_refuses_a_public_name_without_a_docstring(hook, monkeypatch):
    reference = hook("reference")

    def bare():
        pass

    module = types.ModuleType("some.module", "A module.")
    module.bare, module.__all__ = bare, ["bare"]
    monkeypatch.setattr(reference, "public_modules", lambda: {"some.module": module})

    with pytest.raises(PluginError, match=r"without a docstring in some\.module: bare"):
        reference.api_pages()


def test_refuses_a_public_name_in_no_group(hook, monkeypatch):
    reference = hook("reference")
    groups = {title: names[1:] for title, names in reference.GROUPS.items()}
    monkeypatch.setattr(reference, "GROUPS", groups)

    with pytest.raises(PluginError, match=r"in no group .*: .*mc_predict"):
        reference.api_pages()


def test_refuses_a_layer_without_a_page(hook, monkeypatch):
    gallery = hook("gallery")
    monkeypatch.setattr(gallery, "LAYERS", [*gallery.LAYERS, "NewDropout"])

    with pytest.raises(PluginError, match=r"without a page .*: NewDropout"):
        gallery.by_family()


def test_refuses_a_page_without_a_layer(hook, monkeypatch):
    gallery = hook("gallery")
    first, *others = gallery.LAYERS
    monkeypatch.setattr(gallery, "LAYERS", others)

    with pytest.raises(PluginError, match=f"without a layer: {first}"):
        gallery.by_family()


def test_refuses_a_page_that_lacks_a_section(hook):
    with pytest.raises(PluginError, match=r"gallery/Dropout\.md: ## When not"):
        hook("gallery").layer_page(
            "Dropout", "## When to use it\n\n## Differences", "A"
        )


def test_refuses_a_page_without_a_model_on_top(hook):
    notes = (ROOT / "docs" / "gallery" / "Dropout.md").read_text("utf-8")
    notes = notes[notes.index("## When to use it") :]

    with pytest.raises(PluginError, match="without a model on top: Dropout"):
        hook("gallery").layer_page("Dropout", notes, "A caption")


def test_refuses_a_layer_whose_docstring_names_no_paper(hook, monkeypatch):
    gallery = hook("gallery")
    notes = (ROOT / "docs" / "gallery" / "Dropout.md").read_text("utf-8")
    docstring = gallery.layers.Dropout.__doc__.split("References:")[0]
    monkeypatch.setattr(gallery.layers.Dropout, "__doc__", docstring)

    with pytest.raises(PluginError, match="docstring of Dropout: References"):
        gallery.layer_page("Dropout", notes, "A caption")


def test_refuses_a_figure_that_nothing_draws(hook):
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="page.md"))
    files = types.SimpleNamespace(get_file_from_path=lambda path: None)

    with pytest.raises(PluginError, match=r"page\.md shows figure 'no-such'"):
        hook("figures").on_page_markdown("![A](figures/no-such.svg)", page, {}, files)


def test_refuses_a_formula_that_it_cannot_draw(hook):
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="page.md"))

    with pytest.raises(PluginError, match="nosuchcommand"):
        hook("formulas").mathml(r"\nosuchcommand x", "inline", page)


@pytest.mark.parametrize(
    "link", ["[no page](nowhere.md)", "[no heading](other.md#nowhere)"]
)
def test_refuses_a_dead_link(link, tmp_path):
    """Built with the site's own settings, without its hooks and plugins."""
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    before, _, after = settings.partition("hooks:\n")
    settings = before + after[after.index("markdown_extensions:") :]
    settings = settings[: settings.index("\nnav:")]
    (tmp_path / "mkdocs.yml").write_text(settings)
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs" / "assets", docs / "assets")
    (docs / "other.md").write_text("# Other\n")

    def build(text):
        (docs / "index.md").write_text(f"# Home\n\n{text}\n")
        command = [sys.executable, "-m", "mkdocs", "build"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    sound, dead = build("[a page](other.md#other)"), build(link)

    assert sound.returncode == 0, sound.stderr
    assert dead.returncode != 0
    assert "nowhere" in dead.stderr
