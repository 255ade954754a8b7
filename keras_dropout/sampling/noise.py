"""The noises of a model: found, chosen, and refused where they cannot be sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dropout import _model
from keras_dropout._layers._base.noise_layer import NoiseLayer
from keras_dropout._typing import Data, Picks
from keras_dropout.sampling import adapters
from keras_dropout.sampling.sources import Noise, sources


def find(model: keras.Model, x: Data = None) -> list[Noise]:
    """All noise in `model`, in the order of its layers.

    Layers that are neither ours nor Keras's are run on rows of `x` to see what they
    draw, once for each model as it stands. Without `x` rows are made up, and where
    that fails they are assumed to be noise.

    Args:
        model: A Keras model, built if `x` is given.
        x: Rows of data in the structure of the model's inputs, or `None`.

    Raises:
        ValueError: There is a `MonteCarlo` in it, which samples by itself.
    """
    for layer in _model.flatten_layers(model):
        if getattr(layer, "is_sampler", False):
            raise ValueError(
                "`model` must not be or hold a `MonteCarlo`, whose answers are those "
                "of many samples already. Pass the model within, as in "
                f"`mc_predict(server.model, x)`. Received: {layer.name!r}"
            )
    return sources(model, x)


def select(model: keras.Model, noises: Sequence[Noise], layers: Picks) -> list[Noise]:
    """Those of `noises` that are always on or that `layers` asks for.

    Args:
        model: The model that `noises` were found in.
        noises: The result of `find(model)`.
        layers: `None` for all, or what `_model.select` takes. A layer stands for all
            noise within it.

    Raises:
        ValueError: Something that `layers` asks for holds no noise, or a noise that is
            on cannot be sampled.
    """
    chosen = list(noises)
    if layers is not None:
        noisy = {id(noise.layer) for noise in noises}
        picked = _model.select(model, layers, lambda each: id(each) in noisy, "noise")
        ids = {id(layer) for layer in picked}
        chosen = [each for each in noises if each.always or id(each.layer) in ids]
    troubled = [each for each in chosen if each.trouble]
    if troubled:
        first, *others = troubled
        raise ValueError(
            f"Layer {first.name!r} holds noise that cannot be sampled: {first.trouble}"
            + ("" if first.always else ", or leave this one out with `layers`")
            + (f". These hold such noise, too: {_names(others)}" if others else "")
            + f". Received: model={model.name!r}"
        )
    return chosen


def generators(
    model: keras.Model, noises: Sequence[Noise]
) -> list[keras.random.SeedGenerator]:
    """All seed generators that get a new state for each sample, each once.

    Those that the model keeps come first, in the order of its layers.
    """
    every = [*_model.seed_generators(model)]
    every += [each for noise in noises for each in noise.generators]
    return list({id(each): each for each in every}.values())


def apart(generators: Sequence[Any], noises: Sequence[Noise]) -> np.ndarray:
    """Which generators no scheme joins, as layers draw by them on their own account.

    Two calls that share their seeds, as an antithetic pair does, need others for these.
    """
    foreign = [noise for noise in noises if noise.is_foreign]
    own = {id(each) for noise in foreign for each in noise.generators}
    return np.array([id(each) in own for each in generators], bool)


def require_some(model: keras.Model, noises: Sequence[Noise]) -> None:
    """Refuses a model if all samples would be equal, or its noise is invalid."""
    require_valid(noises)
    if not all(noise.is_silent for noise in noises):
        return
    off = [layer for layer in _model.flatten_layers(model) if is_off(layer)]
    names = [each.name for each in noises]
    names += [getattr(layer, "path", None) or layer.name for layer in off]
    trouble = f"all noise of `model` has rate 0: {', '.join(map(repr, names))}"
    remedy = "Raise a rate"
    if not names:
        trouble = "`model` has no noise to sample"
        remedy = "Add a dropout layer"
    raise ValueError(
        f"{trouble[0].upper()}{trouble[1:]}, so all samples would be equal. {remedy}, "
        f"or call `model.predict` for its deterministic output. "
        f"Received: model={model.name!r}"
    )


def is_off(layer: keras.layers.Layer) -> bool:
    """Whether it is a noise layer of Keras's with strength 0, which is no noise."""
    return adapters.stands_in(layer) is not None and adapters.is_silent(layer)


