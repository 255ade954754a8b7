"""Makes the gallery and the API pages out of what the package exports.

A layer's page is what `docs/gallery/NAME.md` says about it, in between its picture and
its docstring. The build stops where a public name has no docstring, a layer no page, no
picture, no example or no paper, or a page no layer.
"""

import inspect
import pathlib
import re
import sys
import textwrap

from exported import LAYERS, complain, first_line
from mkdocs.structure.files import File
from reference import api_pages
from studies import in_small, measured

from keras_dropout import layers
from keras_dropout._layers._families import FAMILIES, family_of

GALLERY = pathlib.Path(__file__).parents[1] / "gallery"
CHANGELOG = pathlib.Path(__file__).parents[2] / "CHANGELOG.md"
SECTIONS = ("## When to use it", "## When not", "## Differences")

sys.path.insert(0, str(GALLERY.parent / "examples"))


def on_config(config):
    """Lists the generated pages where `nav` names their folders."""
    sections = {"gallery": gallery_nav, "api": lambda: list(api_pages())}
    for item in config.nav:
        for title, target in item.items():
            if isinstance(target, str) and target in sections:
                item[title] = sections[target]()
    return config


def gallery_nav():
    """The gallery and its layers, by family."""
    families = by_family()
    pages = [
        {FAMILIES[family]: [f"gallery/{name}.md" for name in names]}
        for family, names in families.items()
    ]
    return ["gallery/index.md", *pages]


def on_files(files, config):
    """Adds the pages of the API and the changelog."""
    pages = {**api_pages(), "changelog.md": CHANGELOG.read_text()}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Completes the gallery and the pages of its layers."""
    if page.file.src_uri == "gallery/index.md":
        return markdown.replace("<!-- gallery -->", grid())
    if page.file.src_uri.startswith("gallery/"):
        return layer_page(page.file.name, markdown, page.meta.get("picture"))
    return markdown


def layer_page(name, notes, caption):
    """A model, formula, picture, what the notes say, then the docstring's sections."""
    missing = [section for section in SECTIONS if section not in notes]
    complain(f"sections missing in docs/gallery/{name}.md", missing)
    complain("gallery pages without `picture:`", [] if caption else [name])
    model, heading, notes = notes.partition(SECTIONS[0])
    complain("gallery pages without a model on top", [] if "```" in model else [name])
    docstring = inspect.getdoc(getattr(layers, name))
    parts = docstring_parts(docstring)
    missing = [part for part in ("Examples", "References") if part not in parts]
    complain(f"sections missing in the docstring of {name}", missing)
    import masks

    picture = masks.PICTURES[name]
    if picture.argument:
        caption += f" Drawn at `{picture.argument}={picture.shown:g}`."
    summary, _, rest = linked(parts["description"], name).partition("\n\n")
    # mkdocstrings shows these only together with the description, which is on top.
    shape = parts.get("Input shape")
    return "\n\n".join(
        [
            f"# {name}",
            summary,
            model.strip(),
            picture.moving(name),
            f"{caption}\n{{ .caption }}",
            rest,
            heading + notes.rstrip(),
            *measured(name),
            "## Papers",
            parts["References"],
            "## Reference",
            f"::: keras_dropout.layers.{name}\n"
            "    options:\n"
            "      heading_level: 3\n"
            "      members: false\n"
            "      show_docstring_description: false\n",
            *(["**Input shape:**", shape] if shape else []),
        ]
    )


def linked(text, name):
    """The text with a link wherever it names another layer."""
    others = "|".join(layer for layer in LAYERS if layer != name)
    return re.sub(rf"(?<!\[)`({others})`", r"[`\1`](\1.md)", text)


def docstring_parts(docstring):
    """The description and the sections of a docstring, by title."""
    description, *rest = re.split(r"^([A-Z][A-Za-z ]+):\n", docstring, flags=re.M)
    texts = [textwrap.dedent(text).strip() for text in rest[1::2]]
    return {"description": description.strip()} | dict(
        zip(rest[::2], texts, strict=True)
    )


def by_family():
    """The layers of each family; each layer must have a page that says its own."""
    pages = {path.stem: path for path in GALLERY.glob("*.md") if path.stem != "index"}
    complain("layers without a page in docs/gallery", set(LAYERS) - set(pages))
    complain("pages in docs/gallery without a layer", set(pages) - set(LAYERS))
    families = {family: [] for family in FAMILIES}
    for name in LAYERS:
        families[family_of(getattr(layers, name))].append(name)
    return {family: names for family, names in families.items() if names}


def grid():
    """All layers as cards, by family."""
    parts = []
    for family, names in by_family().items():
        parts += [
            f"## {FAMILIES[family]}",
            "",
            *in_small(names),
            '<div class="grid cards" markdown>',
            "",
        ]
        parts += [card(name) for name in names]
        parts += ["", "</div>", ""]
    return "\n".join(parts)


def card(name):
    summary = first_line(getattr(layers, name))
    return (
        f"-   **[{name}]({name}.md)**\n\n"
        f"    ![What {name} drops](figures/mask-{name}.svg)\n\n"
        f"    {summary}\n"
    )
