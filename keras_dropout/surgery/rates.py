"""Setting the rates of a model as it comes, where they stand."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import keras

from keras_dropout import _keras, _validation, random
from keras_dropout._layers._base.options import Rate
from keras_dropout._typing import ModelT
from keras_dropout._validation import invalid
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.in_place import forget_compiled, fuse_attention, turn
from keras_dropout.surgery.missing import find_missing
from keras_dropout.surgery.places import (
    IDLE,
    LIVE,
    MISSING,
    NUMBER,
    draws_by_itself,
    find_places,
)
from keras_dropout.surgery.switches import find_switches
from keras_dropout.surgery.twins import ours
from keras_dropout.surgery.unsaved import unsaved


def set_rates(model: ModelT, rate: Rate | Mapping[str, Rate]) -> ModelT:
    """Sets the dropout rates of any Keras model, in place.

    Afterwards the model is as if it had been built with these rates. Our layers get the
    new number. Keras's layers are replaced by ours, also within attention and your own
    layers, so that their rates are live from then on. Layers that do not exist because
    the rate was 0 are created. The rates of recurrent cells, and of layers that draw by
    themselves, are assigned. Attributes of outer layers, such as the `dropout` of a
    Transformer block, are set too, because they decide whether the noise is used, and
    they are saved. The model keeps its class, its weights and its layers.

    A number applies to every rate, even if the rate is 0 now. There are two exceptions,
    which you must name: a `recurrent_dropout` of 0, because dropout disables the fused
    implementation of the cell, and numbers that are not called `rate`, such as the
    `stddev` of `GaussianNoise`.

    Args:
        model: A Keras model or layer of any kind, built or not.
        rate: Float in `[0, 1]`, 0 to switch the noise off, or a schedule; or a
            dictionary from patterns to these. A pattern is the name of a layer, a path
            like `"block_1/attention/dropout"` of names of layers or of attributes, the
            end of one, or a glob (`"*attention*"`). It applies to all noise within the
            layers that it names. If several patterns fit, the last one counts.

    Returns:
        The model.

    Raises:
        TypeError: A rate is neither a number nor a schedule, or a pattern is not a
            string.
        ValueError: A pattern fits no rate; a rate is out of the range of a layer; or a
            schedule is given to a layer that can only have a number. After an error
            nothing has changed.

    Warns:
        UserWarning: A rate has no effect, because the model was built without its
            noise; or it acts but is not saved, because the configuration of an outer
            layer does not contain it.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> attention = keras.layers.MultiHeadAttention(2, 4, name="attention")
        >>> inputs = keras.Input((5, 8))
        >>> model = keras.Model(inputs, attention(inputs, inputs))
        >>> model = kd.set_rates(model, {"attention": 0.1})
        >>> attention.get_config()["dropout"]
        0.1
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(invalid("model", "a Keras model or layer", model))
    rates = _checked(rate)
    places = [*find_places(model), *find_missing(model)]
    switches = find_switches(model, places)
    places += [switch.as_place() for switch in switches if not switch.governed]
    asked = _asked(places, rates)
    idle = [place for place in asked if place.kind == IDLE]
    idle = [place.path for place in idle if asked.pop(place)]
    lost = unsaved(model, asked, switches)
    is_compiled_in = _assign(asked)
    is_compiled_in |= _follow(switches, asked)
    if is_compiled_in:
        fuse_attention(model)
        forget_compiled(model)
    _warn(model, idle, lost)
    return model


def _checked(rate):
    """The rates by their patterns; a single one is of the pattern None."""
    rates = rate if isinstance(rate, dict) else {None: rate}
    for pattern, value in rates.items():
        if isinstance(rate, dict) and not isinstance(pattern, str):
            raise TypeError(invalid("rate", "patterns that are strings", pattern))
        if not isinstance(value, Schedule):
            _validation.non_negative("rate", value)
    return rates