def require_valid(noises: Sequence[Noise]) -> None:
    """Refuses live values of our layers that came in past their checks."""
    for each in noises:
        if isinstance(each.layer, NoiseLayer):
            each.layer.require_valid()


def require_drawn(model: keras.Model, noises: Sequence[Noise], drawn: Any) -> None:
    """Refuses a model that holds noise but passes it over when it is called."""
    if not drawn:
        raise ValueError(
            f"`model` holds noise, {_names(noises)}, but its `call` uses none of it at "
            "inference, so all samples would be equal. Call these layers for "
            "every value of `training`, and pass `training` to them. "
            f"Received: model={model.name!r}"
        )


def one_sample_per_call(noises: Sequence[Noise]) -> list[Noise]:
    """The noises without a row axis. With them a call computes one sample."""
    return [
        each
        for each in noises
        if each.is_single or getattr(each.layer, "one_sample_per_call", False)
    ]


def require_scheme(noises: Sequence[Noise], masks: Any) -> None:
    """Refuses noise if its samples cannot be joined as `masks` says."""
    foreign = [each for each in noises if each.is_foreign and not each.is_assumed]
    if foreign and masks == "shared":
        raise ValueError(
            "masks='shared' needs noise of our layers or of Keras's, but these layers "
            "draw their own random numbers: "
            f"{_names(foreign)}. Choose other masks, or leave these layers out with "
            "`layers`"
        )
    single = one_sample_per_call(noises)
    if single and masks == "stratified":
        raise ValueError(
            "masks='stratified' joins the samples of one call, but noise of weights "
            "allows one sample in each, as does noise that all rows share: "
            f"{_names(single)}. Choose masks='antithetic', or leave these layers out "
            "with `layers`"
        )


def _names(noises):
    return ", ".join(repr(noise.name) for noise in noises) or "none"


def numbers(noises: Sequence[Noise]) -> list[tuple[object, str]]:
    """The numbers that a compiled function is told each time it is called.

    Keras's layers keep theirs in attributes. Ours have variables, which a function can
    read by itself, but on JAX it would compile a kernel for each that it divides by. On
    TensorFlow the host takes longer to read one, and PyTorch compiles nothing.
    """
    found = attributes(noises)
    if keras.backend.backend() == "jax":
        found += [(each.layer, name) for each in noises for name in _given(each.layer)]
    return found


def attributes(noises: Sequence[Noise]) -> list[tuple[object, str]]:
    """The attributes of Keras's layers that say how strong noises are."""
    told = [each for each in noises if each.overrides and not each.is_foreign]
    return [attribute for each in told for attribute in each.strength]


def _given(layer):
    """The names of the live values of a layer of ours that are plain numbers."""
    if not isinstance(layer, NoiseLayer):
        return []
    sources = layer.noise_state.sources
    return [name for name, source in sources.items() if source.kind == "number"]


def told(numbers: Sequence[tuple[object, str]]) -> np.ndarray:
    """The values of `numbers`, then for each the scale that belongs to it as a rate.

    XLA compiles a kernel for each division of scalars, so the host divides.
    """
    values = np.array([getattr(*each) for each in numbers], np.float32)
    kept = 1 - values
    scales = np.divide(1, kept, out=np.zeros_like(kept), where=kept != 0)
    return np.concatenate([values, scales])


def by_place(
    numbers: Sequence[tuple[object, str]], told: Any
) -> dict[tuple[int, str], tuple[Any, Any]]:
    """What `told` gave, an array of the backend, as `context.sampling` takes it."""
    places = [(id(instance), name) for instance, name in numbers]
    each = ops.unstack(told, 2 * len(places)) if places else ()
    pairs = zip(each[: len(places)], each[len(places) :], strict=True)
    return dict(zip(places, pairs, strict=True))


def constants(noises: Sequence[Noise]) -> tuple[Any, ...]:
    """What a compiled function has fixed of these noises.

    That is: which noises they are; the rates of Keras's layers that are 0 or 1, because
    Keras takes another branch for these; and the strengths of foreign layers.
    """
    ends = [each if each in (0, 1) else None for each in _values(attributes(noises))]
    foreign = [each.strength for each in noises if each.is_foreign]
    return (
        tuple(id(each.layer) for each in noises),
        tuple(ends),
        repr([_values(strength) for strength in foreign]),
    )


def _values(attributes):
    return [getattr(*each) for each in attributes]
