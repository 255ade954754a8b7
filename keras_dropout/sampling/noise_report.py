"""A table of all noise in a model, of how it is sampled, and of advice."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_dropout import _model
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._layers._families import family_of
from keras_dropout._table import Table
from keras_dropout._typing import Data, Model
from keras_dropout._validation import invalid
from keras_dropout.constraints.incoming import incoming
from keras_dropout.graph.placement import advice
from keras_dropout.sampling import adapters, inputs, made_up, noise
from keras_dropout.sampling.member import Member
from keras_dropout.sampling.settings import Settings
from keras_dropout.sampling.weights import held

_RECURRENT_DROPOUT = (
    "recurrent_dropout disables the fused kernel; wrap the layer in WeightDrop, or "
    "use dropout alone: https://arxiv.org/abs/1708.02182"
)
_OFF = "its strength is 0, so it has no effect"
_SLIVER = (
    "max-norm on axes {axes} limits only parts of a unit; the weights of one unit lie "
    "on axes {right}: use `constraints.apply_max_norm`"
)


@dataclasses.dataclass(frozen=True)
class NoiseRow:
    """One noise in a model.

    Attributes:
        path: Path of the layer in the model.
        kind: The class of the layer.
        strength: Its strengths now, as text: `rate=0.5`, or the names of weights.
        source: `"number"`, `"schedule"` or `"learned"`; `None` where nobody knows.
        shares: What is perturbed together: `"element"`, `"channel"`, `"row"`, ...
        sampled: Whether `mc_predict` switches it on, and how it then samples the
            model: `"tiled"`, many samples a call; `"one a call"`; `"no"`.
        why: Why it is sampled so, or `None`.
        advice: A word of advice with a link, or `None`.
    """

    path: str
    kind: str
    strength: str
    source: str | None
    shares: str | None
    sampled: str
    why: str | None = dataclasses.field(default=None, metadata={"shown": False})
    advice: str | None = dataclasses.field(default=None, metadata={"shown": False})


class NoiseReport(Table[NoiseRow]):
    """The rows of a report, one a noise. Printed, it is a table with notes below."""

    __slots__ = ()
    row: Any = NoiseRow

    def __str__(self) -> str:
        notes = [
            f"{row.path}: {text}"
            for row in self
            for text in (row.why, row.advice)
            if text is not None
        ]
        return "\n".join([super().__str__(), *([""] if notes else []), *notes])


def noise_report(model: Model, x: Data = None) -> NoiseReport:
    """Lists all noise in a model, how `mc_predict` samples it, and advice.

    Args:
        model: A Keras model.
        x: Some rows of data, as the model takes them, or `None`. With them the model is
            tested as in the first `mc_predict`. A model with known input shapes is
            tested on made-up rows.

    Returns:
        A `NoiseReport`: a tuple of rows with the attributes `path`, `kind`,
        `strength`, `source`, `shares`, `sampled`, `why` and `advice`, which prints as
        a table.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: The model is or holds a `MonteCarlo`.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         kd.layers.Dropout(0.5, name="drop"),
        ...         keras.layers.Dense(3, name="out"),
        ...     ]
        ... )
        >>> kd.noise_report(model)
        path  kind     strength  source  shares   sampled
        ----  -------  --------  ------  -------  -------
        drop  Dropout  rate=0.5  number  element  tiled

    References:
        - Li et al., 2018, [Understanding the Disharmony between Dropout and Batch
          Normalization by Variance Shift](https://arxiv.org/abs/1801.05134)
    """
    if not isinstance(model, keras.Model):
        raise TypeError(invalid("model", "a Keras model", model))
    rows = made_up.made_up(model) if x is None else inputs.arrays(x)
    found = noise.find(model, rows)
    learned, trouble = _tried_out(model, rows)
    known = {id(each.layer): each for each in found}
    placed = advice(model, lambda operation: _shares(operation, known))
    report = []
    for layer in _model.flatten_layers(model):
        each = known.get(id(layer))
        if each is not None:
            sampled, why = _sampling(each, learned, trouble)
            told = _advice(each, placed)
            source = _source(layer)
            report.append(
                _row(layer, _strength(layer), source, sampled, why, told, known)
            )
        elif noise.is_off(layer):
            strength = _strength(layer)
            report.append(_row(layer, strength, "number", "no", None, _OFF, known))
        report += _slivers(layer)
    return NoiseReport(report)


def _row(layer, strength, source, sampled, why, told, known):
    path = getattr(layer, "path", None) or layer.name
    shares = _shares(layer, known)
    # The class of such a layer keeps its name, so the layer says what its noise is.
    kind = getattr(layer, "noise_kind", type(layer).__name__)
    return NoiseRow(path, kind, strength, source, shares, sampled, why, told)


def _tried_out(model, rows):
    """What is learned of a model when it is met, or why it cannot be sampled."""
    if rows is None or not model.built:
        return None, None
    try:
        member = held([model], Member, model, Settings(samples=2), 0, rows)
        if not member.noises:
            return None, None
        return held([model], member.engine.learn, rows), None
    except ValueError as error:
        return None, str(error)


def _sampling(each, learned, trouble):
    """Whether and how a noise is sampled, and why."""
    if each.trouble:
        return "no", each.trouble
    if each.is_silent:
        return "no", None
    if learned is None:
        return ("no", trouble) if trouble else ("not tried", "pass `x` to try it out")
    if each.name not in learned.active:
        return "no", "the model's own `call` does not use it at inference"
    if learned.why_single is not None:
        return "one a call", f"each call computes one sample: {learned.why_single}"
    return "tiled", None


def _advice(each, placed):
    if each.is_silent:
        return _OFF
    layer = each.layer
    if isinstance(layer, keras.layers.RNN):
        cells = getattr(layer.cell, "cells", [layer.cell])
        if any(getattr(cell, "recurrent_dropout", 0) for cell in cells):
            return _RECURRENT_DROPOUT
    return placed.get(id(layer))


def _source(layer):
    if not isinstance(layer, NoiseLayer):
        return "number" if adapters.strength(layer) or _cells(layer) else None
    kinds = {source.kind for source in _strengths(layer).values()}
    return "/".join(sorted(kinds)) or None


def _strength(layer):
    """The strengths of a layer now, as text."""
    if isinstance(layer, NoiseLayer):
        values = {name: getattr(layer, name) for name in _strengths(layer)}
    elif _cells(layer):
        names = ("dropout", "recurrent_dropout")
        values = {name: getattr(_cells(layer)[0], name) for name in names}
    else:
        values = {name: getattr(layer, name) for name in adapters.strength(layer)}
    shown = [
        f"{name}={float(value):.4g}" if _is_number(value) else name
        for name, value in values.items()
    ]
    return ", ".join(shown) or "-"


def _strengths(layer):
    """The live values of one of our layers that are strengths of its noise, or all."""
    sources = layer.noise_state.sources
    strengths = {n: s for n, s in sources.items() if s.live.is_silent is not None}
    return strengths or sources


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cells(layer):
    if not isinstance(layer, keras.layers.RNN):
        return []
    cells = getattr(layer.cell, "cells", [layer.cell])
    return [cell for cell in cells if hasattr(cell, "get_dropout_mask")]


def _shares(layer, known):
    """What one draw is for, or `None` for no noise."""
    if id(layer) not in known and not noise.is_off(layer):
        return None
    if isinstance(layer, NoiseLayer):
        family = family_of(type(layer))
        if getattr(layer, "noise_shape", None) is not None:
            return f"noise_shape={layer.noise_shape}"
        named = {"units": "element", "channels": "channel", "regions": "region"}
        return getattr(layer, "per", None) or named.get(family, family)
    if isinstance(layer, keras.layers.RNN):
        return "row"
    if isinstance(layer, keras.layers.SpatialDropout1D) or "Spatial" in _kind(layer):
        return "channel"
    if getattr(layer, "noise_shape", None) is not None:
        return f"noise_shape={layer.noise_shape}"
    return "element" if adapters.stands_in(layer) is not None else "unknown"


def _kind(layer):
    return type(layer).__name__


def _slivers(layer):
    """Rows for max-norms on axes that do not hold the weights of one unit."""
    try:
        weights = incoming(layer)
    except ValueError:
        # The incoming axes of this layer are unknown.
        return []
    rows = []
    for weight in weights:
        constraint = getattr(weight.variable, "constraint", None)
        if not isinstance(constraint, keras.constraints.MaxNorm):
            continue
        axes, rank = constraint.axis, len(weight.variable.shape)
        axes = axes if isinstance(axes, (list, tuple)) else [axes]
        mine = sorted(axis % rank for axis in axes)
        right = sorted(axis % rank for axis in weight.axes)
        if mine != right:
            told = _SLIVER.format(axes=tuple(mine), right=tuple(right))
            limit = f"max_value={float(constraint.max_value):.4g}"
            rows.append(
                NoiseRow(
                    weight.variable.path,
                    type(constraint).__name__,
                    limit,
                    None,
                    None,
                    "no",
                    None,
                    told,
                )
            )
    return rows
