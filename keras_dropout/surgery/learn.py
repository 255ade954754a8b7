"""Making the dropouts of a built model learn their rates."""

from __future__ import annotations

import warnings

import keras

from keras_dropout import _validation
from keras_dropout._model import select
from keras_dropout._typing import Model, Picks
from keras_dropout.layers import ConcreteDropout, GaussianNoise, NoiseLayer
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.chain import Chain
from keras_dropout.surgery.followers import CannotLearnError, calls_of, follower
from keras_dropout.surgery.graph import check_reach, rebuilt
from keras_dropout.surgery.places import find_places
from keras_dropout.surgery.twins import is_noise


def learn_rates(
    model: Model,
    *,
    layers: Picks = None,
    rate: float | None = None,
    weight_regularizer: float | Schedule = 1e-6,
    dropout_regularizer: float | Schedule = 1e-5,
    temperature: float = 0.1,
    hard: bool = False,
) -> keras.Model:
    """Makes the dropout layers of a built model learn their rates.

    Each dropout and the layer after it become a `ConcreteDropout` around that layer,
    with the name and the seed of the dropout. The learned rate starts at the rate of
    the dropout. Train the new model: the rates are weights like all others. The outputs
    at inference are the same, bit for bit, and `strip_dropout` removes the wrappers
    again.

    It uses dropouts of single units or of whole channels, ours or Keras's, that are
    directly before one layer with a kernel: `Dense`, `EinsumDense` or a convolution.
    The layer may be in another model, if the dropout is the end of a nested model or
    the layer is its start. Before a convolution, masks of units become masks of
    channels. All other dropouts do not change, and a warning names them with the
    reason: dropouts before an activation, a sum, a reshape, a recurrent layer or
    several layers, after the last layer, within attention and recurrent layers, before
    a kernel with a regularizer, frozen dropouts, and those that drop anything else,
    such as tokens or paths.

    Args:
        model: A Functional or Sequential model; models nested in it change too.
        layers: The dropouts that are to learn: `None` for all, or one or a list of
            names, paths, classes, layers, or functions of a layer. A layer means all
            dropouts within it. All of them must be able to learn.
        rate: Float in `(0, 1)`, the initial value of all rates. By default each starts
            at its current value. It is required for rates of 0 or 1 and for rates that
            follow a schedule.
        weight_regularizer: As in `ConcreteDropout`. For both strengths pass
            `**losses.kl_weights(rows, ...)`.
        dropout_regularizer: As in `ConcreteDropout`.
        temperature: As in `ConcreteDropout`.
        hard: As in `ConcreteDropout`.

    Returns:
        A new model that shares the weights of `model` and has one more weight for each
        rate. If `model` is compiled, so is the new model, with its own optimizer.

    Raises:
        TypeError: `model` is subclassed, or an argument is of the wrong kind.
        ValueError: No dropout can learn its rate, or not all of those in `layers` can;
            or an argument is out of its range.

    Warns:
        UserWarning: Some dropouts keep their rates, each with the reason.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((8,)),
        ...         keras.layers.Dense(16, activation="relu"),
        ...         keras.layers.Dropout(0.5, name="drop"),
        ...         keras.layers.Dense(3),
        ...     ]
        ... )
        >>> learned = kd.learn_rates(model, **kd.losses.kl_weights(1000))
        >>> learned.get_layer("drop").rate
        0.5
        >>> len(learned.weights) - len(model.weights)
        1

    References:
        - Gal, Hron and Kendall, 2017, [Concrete
          Dropout](https://arxiv.org/abs/1705.07832)
    """
    check_reach(model)
    start = None if rate is None else _validation.probability("rate", rate)
    places = _dropouts(model)
    if layers is not None:
        ids = {id(place.layer) for place in places}
        picked = select(model, layers, lambda each: id(each) in ids, "a dropout")
        places = [place for place in places if place.layer in picked]
    options = {
        "weight_regularizer": weight_regularizer,
        "dropout_regularizer": dropout_regularizer,
        "temperature": temperature,
        "hard": hard,
    }
    calls, chains, kept = calls_of(model), {}, {}
    for place in places:
        try:
            after = follower(place.layer, calls)
            value = _start(place) if start is None else start
        except CannotLearnError as reason:
            name = place.names[0] if is_noise(place.layer) else place.path
            kept[name] = str(reason)
            continue
        chains[id(place.layer)] = Chain(place.layer, None)
        wrapper = _learned(place.layer, after, value, options)
        chains[id(after)] = Chain(after, wrapper)
    _tell(model, kept, needs_all=layers is not None, found=bool(chains))
    return rebuilt(model, lambda layer: chains.get(id(layer), Chain(layer, layer)))


def _dropouts(model):
    """The places of all dropouts that do not learn their rates yet."""
    found = []
    for place in find_places(model):
        layer = place.layer
        known = any(layer is each.layer for each in found)
        if isinstance(layer, (GaussianNoise, keras.layers.GaussianNoise)):
            continue
        if not is_noise(layer):
            # What draws by itself does so where its rate is not 0.
            found += [place] if place.rate else []
        elif not known and all(each.kind != "learned" for each in _sources(layer)):
            found.append(place)
    return found


def _sources(layer):
    """What is behind the live values of a layer, if it is one of ours."""
    if not isinstance(layer, NoiseLayer):
        return ()
    return layer.noise_state.sources.values()


def _start(place):
    """Where a learned rate starts that takes the place of this one."""
    if any(each.kind == "schedule" for each in _sources(place.layer)):
        raise CannotLearnError(
            "it follows a schedule: pass `rate`, where it is to start"
        )
    if not 0 < place.rate < 1:
        raise CannotLearnError(
            f"its rate is {place.rate:g}, from where none is learned: pass `rate`, "
            "where it is to start"
        )
    return place.rate


def _learned(dropout, layer, rate, options):
    return ConcreteDropout(
        layer,
        rate,
        seed=dropout.seed,
        monte_carlo=getattr(dropout, "monte_carlo", False),
        name=dropout.name,
        **options,
    )


def _tell(model, kept, *, needs_all, found):
    """Says which dropouts keep their rates, and why."""
    reasons = "".join(f"\n- {path!r}: {reason}" for path, reason in kept.items())
    if not found or (needs_all and kept):
        raise ValueError(
            f"A dropout with a learned rate must be directly before one layer with a "
            f"kernel. Move it there, or leave it out with `layers`. "
            f"Received: model={model.name!r}, "
            + (f"in which these cannot:{reasons}" if kept else "which has no dropout")
        )
    if kept:
        warnings.warn(
            f"These dropouts of {model.name!r} keep their rates:{reasons}",
            stacklevel=3,
        )
