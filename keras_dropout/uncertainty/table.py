"""An evaluation as a table: with noise, without, and the difference with its error."""

from __future__ import annotations

import html as escaping
import math
from typing import TYPE_CHECKING

from keras_dropout.uncertainty.scoring import BETTER, LEVELS

if TYPE_CHECKING:
    from keras_dropout.uncertainty.evaluation import Evaluation

_STYLE = (
    "body{font-family:sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.25rem .75rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}"
)
_LEGEND = (
    "± is the standard error over rows; * marks the better number. Both columns are "
    "scored on the same rows, so the difference has its own standard error."
)


def text(evaluation: Evaluation) -> str:
    """A table of plain characters."""
    heading, rows = _heading(evaluation), _rows(evaluation)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [heading]
    for first, *others in rows:
        cells = [c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join([*lines, *(f"  {note}" for note in _notes(evaluation))])


def html(evaluation: Evaluation) -> str:
    """A table for notebooks."""
    rows = [[escaping.escape(cell) for cell in row] for row in _rows(evaluation)]
    lines = [
        "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in row) + "</tr>"
        for row, tag in zip(rows, ["th"] + ["td"] * len(rows), strict=False)
    ]
    notes = "".join(f"<p>{escaping.escape(note)}</p>" for note in _notes(evaluation))
    return (
        f"<table><caption>{escaping.escape(_heading(evaluation))}</caption>"
        f"<thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>{notes}"
    )


def page(evaluation: Evaluation, picture: bytes) -> str:
    """A whole page with the table and a picture."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head><body>"
        f"<h1>What the uncertainty is worth</h1>{html(evaluation)}{picture}"
        "</body></html>\n"
    )


def better(evaluation: Evaluation, name: str) -> int:
    """1 where the noise has the better number, -1 where the baseline has it, else 0."""
    baseline = evaluation.baseline
    if baseline is None or name not in baseline:
        return 0
    ours, theirs = evaluation[name], baseline[name]
    if name in LEVELS:
        ours, theirs = (-abs(each - LEVELS[name]) for each in (ours, theirs))
    elif name in BETTER:
        ours, theirs = (each * BETTER[name] for each in (ours, theirs))
    else:
        return 0
    return (ours > theirs) - (ours < theirs)


def _heading(evaluation):
    count = len(evaluation.columns["row"])
    what = "labels" if "correct" in evaluation.columns else "values"
    heading = f"Evaluation of {evaluation.rows} rows, {evaluation.kind}"
    if evaluation.baseline is None and count != evaluation.rows:
        heading += f", {count} {what}"
    if "aurc" in evaluation:
        heading += f", ranked by {evaluation.by}"
    return heading


def _rows(evaluation):
    if evaluation.baseline is None:
        head = ["score", "value"]
        pairs = [(n, _number(evaluation[n], evaluation.errors[n])) for n in evaluation]
        return [head, *map(list, pairs)]
    baseline, errors = evaluation.baseline, evaluation.errors
    moved, spread = evaluation.difference, evaluation.difference_errors
    rows = [["score", "with noise", "without noise", "difference"]]
    for name in evaluation:
        mark = better(evaluation, name)
        ours = _number(evaluation[name], errors[name]) + _mark(mark == 1)
        theirs, difference = "", ""
        if name in baseline:
            theirs = _number(baseline[name], baseline.errors[name]) + _mark(mark == -1)
            difference = _number(moved[name], spread[name], "+")
        rows.append([name, ours, theirs, difference])
    return rows


def _notes(evaluation):
    notes = list(evaluation.notes)
    return [_LEGEND, *notes] if evaluation.baseline is not None else notes


def _number(value, error, sign=""):
    if math.isnan(value):
        return "not defined"
    digits = 4
    if math.isfinite(error) and error > 0:
        digits = min(max(1 - math.floor(math.log10(error)), 0), 8)
    told = f"{value:{sign}.{digits}f}"
    return f"{told} ± {error:.{digits}f}" if math.isfinite(error) else told


def _mark(is_better):
    return " *" if is_better else "  "
