"""Dropout on the low-rank branch of layers with LoRA."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import keras

from keras_dropout import _model, _validation
from keras_dropout._typing import ModelT, Picks
from keras_dropout._validation import invalid
from keras_dropout.constraints.saved import saved
from keras_dropout.layers._base.options import Rate
from keras_dropout.layers.weights import _lora, _low_rank
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.in_place import forget_compiled
from keras_dropout.surgery.places import LIVE, Place, walk


def lora_dropout(
    model: ModelT,
    rate: Rate | Mapping[str, Rate],
    *,
    layers: Picks = None,
    mode: Literal["input", "weights"] = "input",
) -> ModelT:
    r"""Puts dropout on the low-rank branch of layers with LoRA, in place.

    Keras's `enable_lora` freezes the kernel $W$ of a layer and learns two small
    matrices $A$ and $B$ of rank $r$ beside it. With `mode="input"` the branch sees only
    some of the inputs, and the frozen kernel sees all of them:

    $$y = W x + \frac{\alpha}{r}\, B^\top A^\top \!\left(\frac{m \odot x}{1 - p}\right),
    \qquad m_i \sim \mathrm{Bernoulli}(1 - p)$$

    $$\mathrm{E}[y] = \left(W + \tfrac{\alpha}{r} A B\right)^{\!\top} x, \qquad
    \mathrm{Var}[y_j] = \frac{p}{1 - p} \left(\frac{\alpha}{r}\right)^2
    \sum_i x_i^2\, (A B)_{ij}^2.$$

    An `Embedding` leaves out what the branch adds to whole tokens. With
    `mode="weights"` rows of $A$ and columns of $B$ are left out, the same for all rows
    of a batch; the rank stays. With $d = \frac{\alpha}{r} (A B)^\top x$

    $$\mathrm{Var}[y_j] = \frac{1}{1 - p} \left(d_j^2 + \frac{p}{1 - p}
    \left(\frac{\alpha}{r}\right)^2 \sum_i x_i^2\, (A B)_{ij}^2\right) - d_j^2.$$

    These are the masks of Lin et al., who average such samples at inference, as
    `mc_predict` does. We scale what is kept of each matrix by $1 / (1 - p)$, so that
    inference without noise has the right mean.

    The layers stay where they are, also within attention and layers of your own, and
    keep their weights. At inference the output is the layer's own, bit for bit. The
    rates are live. `mc_predict` samples the noise, of which there is none as long as
    $B$ is 0, as it is before training. Quantized layers work too. `strip_dropout` takes
    the noise out of a model. A saved model holds $W$, $A$ and $B$, and their sum where
    Keras's own layers look for it.

    Args:
        model: A Keras model or layer of any kind, in which LoRA is enabled.
        rate: Float in `[0, 1]`, the probability $p$, or a schedule; or a dictionary
            from patterns to these, as `set_rates` takes them: names, paths or globs.
            Where several fit, the last one holds. What none fits stays as it is.
        layers: `None` for all layers with LoRA; or one or a list of patterns, classes,
            layers, or functions from a layer to True or False. A layer is picked with
            all within it.
        mode: `"input"` or `"weights"`.

    Returns:
        The model.

    Raises:
        TypeError: `model` is not a layer, a rate is neither a number nor a schedule,
            or LoRA is enabled on a layer of a class that is not known.
        ValueError: No layer has LoRA, a pattern fits none that has, or a rate is out of
            range. Then nothing has changed.

    Warns:
        UserWarning: LoRA and its dropout act on a layer, but are not saved, since the
            configuration of a layer around does not hold them.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model.layers[0].enable_lora(rank=2)
        >>> model = kd.lora_dropout(model, 0.1)
        >>> model.layers[0].rate
        0.1

    References:
        - Hu et al., 2021, [LoRA: Low-Rank Adaptation of Large Language
          Models](https://arxiv.org/abs/2106.09685), whose code drops inputs
        - Lin et al., 2024, [LoRA Dropout as a Sparsity Regularizer for Overfitting
          Control](https://arxiv.org/abs/2404.09610), for `mode="weights"`
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(invalid("model", "a Keras model or layer", model))
    _validation.choice("mode", mode, _lora.MODES)
    places = _picked(_enabled(model), layers)
    asked = _asked(places, rate)
    for place in asked:
        _low_rank.require_known(place.layer, mode)
    # What a rate may be depends on the precision of the layer.
    for place, value in asked.items():
        _check(value, place.layer.compute_dtype)
    new = [place for place in asked if not _lora.is_adapted(place.layer)]
    renewed = [_set(place.layer, value, mode) for place, value in asked.items()]
    if any(renewed):
        forget_compiled(model)
    _warn(model, new)
    return model


def _enabled(model):
    """A place for each layer with LoRA, each once."""
    found = {}
    for layer, names, holders in walk(model):
        if not _low_rank.is_enabled(layer):
            continue
        if id(layer) in found:
            place = found[id(layer)]
            place.names = (*place.names, *names)
        else:
            found[id(layer)] = Place(layer, "rate", LIVE, names, holders, 0.0)
    if not found:
        raise ValueError(
            "`model` has no layer with LoRA, so there is no branch to drop from. Call "
            "`enable_lora(rank)` of its layers, or of its backbone, first. "
            f"Received: model={model.name!r}"
        )
    return list(found.values())


def _picked(places, layers):
    """The places that `layers` asks for."""
    found = {}
    for pick in _model.picks(layers):
        fits = _is_picked(pick)
        fitting = [place for place in places if fits(place)]
        if not fitting:
            raise ValueError(invalid("layers", _some_of(places), pick))
        found.update((id(place), place) for place in fitting)
    return [place for place in places if id(place) in found]


def _is_picked(pick):
    if isinstance(pick, str):
        return lambda place: place.fits(pick)
    is_picked = _model.picker(pick)
    return lambda place: any(map(is_picked, (*place.holders, place.layer)))


def _some_of(places):
    known = ", ".join(place.names[0] or place.layer.name for place in places)
    return f"something that is true of a layer with LoRA: {known}"


def _asked(places, rate):
    """By place: the rate that it is asked to have."""
    if not isinstance(rate, Mapping):
        return dict.fromkeys(places, rate)
    asked = {}
    for pattern, value in rate.items():
        if not isinstance(pattern, str):
            raise TypeError(invalid("rate", "patterns that are strings", pattern))
        fitting = [place for place in places if place.fits(pattern)]
        if not fitting:
            raise ValueError(invalid("rate", _some_of(places), pattern))
        asked.update(dict.fromkeys(fitting, value))
    return asked


def _check(rate, dtype):
    extremes = rate.extremes() if isinstance(rate, Schedule) else (rate,)
    for value in extremes:
        _validation.drop_rate("rate", value, dtype)


def _set(layer, rate, mode):
    """Sets the dropout of one layer; returns whether compiled functions lack it."""
    if _lora.is_adapted(layer) and layer.mode == mode:
        is_number = layer.source("rate").kind == "number"
        if is_number and not isinstance(rate, Schedule):
            layer.rate = rate
            return False
    _lora.adapt(layer, rate, mode)
    return True


def _warn(model, places):
    layers = _model.flatten_layers(model)
    ids = saved(model, layers) if isinstance(model, keras.Model) else set()
    lost = [place.names[0] for place in places if id(place.layer) not in ids]
    if lost and id(model) in ids:
        warnings.warn(
            f"LoRA and its dropout act on these layers, but are not saved with "
            f"{model.name!r}, because the configurations of the outer layers do not "
            f"hold them: {lost}. A loaded model has no dropout, and its kernels are "
            "the frozen ones plus what was learned. To continue training, call "
            "`enable_lora` and `lora_dropout` after loading, and then `load_weights`.",
            stacklevel=3,
        )