def _asked(places, rates):
    """By place: the rate that it is asked to have."""
    asked = {}
    for pattern, value in rates.items():
        fitting = [
            place
            for place in places
            if (not place.on_demand if pattern is None else place.fits(pattern))
        ]
        if not fitting:
            known = ", ".join(place.path for place in places) or "none"
            expected = f"a pattern that fits one of the rates of the model: {known}"
            raise ValueError(invalid("rate", expected, pattern or value))
        asked.update(dict.fromkeys(fitting, value))
    fixed = [place.path for place, rate in asked.items() if _cannot_follow(place, rate)]
    if fixed:
        raise ValueError(
            f"These rates cannot follow a schedule, because their layers keep plain "
            f"numbers, or are built and contain other layers: {fixed}. Give them "
            f"numbers, with patterns in a dictionary, or use "
            f"`keras_dropout.callbacks.RateScheduler` for those of our layers"
        )
    return asked


def _cannot_follow(place, rate):
    holds = bool(_keras.sublayers(place.layer) or place.layer.weights)
    plain = place.kind == NUMBER or (holds and not _is_told(place, rate))
    return plain and (isinstance(rate, Schedule) or place.kind == LIVE)


def _is_told(place, rate):
    """Whether it is a live number, and stays one."""
    if place.kind != LIVE:
        return False
    is_number = not isinstance(place.layer.get_config()[place.attribute], dict)
    return is_number and not isinstance(rate, Schedule)


def _assign(asked):
    """Sets the rates; returns whether compiled functions do not know them.

    What may be refused comes first, and is undone then.
    """
    renewed, told = {}, []
    try:
        for place, rate in asked.items():
            if place.kind == NUMBER:
                _check_number(place, rate)
            elif _is_told(place, rate):
                told.append((place, getattr(place.layer, place.attribute)))
                setattr(place.layer, place.attribute, rate)
            else:
                renewed[place] = _renewed(place, rate)
    except (TypeError, ValueError):
        for place, before in told:
            setattr(place.layer, place.attribute, before)
        raise
    numbers = [place for place in asked if place.kind == NUMBER]
    for place in numbers:
        _set_number(place, float(asked[place]))
    for place, new in renewed.items():
        if place.kind == MISSING:
            place.put(new)
        else:
            turn(place.layer, new)
    return bool(numbers or renewed)


def _renewed(place, rate):
    """Our layer for this place, with its new rate."""
    layer = ours(place.layer)
    config = {**layer.get_config(), place.attribute: rate}
    if isinstance(layer.seed, keras.random.SeedGenerator):
        config["seed"] = layer.seed
    return type(layer).from_config(config)


def _check_number(place, rate):
    # Cells pass over a rate of 1.
    is_cell = hasattr(place.layer, "get_dropout_mask")
    check = _validation.probability_below_one if is_cell else _validation.probability
    check(place.attribute, rate)


def _set_number(place, rate):
    layer = place.layer
    setattr(layer, place.attribute, rate)
    if rate and place.attribute == "recurrent_dropout":
        # As cells do that are built with such a rate.
        layer.implementation = 1
    if draws_by_itself(layer) and getattr(layer, "seed_generator", None) is None:
        seed = getattr(layer, "seed", None)
        _keras.give(layer, "seed_generator", random.new_generator(seed))


def _follow(switches, asked):
    """Sets the attributes around the noise; returns whether any changed."""
    values = {switch: switch.after(asked) for switch in switches}
    changed = [each for each, value in values.items() if value != each.value]
    for switch in changed:
        setattr(switch.holder, switch.name, values[switch])
    return bool(changed)


def _warn(model, idle, lost):
    if idle:
        warnings.warn(
            f"These rates have no effect, because {model.name!r} was built without "
            f"noise for them: {idle}. Build it with a rate above 0, or insert noise "
            f"with `insert_dropout`.",
            stacklevel=3,
        )
    if lost:
        warnings.warn(
            f"These rates act, but are not saved with {model.name!r}, because the "
            f"configurations of the outer layers do not contain them: {lost}. Call "
            f"`set_rates` again after loading.",
            stacklevel=3,
        )
