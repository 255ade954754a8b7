"""Finds the noise in a model: what is random in it, and how it is switched on."""

import dataclasses
import functools
from collections.abc import Callable

import keras

from keras_dropout import _keras, _model
from keras_dropout.layers._base.live import live_names
from keras_dropout.layers._base.noise_layer import NoiseLayer
from keras_dropout.sampling import adapters


@dataclasses.dataclass(frozen=True)
class Noise:
    """One source of noise in a model.

    Attributes:
        layer: The layer whose noise it is.
        overrides: What is put over attributes of instances while the noise is on: a
            tuple of (instance, name, function or value).
        strength: The attributes that say how strong it is: a tuple of (instance,
            name).
        always: Whether it is on without being switched on.
        is_foreign: Whether its layer is of the user's own, and draws by itself.
    """

    layer: keras.layers.Layer
    overrides: tuple[tuple[object, str, Callable | int], ...] = ()
    strength: tuple[tuple[object, str], ...] = ()
    always: bool = False
    is_foreign: bool = False

    @property
    def name(self):
        """The layer's path in its model, or its name."""
        return getattr(self.layer, "path", None) or self.layer.name

    @property
    def is_silent(self):
        """Whether it is a noise of strength zero."""
        if isinstance(self.layer, NoiseLayer):
            return self.layer.is_silent
        if self.is_foreign or not self.strength:
            return False
        return not any(getattr(*each) for each in self.strength)


def find(model):
    """All noise in `model`, in the order of its layers.

    Raises:
        ValueError: There is a `MonteCarlo` in it, which samples by itself.
    """
    layers = _model.flatten_layers(model)
    for layer in layers:
        if getattr(layer, "is_sampler", False):
            raise ValueError(
                "`model` must not be or hold a `MonteCarlo`, whose answers are those "
                "of many samples already. Pass the model within, as in "
                f"`mc_predict(server.model, x)`. Received: {layer.name!r}"
            )
    found = [_noise(layer, layer is model) for layer in layers]
    return [noise for noise in found if noise is not None]


def select(model, noises, layers):
    """Those of `noises` that are always on or that `layers` asks for.

    Args:
        model: The model that `noises` were found in.
        noises: The result of `find(model)`.
        layers: `None` for all, or names, types, instances, predicates of a layer,
            or a list of these. A layer stands for all noise within it.

    Raises:
        ValueError: Something that `layers` asks for holds no noise.
    """
    if layers is None:
        return list(noises)
    asked = layers if isinstance(layers, (list, tuple, set)) else [layers]
    chosen = set()
    for one in asked:
        within = {
            id(inner)
            for layer in _model.flatten_layers(model)
            if layer is not model and _matches(layer, one)
            for inner in _model.flatten_layers(layer)
        }
        matched = {id(noise) for noise in noises if id(noise.layer) in within}
        if not matched:
            raise ValueError(
                f"`layers` must name layers of the model that are noisy or hold "
                f"noise: {_names(noises)}. Received: layers={one!r}"
            )
        chosen |= matched
    return [noise for noise in noises if noise.always or id(noise) in chosen]


def require_some(model, noises):
    """Refuses a model whose samples would all be equal."""
    if any(not noise.is_silent for noise in noises):
        return
    trouble = f"all noise of `model` has rate 0: {_names(noises)}"
    remedy = "Raise a rate"
    if not noises:
        trouble = "`model` has no noise to sample"
        remedy = "Add a dropout layer"
    raise ValueError(
        f"{trouble[0].upper()}{trouble[1:]}, so all samples would be equal. {remedy}, "
        f"or call `model.predict` for its deterministic output. "
        f"Received: model={model.name!r}"
    )


def require_drawn(model, noises, drawn):
    """Refuses a model that holds noise but passes it over when it is called."""
    if not drawn:
        raise ValueError(
            f"`model` holds noise, {_names(noises)}, but its `call` uses none of it at "
            "inference, so all samples would be equal. Call such layers whatever "
            "`training` is, and pass `training` on to them. "
            f"Received: model={model.name!r}"
        )


def one_sample_per_call(noises):
    """Those whose noise has no row axis, so that a call computes one sample."""
    return [n for n in noises if getattr(n.layer, "one_sample_per_call", False)]


def require_scheme(noises, masks):
    """Refuses noise whose samples cannot be joined as `masks` says."""
    foreign = [each for each in noises if each.is_foreign]
    if foreign and masks == "shared":
        raise ValueError(
            "masks='shared' needs noise that is drawn through `keras_dropout.random`, "
            "by our layers or Keras's, but these layers draw by themselves: "
            f"{_names(foreign)}. Choose other masks, or leave these layers out with "
            "`layers`"
        )
    single = one_sample_per_call(noises)
    if single and masks == "stratified":
        raise ValueError(
            "masks='stratified' joins the samples of one call, but noise of weights "
            f"allows one sample in each: {_names(single)}. Choose masks='antithetic', "
            "or leave these layers out with `layers`"
        )


