"""Makes the gallery and the API pages out of what the package exports.

A layer's page is what `docs/gallery/NAME.md` says about it, in between its picture and
its docstring. The build stops where a public name has no docstring, a layer no page, no
picture, no example or no paper, or a page no layer.
"""

import inspect
import json
import os
import pathlib
import re
import sys
import textwrap
import types

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import keras_dropout
from keras_dropout import layers
from keras_dropout._layers._families import FAMILIES, family_of

GALLERY = pathlib.Path(__file__).parents[1] / "gallery"
MEASURED = pathlib.Path(__file__).parents[1] / "results" / "families.json"
CHANGELOG = pathlib.Path(__file__).parents[2] / "CHANGELOG.md"
SECTIONS = ("## When to use it", "## When not", "## Differences")

# The functions and classes at the top, by what they are for.
GROUPS = {
    "Predict with uncertainty": (
        "mc_predict",
        "Prediction",
        "MonteCarlo",
        "propagate_moments",
    ),
    "Judge an uncertainty": ("mc_evaluate", "evaluate", "Evaluation"),
    "Change the noise of a model": (
        "insert_dropout",
        "matching_dropout",
        "replace_dropout",
        "set_rates",
        "learn_rates",
        "lora_dropout",
        "strip_dropout",
    ),
    "Inspect, repeat, train and load": (
        "noise_report",
        "reseed",
        "BatchRepetition",
        "custom_objects",
    ),
}

sys.path.insert(0, str(GALLERY.parent / "examples"))


def is_layer(name):
    """Whether a public name is a layer that the gallery shows."""
    value = getattr(layers, name)
    return (
        inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value is not layers.NoiseLayer
    )


LAYERS = [name for name in layers.__all__ if is_layer(name)]


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


def complain(what, names):
    if names:
        raise PluginError(f"There are {what}: {', '.join(sorted(names))}")


def public_modules():
    """The public modules by name, with the public names in each."""
    modules = {"keras_dropout": keras_dropout}
    for name in keras_dropout.__all__:
        value = getattr(keras_dropout, name)
        if isinstance(value, types.ModuleType):
            modules[value.__name__] = value
            inner = (getattr(value, each) for each in getattr(value, "__all__", ()))
            inner = [each for each in inner if isinstance(each, types.ModuleType)]
            modules |= {each.__name__: each for each in inner}
    return modules


def public_names(module):
    """The functions and classes that a module exports, or else defines."""
    own = [name for name, value in vars(module).items() if is_own(value, module)]
    names = getattr(module, "__all__", [name for name in own if name[0] != "_"])
    other = types.ModuleType | str
    return [name for name in names if not isinstance(getattr(module, name), other)]


def is_own(value, module):
    return getattr(value, "__module__", None) == module.__name__


def api_pages():
    """A page for each public module: its docstring, a table, and all its names."""
    pages = {}
    for module_name, module in public_modules().items():
        names = public_names(module)
        bare = {name for name in names if not inspect.getdoc(getattr(module, name))}
        complain(f"names without a docstring in {module_name}", bare)
        lines = [f"# {module_name}", "", inspect.getdoc(module), ""]
        if module is layers:
            lines += [
                "The layers have a page each in the [gallery](../gallery/index.md):"
            ]
            lines += [", ".join(f"[{n}](../gallery/{n}.md)" for n in LAYERS) + ".", ""]
            names = [name for name in names if name not in LAYERS]
        groups = {"": names}
        if module is keras_dropout:
            groups = GROUPS
            grouped = {name for group in groups.values() for name in group}
            complain("public names in no group of the API", set(names) ^ grouped)
        lines += [summary_table(module, groups)]
        if module is keras_dropout:
            lines += [modules_table()]
        for group in groups.values():
            lines += [f"::: {module_name}.{name}" for name in group]
        pages[f"api/{module_name}.md"] = "\n\n".join(lines) + "\n"
    return pages


def summary_table(module, groups):
    """The names of a module with what each is in a line."""
    lines = []
    for title, names in groups.items():
        if title:
            lines += [f"**{title}**", ""]
        lines += ["| name | what it is |", "| --- | --- |"]
        for name in names:
            value = getattr(module, name)
            link = f"[{name}][{module.__name__}.{name}]"
            lines.append(f"| {link} | {first_line(value)} |")
        lines.append("")
    return "\n".join(lines)


def modules_table():
    """The public modules with what each holds in a line."""
    lines = ["**Modules**", "", "| name | what it holds |", "| --- | --- |"]
    for name, module in public_modules().items():
        if module is not keras_dropout:
            lines.append(f"| [{name}]({name}.md) | {first_line(module)} |")
    return "\n".join(lines)


def first_line(value):
    """The first line of a docstring, without its links."""
    line = inspect.getdoc(value).splitlines()[0].replace("|", "\\|")
    return re.sub(r"\[([^]]+)\]\[[^]]*\]", r"\1", line)


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


def measured(name):
    """What the small studies of families found of a layer: sentence, table, picture."""
    from benchmarks.families import report

    results = json.loads(MEASURED.read_text())
    parts = []
    for study in report.studied(results):
        own = report.STUDIES[study]
        if name not in own.pages:
            continue
        methods = [m for m in list(own.methods)[1:] if m.split()[0] == name]
        found = [
            f"`{m}`: {report.verdict(results, study, m)}, "
            f"{report.costs(results, study, m)}."
            for m in methods
        ]
        parts += [
            f"In small, on {own.task}: {' '.join(found)} Five seeds; a gain is less "
            f"error, or fewer bits, than *{next(iter(own.methods))}*. "
            "[How it was measured](../experiments/families.md).",
            '<div class="compact" markdown>',
            report.study(results, study),
            "</div>",
            f"![The gain of each seed](figures/family_{study}.svg)",
        ]
    return ["## Measured", *parts] if parts else []


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


def in_small(names):
    """A line on what the studies found of the layers of a family."""
    from benchmarks.families import report

    results = json.loads(MEASURED.read_text())
    found = []
    for study in report.studied(results):
        for method in list(report.STUDIES[study].methods)[1:]:
            if method.split()[0] in set(names) & set(report.STUDIES[study].pages):
                found.append(f"`{method}`: {report.verdict(results, study, method)}")
    if not found:
        return []
    link = "[Measured in small](../experiments/families.md)"
    return [f"{link}: {'; '.join(found)}.", ""]


def card(name):
    summary = first_line(getattr(layers, name))
    return (
        f"-   **[{name}]({name}.md)**\n\n"
        f"    ![What {name} drops](figures/mask-{name}.svg)\n\n"
        f"    {summary}\n"
    )
