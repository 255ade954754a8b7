"""The attributes of layers around the noise that say how strong it is.

A Transformer block has an attribute `dropout`, and builds its dropout layers with it.
It often checks `if self.dropout:` before it calls them, and saves this number, not
those of the layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_dropout._keras import Functional
from keras_dropout.layers import NoiseLayer
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.places import (
    IDLE,
    NUMBER,
    Place,
    draws_by_itself,
    is_rate,
    walk,
)


@dataclasses.dataclass(eq=False)
class Switch:
    """One such attribute.

    Attributes:
        holder: The layer that has it.
        name: The name of the attribute.
        names: The ways to name the layer, from the model down.
        holders: The layers that it lies within, from the model down.
        value: What it is now.
        governed: The places that have their rates from it, by all that can be seen.
    """

    holder: keras.layers.Layer
    name: str
    names: tuple[str, ...]
    holders: tuple[keras.layers.Layer, ...]
    value: float
    governed: list[Place] = dataclasses.field(default_factory=list)

    def stem(self) -> list[str]:
        """What its name says beside that it is a rate: `attention`, `path`."""
        words = self.name.strip("_").split("_")
        return [w for w in words if w not in ("dropout", "drop", "rate", "prob", "p")]

    def after(self, asked: Mapping[Place, Any]) -> Any:
        """What it must be for these rates by their places."""
        if not any(place in asked for place in self.governed):
            return self.value
        rates = [_number(asked.get(place, place.rate)) for place in self.governed]
        if isinstance(self.holder, Functional):
            # Its graph uses the noise anyway. It saves what holds for most.
            return max(rates, key=lambda rate: (rates.count(rate), rate))
        # Where the places differ, the noise must at least be used.
        return max(rates)

    def carries(self, place: Place, asked: Mapping[Place, Any]) -> bool:
        """Whether a layer built with it gives the place its rate, as it did before."""
        carried = place in self.governed and place.rate == self.value
        return carried and self.after(asked) == asked.get(place, place.rate)

    def as_place(self) -> Place:
        """The place that it is where no noise is built for it.

        It is idle if the layer does not look at it any more, to be built or called.
        """
        is_read = not self.holder.built or _reads(type(self.holder), self.name)
        kind = NUMBER if is_read else IDLE
        return Place(self.holder, self.name, kind, self.names, self.holders, self.value)


def find_switches(model: keras.Model, places: Sequence[Place]) -> list[Switch]:
    """All switches of a model, with the places that they govern."""
    found = {}
    for layer, names, holders in walk(model):
        noise = isinstance(layer, NoiseLayer) or draws_by_itself(layer)
        if noise or hasattr(layer, "get_dropout_mask") or id(layer) in found:
            continue
        mine = [
            Switch(layer, name, names, holders, getattr(layer, name))
            for name in rate_attributes(layer)
        ]
        found[id(layer)] = mine
        within = [place for place in places if layer in place.holders]
        for place in within:
            for switch in _claims(mine, place):
                switch.governed.append(place)
        for switch in mine:
            # Its name does not say what it is, so we look at its value.
            alike = [place for place in within if place.rate == switch.value]
            switch.governed = switch.governed or alike
    return [switch for several in found.values() for switch in several]


def rate_attributes(layer: keras.layers.Layer) -> list[str]:
    """The attributes of a layer that by name and value are rates."""
    return [
        name for name, value in vars(layer).items() if "drop" in name and is_rate(value)
    ]


def _number(rate):
    """A rate as a number, the largest of a schedule."""
    return max(rate.extremes()) if isinstance(rate, Schedule) else float(rate)


def _claims(switches, place):
    """Those of a layer's switches that a place has its rate from."""
    by_name = [s for s in switches if any(word in place.path for word in s.stem())]
    plain = [s for s in switches if not s.stem()]
    return by_name or plain or [s for s in switches if s.value == place.rate]


def _reads(cls, name):
    """Whether methods of a class, beside those that build and save it, read a name."""
    beside = ("__init__", "build", "get_config", "from_config")
    for each in cls.__mro__:
        if each in (keras.layers.Layer, keras.Model):
            return False
        for method, function in vars(each).items():
            code = getattr(function, "__code__", None)
            if code is not None and method not in beside and name in _names(code):
                return True
    return False


def _names(code):
    """All names that a piece of code, with functions within it, looks up."""
    inner = [each for each in code.co_consts if hasattr(each, "co_names")]
    return {*code.co_names, *(name for each in inner for name in _names(each))}
