"""Finds where a model keeps its rates, and under which names one can ask for them."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout._layers._base.live import live_names
from keras_dropout.layers import NoiseLayer
from keras_dropout.surgery.twins import TWINS

LIVE, TWIN, NUMBER = "live", "twin", "number"
MISSING, IDLE = "missing", "idle"


@dataclasses.dataclass(eq=False)
class Place:
    """One rate of a model.

    Attributes:
        layer: The layer that it is the rate of.
        attribute: The name of the attribute that holds it.
        kind: `LIVE` in one of our layers, `TWIN` in one of Keras's that we have a twin
            of, `NUMBER` in any other, `MISSING` in a layer that was never made, `IDLE`
            where nothing looks at it any more.
        names: The ways to name it, from the model down.
        holders: The layers that it lies within, from the model down.
        rate: What it is now.
        on_demand: Whether it changes only where it is asked for by its own name.
    """

    layer: keras.layers.Layer
    attribute: str
    kind: str
    names: tuple[str, ...]
    holders: tuple[keras.layers.Layer, ...]
    rate: float
    on_demand: bool = False

    @property
    def path(self) -> str:
        """Where it is, in words."""
        return _join(self.names[0], self.attribute)

    def fits(self, pattern: str) -> bool:
        """Whether a pattern asks for it, or for something that it lies within."""
        own = [_join(name, self.attribute) for name in self.names]
        if any(_fits(pattern, name) for name in own):
            return True
        parts = [name.split("/") for name in self.names]
        within = ["/".join(each[:n]) for each in parts for n in range(1, len(each) + 1)]
        return not self.on_demand and any(_fits(pattern, name) for name in within)


def _fits(pattern, name):
    """A pattern fits a path, or the end of a path from any `/` on."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(
        name, f"*/{pattern}"
    )


def find_places(model: keras.Model) -> list[Place]:
    """All rates of a model, in the order of its layers."""
    found = {}
    for layer, names, holders in walk(model):
        if id(layer) in found:
            for place in found[id(layer)]:
                place.names = (*place.names, *names)
        else:
            found[id(layer)] = list(_places(layer, names, holders))
    return [place for places in found.values() for place in places]


def walk(
    layer: keras.layers.Layer,
    names: tuple[str, ...] = ("",),
    holders: tuple[keras.layers.Layer, ...] = (),
    chains: tuple[str, ...] = ("", "", ""),
) -> Iterator[tuple[Any, ...]]:
    """Each layer, the ways to name it, and what it lies within; shared ones again.

    The first way is by the names of a model's layers and of a layer's attributes.
    Others are by names alone, by attributes alone, and by either at the end.
    """
    yield layer, names, holders
    attributes = _attributes(layer)
    for inner in _keras.sublayers(layer):
        name, attribute = inner.name, attributes.get(id(inner), inner.name)
        best = name if isinstance(layer, keras.Model) else attribute
        steps = zip(chains, (best, name, attribute), strict=True)
        below = tuple(_join(*each) for each in steps)
        ways = (*below, _join(chains[0], name), _join(chains[0], attribute))
        yield from walk(inner, tuple(dict.fromkeys(ways)), (*holders, layer), below)


def _join(*names):
    return "/".join(filter(None, names))


def _attributes(layer):
    """By the id of each layer held: the name of the attribute that holds it."""
    found = {}
    for name, value in _keras.attributes(layer).items():
        several = isinstance(value, (list, tuple))
        for place, each in enumerate(value) if several else [(None, value)]:
            if isinstance(each, keras.layers.Layer):
                way = name if place is None else f"{name}/{place}"
                found.setdefault(id(each), way)
    return found


def _places(layer, names, holders):
    def place(attribute, kind, on_demand=False):
        rate = getattr(layer, attribute)
        return Place(layer, attribute, kind, names, holders, rate, on_demand)

    if isinstance(layer, NoiseLayer):
        for name in live_names(type(layer)):
            yield place(name, LIVE, on_demand=name != "rate")
    elif type(layer) in TWINS:
        name = "rate" if hasattr(layer, "rate") else "stddev"
        yield place(name, TWIN, on_demand=name != "rate")
    elif hasattr(layer, "get_dropout_mask"):
        # In our wrappers the cell has the wrapper's noise, and asks for no other.
        ours = any(isinstance(holder, NoiseLayer) for holder in holders)
        yield place("dropout", NUMBER, on_demand=ours and not layer.dropout)
        # It disables the fused implementation.
        off = not layer.recurrent_dropout
        yield place("recurrent_dropout", NUMBER, on_demand=off)
    elif draws_by_itself(layer):
        for name in _own_rates(layer):
            yield place(name, NUMBER)


def draws_by_itself(layer: keras.layers.Layer) -> bool:
    """Whether a layer, not ours and no twin, keeps a seed to draw with, or would."""
    kept = vars(layer).values()
    return isinstance(layer, (keras.layers.Attention, *TWINS)) or any(
        isinstance(each, keras.random.SeedGenerator) for each in kept
    )


def _own_rates(layer):
    """The attributes of a layer that draws by itself that are rates, by name and value.

    Those of a layer that holds noise and no seed are `switches`.
    """
    return [
        name
        for name, value in vars(layer).items()
        if (name == "rate" or "drop" in name) and is_rate(value)
    ]


def is_rate(value: Any) -> bool:
    """Whether a value of an attribute may be a rate."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= 1
