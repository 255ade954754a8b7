"""Which rates a saved model would not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_dropout._model import flatten_layers
from keras_dropout.constraints.saved import saved
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.places import Place
from keras_dropout.surgery.switches import Switch


def unsaved(
    model: keras.Model, asked: Mapping[Place, Any], switches: Sequence[Switch]
) -> list[str]:
    """The paths of the places if the configuration does not save their rates.

    Args:
        model: The model.
        asked: By place, the rate that it will have.
        switches: The attributes of the layers around them, before the change. If one
            changes, the saved rates of all its places change too.
    """
    ids = saved(model, flatten_layers(model))
    if id(model) not in ids:
        # It cannot be saved but by its weights.
        return []
    changed = [each for each in switches if each.after(asked) != each.value]
    touched = dict.fromkeys([*asked, *(p for each in changed for p in each.governed)])
    return [each.path for each in touched if not _is_saved(each, asked, ids, switches)]


def _is_saved(place, asked, ids, switches):
    if id(place.layer) in ids:
        return True
    if isinstance(asked.get(place), Schedule):
        return False
    # The nearest layer around that writes a configuration makes the others from it.
    writer = next(each for each in reversed(place.holders) if id(each) in ids)
    if place.attribute in writer.get_config():
        return True
    return any(s.holder is writer and s.carries(place, asked) for s in switches)
