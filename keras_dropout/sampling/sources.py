"""What is noisy in a model: layers of ours, of Keras's, and of a user's own."""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Callable
from typing import Any

import keras

from keras_dropout import _keras, _model
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Data
from keras_dropout.sampling import adapters, compare, draws, made_up, probe
from keras_dropout.sampling.activation import own_attribute
from keras_dropout.sampling.finding import UNSEEDED
from keras_dropout.sampling.fingerprint import OF_TRAINERS


@dataclasses.dataclass(frozen=True)
class Noise:
    """One source of noise in a model.

    Attributes:
        layer: The layer whose noise it is.
        overrides: What is put over methods of instances while the noise is on: a
            tuple of (instance, name, function). The function gets the instance and
            the method that it covers, and then the arguments.
        strength: The attributes that say how strong it is: a tuple of (instance,
            name).
        always: Whether it is on without being switched on.
        is_foreign: Whether its layer is of the user's own, and draws by itself.
        is_forced: Whether its layer is told that it is training, and so all layers
            within it have to be told that they are not.
        is_single: Whether its noise has no row axis, so that a call computes one
            sample.
        generators: The generators that a layer of the user's own draws by.
        trouble: Why it cannot be sampled, or "".
        is_assumed: Whether nobody has looked yet whether it is a noise at all.
        changes_nothing: Whether its layer is of the user's own, and gives the same
            whatever it draws.
    """

    layer: keras.layers.Layer
    overrides: tuple[tuple[object, str, Callable[..., Any]], ...] = ()
    strength: tuple[tuple[object, str], ...] = ()
    always: bool = False
    is_foreign: bool = False
    is_forced: bool = False
    is_single: bool = False
    generators: tuple[keras.random.SeedGenerator, ...] = ()
    trouble: str = ""
    is_assumed: bool = False
    changes_nothing: bool = False

    @property
    def name(self) -> str:
        """The layer's path in its model, or its name."""
        return getattr(self.layer, "path", None) or self.layer.name

    @property
    def is_silent(self) -> bool:
        """Whether it is a noise of strength zero, as it will be used."""
        if isinstance(self.layer, NoiseLayer):
            return self.layer.is_silent
        if self.is_foreign:
            # One that draws nothing is not found in the first place.
            return self.changes_nothing
        if isinstance(self.layer, keras.layers.RNN):
            return all(adapters.drops_nothing(getattr(*each)) for each in self.strength)
        return adapters.is_silent(self.layer)


def sources(model: keras.Model, x: Data = None) -> list[Noise]:
    """All noise in a model, as `noise.find` gives it."""
    layers = _model.flatten_layers(model)
    unknown = [layer for layer in layers if not _is_known(layer)]
    findings = _findings(model, unknown, x) if unknown else {}
    found = [_noise(layer, findings) for layer in layers]
    return [noise for noise in found if noise is not None]


# Keras's layers that run what a user gives them.
_OPEN = ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper")


def _is_known(layer):
    """Whether it is one of ours or Keras's, or of a class that computes as they do."""
    cls = type(layer)
    if own_attribute(layer, "call") is not None:
        return False
    graphs = (keras.Sequential.call, _keras.Functional.call)
    ours = isinstance(layer, NoiseLayer) or cls.__module__.startswith("keras_dropout.")
    if ours or cls.call in graphs or isinstance(layer, _augmentations()):
        return True
    if _keras.is_layer_of_keras(layer):
        return cls.__name__ not in _OPEN
    return adapters.stands_in(layer) is not None


_looked = weakref.WeakKeyDictionary()


def _findings(model, unknown, x):
    """What the unknown layers of a model do, or `None` if nobody can look."""
    before = _values(unknown)
    kept, moving, known = _looked.get(model, (None, (), None))
    same = kept == {place: x for place, x in before.items() if place not in moving}
    # What is silent may have been changed through a variable.
    if same and not any(each.is_silent for each in (known or {}).values()):
        return known
    is_made_up = x is None
    if is_made_up:
        x = made_up.made_up(model) if model.built else None
    if x is None:
        # What is assumed draws, perhaps where nothing may be made any more.
        draws.stand_in()
        return None
    try:
        found = probe.findings(model, unknown, x)
    except Exception:
        if not is_made_up:
            raise
        return None
    if not compare.is_traced(x):
        after = _values(unknown)
        # What a call itself changes, as a count of calls, is no change by a person.
        moving = {place for place in after if before.get(place) != after[place]}
        kept = {place: x for place, x in after.items() if place not in moving}
        _looked[model] = kept, moving, found
    return found


