"""Rates chosen by what held-out data say of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout import _model, _validation
from keras_dropout._typing import Model
from keras_dropout._validation import invalid
from keras_dropout.calibration.residuals import ResidualNoise
from keras_dropout.layers import NoiseLayer
from keras_dropout.sampling import mc_evaluate, mc_predict
from keras_dropout.surgery import set_rates
from keras_dropout.surgery.places import LIVE, find_places
from keras_dropout.uncertainty import evaluate, scoring
from keras_dropout.uncertainty.evaluation import Evaluation
from keras_dropout.uncertainty.judging import without_noise

# At 1 nothing is left, and factors of 1 / (1 - rate) grow without bound before.
_LARGEST = 0.95
_STRENGTHS = ("rate", "stddev", "dropout", "recurrent_dropout")


@dataclasses.dataclass(frozen=True)
class Trial:
    """One setting of the rates.

    Attributes:
        factor: What the rates were multiplied by; 0 for the model without noise.
        nll: Held-out negative log-likelihood in nats, summed over outputs.
        error: Its standard error over rows.
        above_best: How much larger it is than that of the best factor.
        above_best_error: The standard error of that difference, on the same rows.
        rates: The rates by the paths of their layers.
    """

    factor: float
    nll: float
    error: float
    above_best: float
    above_best_error: float
    rates: dict[str, float]


class RateTable(Sequence[Trial]):
    """What `tune_rates` saw: a `Trial` for each factor, and one without noise first.

    Attributes:
        best: The `Trial` that was set.
        baseline: The `Trial` of the model without noise, of factor 0.
    """

    def __init__(self, trials: Sequence[Trial], best: Trial) -> None:
        self._trials = tuple(trials)
        self.best: Trial = best
        self.baseline: Trial = self._trials[0]

    def __getitem__(self, place: Any) -> Any:
        return self._trials[place]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        lines = ["  factor           nll        above best"]
        for trial in self:
            mark = " *" if trial is self.best else ""
            name = "no noise" if trial is self.baseline else f"{trial.factor:g}"
            nll = f"{trial.nll:.4f} ± {trial.error:.4f}"
            above = f"{trial.above_best:+.4f} ± {trial.above_best_error:.4f}"
            lines.append(f"{name:>8}  {nll:>18}  {above}{mark}")
        return "\n".join(lines)


def tune_rates(
    model: Model,
    x: Any,
    y: Any,
    *,
    layers: Any = None,
    factors: Sequence[float] = (0.25, 0.5, 1, 1.5, 2),
    samples: int = 50,
    seed: int = 0,
    outputs: Any = "auto",
    batch_size: int | None = None,
) -> RateTable:
    r"""Sets the rates of a trained model to those with the best held-out likelihood.

    All rates are multiplied by one factor, for each factor in turn, and the factor with
    the smallest held-out `nll` of the mixture of samples stays. Weights stay as they
    are, and all factors draw from the same seed. Rates are at most 0.95. Of plain
    values the variance of the data's noise is taken from the residuals of each setting,
    as `ResidualNoise` does, since nothing else tells the likelihood.

    Our layers' rates are live, so nothing compiles anew. Keras's layers become ours
    first, in place, as with `set_rates`. Rates on a schedule, and learned ones, stay.

    Args:
        model: A Keras model that has noise.
        x: Arrays that the model was not trained on.
        y: Their labels or values, as `mc_evaluate` takes them.
        layers: Layers whose rates change: `None` for all, or a layer, the name of one,
            a class, a function of a layer, or a list of these.
        factors: Floats above 0, what to multiply the rates by.
        samples: Integer of at least 2, samples for each factor.
        seed: Integer in `[0, 2**31)`.
        outputs: What the outputs are, as in `mc_predict`.
        batch_size: As in `mc_predict`.

    Returns:
        A `RateTable` of what it saw, with the model without noise as the first row.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: There is no rate to tune, or an argument is out of its range. Then,
            and after every other error, the rates are as before.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         kd.layers.Dropout(0.5),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> x, y = np.eye(4, dtype="float32"), np.array([0, 1, 2, 0])
        >>> table = kd.calibration.tune_rates(model, x, y, factors=(0.5, 1), samples=10)
        >>> model.layers[0].rate == table.best.rates["dropout/rate"]
        True
    """
    if not isinstance(model, keras.Model):
        raise TypeError(invalid("model", "a Keras model", model))
    factors = [_validation.positive("factors", each) for each in np.ravel(factors)]
    if not factors:
        raise ValueError(invalid("factors", "one number or more", factors))
    options = {"samples": samples, "seed": seed, "outputs": outputs}
    options["batch_size"] = batch_size
    before = _rates(model, layers)
    found = []
    try:
        for factor in factors:
            rates = {path: _scaled(path, rate, factor) for path, rate in before.items()}
            set_rates(model, rates)
            found.append((factor, rates, *_scores(model, x, y, options)))
        best = min(found, key=lambda each: each[2].value)
        set_rates(model, best[1])
    except BaseException:
        set_rates(model, before)
        raise
    silent = dict.fromkeys(before, 0.0)
    trials = [_trial(0.0, silent, found[0][3], best[2])]
    trials += [_trial(*each[:3], best[2]) for each in found]
    return RateTable(trials, trials[1 + found.index(best)])


def _rates(model, layers):
    """By path the rates that are to change; what is named more closely comes last."""
    places = [
        place
        for place in find_places(model)
        if place.attribute in _STRENGTHS and _is_number(place) and place.rate > 0
    ]
    ids = {id(place.layer) for place in places}
    if not places:
        raise ValueError(
            "`model` must have a rate above 0 that is a number, to be tuned. Received: "
            f"model={model.name!r} without one"
        )
    if layers is not None:
        picked = _model.select(
            model, layers, lambda layer: id(layer) in ids, "a rate above 0"
        )
        ids = {id(layer) for layer in picked}
    chosen = [place for place in places if id(place.layer) in ids]
    chosen.sort(key=lambda place: place.path.count("/"))
    return {place.path: float(place.rate) for place in chosen}


def _is_number(place):
    layer = place.layer
    if place.kind != LIVE or not isinstance(layer, NoiseLayer):
        return True
    return layer.source(place.attribute).kind == "number"


def _scaled(path, rate, factor):
    scaled = rate * factor
    # A deviation has no upper end; a rate that is larger already stays.
    return scaled if path.endswith("stddev") else min(scaled, max(_LARGEST, rate))


def _scores(model, x, y, options):
    """The likelihood with the noise on and without it, as two `Score`s."""
    found = mc_evaluate(model, x, y, verbose=0, **options)
    several = [found] if isinstance(found, Evaluation) else _leaves(found)
    if any("nll" not in each for each in several):
        if len(several) > 1:
            raise ValueError(
                "A likelihood needs the noise of the data, which is estimated for "
                "models with one output only. Train the model for "
                "outputs='gaussian', or tune a model with one of its outputs"
            )
        several = [_with_noise(model, x, y, options)]
    both = several, [each.baseline for each in several]
    return tuple(_summed([each.score("nll") for each in side]) for side in both)


def _leaves(found):
    """The evaluations in a structure; an `Evaluation` is a mapping itself."""
    if isinstance(found, Evaluation):
        return [found]
    parts = found.values() if isinstance(found, dict) else found
    return [leaf for part in parts for leaf in _leaves(part)]


def _summed(scores):
    """The sum over outputs, all of the same rows."""
    total = math.fsum(score.value for score in scores)
    return scoring.Score(total, np.sum([score.influence for score in scores], axis=0))


def _with_noise(model, x, y, options):
    """The evaluation with the noise of the data that the residuals tell."""
    prediction = mc_predict(model, x, verbose=0, return_samples=True, **options)
    quiet = without_noise(model.predict(x, verbose=0), "values", None, prediction.valid)
    told = [
        ResidualNoise().fit(each, y).transform(each) for each in (prediction, quiet)
    ]
    return evaluate(told[0], y, baseline=told[1])


def _trial(factor, rates, score, best):
    return Trial(
        factor=factor,
        nll=score.value,
        error=score.error,
        above_best=score.value - best.value,
        above_best_error=scoring.standard_error(score.influence - best.influence),
        rates=rates,
    )