def _names(noises):
    return ", ".join(repr(noise.name) for noise in noises) or "none"


def _matches(layer, asked):
    if isinstance(asked, str):
        return asked in (layer.name, getattr(layer, "path", None))
    if isinstance(asked, type):
        return isinstance(layer, asked)
    if isinstance(asked, keras.layers.Layer):
        return layer is asked
    if callable(asked):
        return bool(asked(layer))
    raise TypeError(
        "`layers` must be None, or names, types, instances or predicates of layers. "
        f"Received: layers={asked!r}"
    )


def _noise(layer, is_root):
    if isinstance(layer, NoiseLayer):
        names = live_names(type(layer))
        strength = [(layer, name) for name in names if name in ("rate", "stddev")]
        return Noise(layer, strength=tuple(strength), always=layer.monte_carlo)
    if isinstance(layer, _augmentations()):
        return None
    if isinstance(layer, keras.layers.RNN):
        return _recurrent(layer)
    if not _generators(layer) or hasattr(layer, "get_dropout_mask"):
        # Without a seed of its own it draws nothing; cells belong to their RNN.
        return None
    function = adapters.CALLS.get(type(layer).call)
    if function is not None:
        noise = Noise(layer, ((layer, "call", function),), _strength(layer))
        return None if noise.is_silent else noise
    return _custom(layer, is_root)


def _recurrent(layer):
    cells = getattr(layer.cell, "cells", [layer.cell])
    cells = [cell for cell in cells if hasattr(cell, "get_dropout_mask")]
    names = ("dropout", "recurrent_dropout")
    strength = tuple((cell, name) for cell in cells for name in names)
    overrides = [(layer, "call", adapters.with_training)]
    for cell in cells:
        overrides += [(cell, name, f) for name, f in adapters.CELL_METHODS.items()]
    noise = Noise(layer, tuple(overrides), strength)
    return None if noise.is_silent or not cells else noise


def _custom(layer, is_root):
    """A layer of the user's own that keeps a seed.

    It may draw whatever `training` says, so it counts as noise. `training` is forced
    on only if nothing else can listen to it: no layers inside, no moving statistics.
    """
    seeded = tuple((each, _keras.INITIAL_SEED, 0) for each in _generators(layer))
    alone = not is_root and len(_model.flatten_layers(layer)) == 1
    state = {id(variable) for variable in layer.non_trainable_variables}
    state -= {id(generator.state) for generator in _model.seed_generators(layer)}
    if alone and not state and _keras.takes_training(layer):
        overrides = ((layer, "call", adapters.with_training), *seeded)
        return Noise(layer, overrides, _strength(layer), is_foreign=True)
    return Noise(layer, seeded, _strength(layer), always=True, is_foreign=True)


def _generators(layer):
    kept = vars(layer).values()
    return [each for each in kept if isinstance(each, keras.random.SeedGenerator)]


def _strength(layer):
    names = adapters.strength(layer)
    numeric = [name for name in names if isinstance(getattr(layer, name), (int, float))]
    return tuple((layer, name) for name in numeric)


@functools.cache
def _augmentations():
    """Keras's layers that change data at random; they are no part of a model's noise.

    All of them are named so; there is no public base class.
    """
    names = [name for name in dir(keras.layers) if name.startswith("Random")]
    names += ["AugMix", "CutMix", "MixUp", "RandAugment"]
    found = (getattr(keras.layers, name, None) for name in names)
    return tuple(cls for cls in found if isinstance(cls, type))


def numbers(noises):
    """The attributes of Keras's layers that a compiled function is told each time.

    Our layers keep theirs in variables.
    """
    told = [each for each in noises if each.overrides and not each.is_foreign]
    return [attribute for each in told for attribute in each.strength]


def constants(noises):
    """What a compiled function has in it of these noises.

    That is which they are; where Keras's layers have an end of the range, at which
    Keras does something else; and the numbers of layers that draw by themselves.
    """
    ends = [each if each in (0, 1) else None for each in _values(numbers(noises))]
    foreign = [each.strength for each in noises if each.is_foreign]
    return (
        tuple(id(each.layer) for each in noises),
        tuple(ends),
        repr([_values(strength) for strength in foreign]),
    )


def _values(attributes):
    return [getattr(*each) for each in attributes]