def _noise(layer, findings):
    if isinstance(layer, NoiseLayer):
        return Noise(layer, always=layer.monte_carlo)
    if isinstance(layer, _augmentations()):
        return None
    known = _is_known(layer)
    if findings is None and not known:
        return _assumed(layer)
    finding = None if known else findings.get(id(layer))
    if isinstance(layer, keras.layers.RNN):
        drops = _recurrent(layer, finding)
        if drops is not None:
            return drops
    function = adapters.stands_in(layer)
    if known and function is not None:
        noise = Noise(layer, ((layer, "call", function),), _strength(layer))
        return None if noise.is_silent else noise
    return None if finding is None else _foreign(layer, finding)


def _recurrent(layer, finding):
    """The noise of the cells' own dropouts. A `finding` is of a subclass."""
    cells = getattr(layer.cell, "cells", [layer.cell])
    cells = [cell for cell in cells if hasattr(cell, "get_dropout_mask")]
    names = ("dropout", "recurrent_dropout")
    strength = tuple((cell, name) for cell in cells for name in names)
    always = finding is not None and finding.tells_cells
    told = finding is None or finding.tells_cells_in_training
    call = adapters.with_training if told else adapters.as_it_is
    overrides = [(layer, "call", call)]
    is_foreign = not all(map(adapters.stands_in_cell, cells))
    if not is_foreign:
        for cell in cells:
            overrides += [(cell, name, f) for name, f in adapters.CELL_METHODS.items()]
    single = is_foreign or (finding is not None and not finding.has_rows)
    noise = Noise(
        layer,
        tuple(overrides),
        strength,
        always,
        is_foreign=is_foreign,
        is_single=single and is_foreign,
    )
    silent = all(adapters.drops_nothing(getattr(*each)) for each in strength)
    return None if silent or not (always or told) else noise


def _foreign(layer, finding):
    """A layer of the user's own that draws, at inference or in training."""
    forced = finding.in_training > 0
    if not (forced or finding.at_inference or finding.is_unseeded):
        return None
    call = adapters.with_training if forced else adapters.as_it_is
    trouble = finding.trouble if forced else ""
    return Noise(
        layer,
        ((layer, "call", call),),
        _numbers(layer),
        always=bool(finding.at_inference or finding.is_unseeded),
        is_foreign=True,
        is_forced=forced,
        is_single=not finding.has_rows,
        generators=tuple(finding.generators),
        trouble=UNSEEDED if finding.is_unseeded else trouble,
        changes_nothing=finding.is_silent,
    )


def _assumed(layer):
    """A layer that may draw, for all that is known."""
    return Noise(
        layer,
        ((layer, "call", adapters.as_it_is),),
        _numbers(layer),
        always=True,
        is_foreign=True,
        is_single=True,
        generators=(draws.stand_in(),),
        is_assumed=True,
    )


def _strength(layer):
    names = adapters.strength(layer)
    numeric = [name for name in names if isinstance(getattr(layer, name), (int, float))]
    return tuple((layer, name) for name in numeric)


def _numbers(layer):
    """All numbers that a layer of the user's own keeps: any may be a strength."""
    return tuple(
        (layer, name)
        for name, x in vars(layer).items()
        if isinstance(x, (int, float)) and name not in OF_TRAINERS
    )


def _values(layers):
    return {
        (id(layer), name): repr(getattr(layer, name))
        for layer in layers
        for _, name in (*_numbers(layer), (layer, "__class__"))
    }


@functools.cache
def _augmentations():
    """Keras's layers that change data at random; they are no part of a model's noise.

    All of them are named so; there is no public base class.
    """
    names = [name for name in dir(keras.layers) if name.startswith("Random")]
    names += ["AugMix", "CutMix", "MixUp", "RandAugment"]
    found = (getattr(keras.layers, name, None) for name in names)
    return tuple(cls for cls in found if isinstance(cls, type))
