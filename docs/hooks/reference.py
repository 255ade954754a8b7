"""Makes the pages of the API out of the docstrings that the package exports."""

import inspect

from exported import LAYERS, complain, first_line, public_modules, public_names

import keras_dropout
from keras_dropout import layers

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
