"""Dropout on the low-rank branch of layers with LoRA."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import keras

from keras_dropout import _model, _validation
from keras_dropout._layers._base.options import Rate
from keras_dropout._layers.weights import _lora, _low_rank
from keras_dropout._layers.weights._lora_rate import LearnedBranchRate
from keras_dropout._typing import ModelT, Picks
from keras_dropout._validation import invalid
from keras_dropout.constraints.saved import saved
from keras_dropout.schedules import Schedule
from keras_dropout.surgery.in_place import forget_compiled
from keras_dropout.surgery.places import LIVE, Place, walk


def lora_dropout(
    model: ModelT,
    rate: Rate | Mapping[str, Rate],
    *,
    layers: Picks = None,
    mode: Literal["input", "weights"] = "input",
    learn: bool = False,
    weight_regularizer: float = 1e-6,
    dropout_regularizer: float = 1e-5,
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

    For an `Embedding`, the branch is dropped for whole tokens. With `mode="weights"`
    rows of $A$ and columns of $B$ are dropped, the same ones for all rows of a batch.
    The rank stays the same. With $d = \frac{\alpha}{r} (A B)^\top x$

    $$\mathrm{Var}[y_j] = \frac{1}{1 - p} \left(d_j^2 + \frac{p}{1 - p}
    \left(\frac{\alpha}{r}\right)^2 \sum_i x_i^2\, (A B)_{ij}^2\right) - d_j^2.$$

    These are the masks of Lin et al., who average such samples at inference, as
    `mc_predict` does. Kept rows and columns are scaled by $1 / (1 - p)$, so that
    inference without noise has the right mean.

    The layers stay where they are, also within attention and your own layers, and keep
    their weights. At inference the output does not change, bit for bit. The rates are
    live. `mc_predict` samples the noise. Before training $B$ is 0, so there is no noise
    yet. Quantized layers work too. `strip_dropout` removes the noise from a model. A
    saved model contains $W$, $A$ and $B$, and the merged kernel where Keras's own
    layers look for it.

    With `learn=True` each layer has one more weight, the logit of its rate. Training
    learns it as in `ConcreteDropout`: masks are relaxed, and the loss gains

    $$\lambda_A \frac{\lVert A \rVert^2}{1 - p} - \lambda_p K H(p), \qquad
    H(p) = -p \log p - (1 - p) \log(1 - p),$$

    for the $K$ inputs of the branch, once for each layer, even if it is called several
    times. Compile the model afterwards, because an optimizer only knows the weights
    that it was built for. Before a convolution these masks drop whole channels.

    Args:
        model: A Keras model or layer of any kind, in which LoRA is enabled.
        rate: Float in `[0, 1]`, the probability $p$, or a schedule; or a dictionary
            from patterns to these, as `set_rates` takes them: names, paths or globs. If
            several fit, the last one counts. Layers that no pattern fits do not change.
        layers: `None` for all layers with LoRA; or one or a list of patterns, classes,
            layers, or functions from a layer to True or False. A layer means all layers
            within it, too.
        mode: `"input"` or `"weights"`.
        learn: Boolean, whether the rates are learned. They start at `rate`, which must
            be in `(0, 1)`. Only with `mode="input"`.
        weight_regularizer: Float of at least 0, the strength $\lambda_A$. For both pass
            `**losses.kl_weights(rows, ...)`.
        dropout_regularizer: Float of at least 0, the strength $\lambda_p$.

    Returns:
        The model.

    Raises:
        TypeError: `model` is not a layer, a rate is neither a number nor a schedule, or
            LoRA is enabled on a layer of an unsupported class.
        ValueError: No layer has LoRA, a pattern fits no layer with LoRA, a rate is out
            of range, or `learn=True` is used with `mode="weights"`. After an error
            nothing has changed.

    Warns:
        UserWarning: LoRA and its dropout act on a layer, but are not saved, because the
            configuration of an outer layer does not contain them.

    Examples:
        >>> import keras
        >>> import keras_dropout as kd
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model.layers[0].enable_lora(rank=2)
        >>> model = kd.lora_dropout(model, 0.1)
        >>> model.layers[0].rate
        0.1
        >>> strengths = kd.losses.kl_weights(500)
        >>> model = kd.lora_dropout(model, 0.1, learn=True, **strengths)
        >>> [weight.name for weight in model.trainable_weights]
        ['bias', 'lora_kernel_a', 'lora_kernel_b', 'rate_logit']

    References:
        - Gal, Hron and Kendall, 2017, [Concrete
          Dropout](https://arxiv.org/abs/1705.07832), for `learn=True`
        - Hu et al., 2021, [LoRA: Low-Rank Adaptation of Large Language
          Models](https://arxiv.org/abs/2106.09685), whose code drops inputs
        - Lin et al., 2024, [LoRA Dropout as a Sparsity Regularizer for Overfitting
          Control](https://arxiv.org/abs/2404.09610), for `mode="weights"`
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(invalid("model", "a Keras model or layer", model))
    _validation.choice("mode", mode, _lora.MODES)
    strengths = _strengths(learn, mode, weight_regularizer, dropout_regularizer)
    places = _picked(_enabled(model), layers)
    asked = _asked(places, rate)
    for place in asked:
        _low_rank.require_known(place.layer, mode)
    # What a rate may be depends on the precision of the layer.
    for place, value in asked.items():
        _check(value, place.layer.compute_dtype, strengths)
    new = [place for place in asked if not _lora.is_adapted(place.layer)]
    renewed = [
        _set(place.layer, value, mode, strengths) for place, value in asked.items()
    ]
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


def _strengths(learn, mode, weight_regularizer, dropout_regularizer):
    """The strengths of the penalties of learned rates, or `None`."""
    if not _validation.boolean("learn", learn):
        return None
    if mode != "input":
        raise ValueError(
            "Rates are learned with mode='input' only: one mask of rows and columns "
            "for a whole batch says too little of its rate. Received: learn=True, "
            f"mode={mode!r}"
        )
    return (
        _validation.weight("weight_regularizer", weight_regularizer),
        _validation.weight("dropout_regularizer", dropout_regularizer),
    )


def _check(rate, dtype, strengths):
    if strengths is not None:
        _validation.probability("rate", rate)
        if not 0 < rate < 1:
            expected = "a number between 0 and 1, not at an end, since it is learned"
            raise ValueError(invalid("rate", expected, rate))
        return
    extremes = rate.extremes() if isinstance(rate, Schedule) else (rate,)
    for value in extremes:
        _validation.drop_rate("rate", value, dtype)


def _set(layer, rate, mode, strengths):
    """Sets the dropout of one layer; returns whether compiled functions lack it."""
    if _lora.is_adapted(layer) and layer.mode == mode:
        source = layer.source("rate")
        if _is_as_asked(source, strengths) and not isinstance(rate, Schedule):
            layer.rate = rate
            return False
    if strengths is not None:
        rate = LearnedBranchRate(rate, *strengths)
    _lora.adapt(layer, rate, mode)
    return True


def _is_as_asked(source, strengths):
    """Whether a rate is a number, or learned with these strengths, as it is to be."""
    if strengths is None:
        return source.kind == "number"
    return source.kind == "learned" and source.strengths == strengths


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
