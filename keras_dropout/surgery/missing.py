"""Layers that were never made, since the rate was 0 when the model was built.

Many layers say `if dropout > 0: self.dropout = Dropout(dropout)`. Which ones they are
is seen in a second layer of the same class and configuration, with another rate.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_dropout import _keras
from keras_dropout.layers import NoiseLayer
from keras_dropout.surgery.places import MISSING, Place, walk
from keras_dropout.surgery.switches import rate_attributes
from keras_dropout.surgery.twins import is_noise


def find_missing(model: keras.Model) -> list[Any]:
    """A place for each noise layer that some layer of a model would have.

    The place's `layer` is not in the model yet; `put` puts it there.
    """
    seen, found = set(), []
    for holder, names, above in walk(model):
        if id(holder) not in seen:
            seen.add(id(holder))
            found += _missing_from(holder, names, (*above, holder))
    return found


@dataclasses.dataclass(eq=False)
class MissingPlace(Place):
    """A place in a layer that was never made.

    Attributes:
        slot: The attribute that would hold the layer.
        in_list: Whether it would hold a list of layers.
    """

    slot: str = ""
    in_list: bool = False

    def put(self, layer: keras.layers.Layer) -> None:
        """Puts `layer` there."""
        holder = self.holders[-1]
        if self.in_list:
            layer = [*(getattr(holder, self.slot, None) or ()), layer]
        _keras.give(holder, self.slot, layer)


def _missing_from(holder, names, holders):
    silent = [name for name in rate_attributes(holder) if not getattr(holder, name)]
    if not silent or isinstance(holder, (keras.Model, NoiseLayer)) or is_noise(holder):
        return
    noisy = _noisy_version(holder, silent)
    for slot, value in _keras.attributes(noisy).items() if noisy else ():
        in_list = isinstance(value, (list, tuple))
        layers = list(value) if in_list else [value]
        if (
            slot == "_layers"
            or getattr(holder, slot, None)
            or not all(map(is_noise, layers))
        ):
            continue
        for index, layer in enumerate(layers):
            ways = (f"{slot}/{index}" if in_list else slot, layer.name)
            below = ("/".join(filter(None, (n, w))) for n in names for w in ways)
            yield MissingPlace(
                layer, "rate", MISSING, tuple(below), holders, 0.0, False, slot, in_list
            )


def _noisy_version(layer, attributes):
    """A layer like `layer`, not built, with other rates; None if there is no way."""
    try:
        config = layer.get_config()
        asked = {name.lstrip("_") for name in attributes} & config.keys()
        if not asked:
            return None
        return type(layer).from_config({**config, **dict.fromkeys(asked, 0.5)})
    except Exception:
        # Configurations of layers that nobody saves may hold anything.
        return None
