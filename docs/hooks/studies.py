"""What the small studies of families found of each layer, for its page."""

import json
import pathlib

from figures import compact

from keras_dropout import layers
from keras_dropout._layers._families import FAMILIES, family_of

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "families.json"
LINK = "[Each family in small](../experiments/families.md)"
# Layers that learn their noise are measured on a page of their own.
LEARNED = """[Let the data choose the rate](../learned.md) says what
[learned rates](../learned.md#is-it-worth-it),
[pruning](../learned.md#which-weights-survive) and
[Masksembles](../learned.md#four-networks-in-one) gain, and
[what each layer of this family costs](../learned.md#what-it-costs).

**Not gained**: on some data sets the best fixed rate is better than learned rates, and
Masksembles are no better than one network."""


def measured(name):
    """The section of a layer's page: its own study, or those of its family."""
    report, results = found_by_studies()
    family = family_of(getattr(layers, name))
    if family == "learned":
        return ["## Measured", LEARNED]
    own = [s for s in report.studied(results) if name in report.STUDIES[s].pages]
    if not own:
        return of_its_family(name, family)
    parts = ["## Measured"]
    for study in own:
        parts += of_a_study(study, name)
    return parts


def found_by_studies():
    """The module that words what the studies found, and their results."""
    # The root of the repository is on the path only when pages are made.
    from benchmarks.families import report

    return report, json.loads(RESULTS.read_text())


def of_a_study(study, name):
    """Sentences, table and picture of one study, for one of its layers."""
    report, results = found_by_studies()
    own = report.STUDIES[study]
    against, *others = own.methods
    said = {method: report.verdict(results, study, method) for method in others}
    found = [
        f"`{method}` {words}, {report.costs(results, study, method)}."
        for method, words in said.items()
        if method.split()[0] == name
    ]
    return [
        f"Measured on {own.task}, over five seeds, and compared with *{against}*. "
        f"{' '.join(found)}",
        f"**Not gained**: {report.not_gained(said)}",
        compact(report.study(results, study)),
        f"![The gain of each seed](figures/family_{study}.svg)",
        f"{LINK} says how this was measured.",
    ]


def of_its_family(name, family):
    """What was found of other layers of the family of a layer without a study."""
    others = [n for n in layers.__all__ if n != name and is_of(n, family)]
    found = verdicts(others)
    if not found:
        return ["## Measured", f"This layer was not measured. {LINK} has others."]
    lines = "\n".join(f"- {each}." for each in found)
    title = FAMILIES[family].lower()
    return [
        "## Measured",
        f"This layer was not measured. Other layers of its family, *{title}*, were:",
        lines,
        f"Results of one layer need not hold for another. {LINK} says how they were "
        "measured, and what was not gained.",
    ]


def is_of(name, family):
    value = getattr(layers, name)
    return isinstance(value, type) and family_of(value) == family


def verdicts(names):
    """What was found of some layers, one text for each method."""
    report, results = found_by_studies()
    return [
        f"`{method}` {report.verdict(results, study, method)}"
        for study in report.studied(results)
        for method in list(report.STUDIES[study].methods)[1:]
        if method.split()[0] in set(names) & set(report.STUDIES[study].pages)
    ]


def in_small(names):
    """A line on what the studies found of the layers of a family."""
    found = verdicts(names)
    if not found:
        return []
    link = "[Measured in small](../experiments/families.md)"
    return [f"{link}: {'; '.join(found)}.", ""]
