"""Rates chosen by the likelihood of held-out data."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dropout import _model, _validation
from keras_dropout._typing import Model
from keras_dropout._validation import invalid
from keras_dropout.calibration.residuals import ResidualNoise
from keras_dropout.calibration.trials import RateTable, Trial
from keras_dropout.layers import NoiseLayer
from keras_dropout.sampling import inputs, kept, mc_predict
from keras_dropout.sampling.asked import sampler_of
from keras_dropout.sampling.evaluate import scored
from keras_dropout.sampling.settings import DENSITY
from keras_dropout.surgery import set_rates
from keras_dropout.surgery.places import LIVE, find_places
from keras_dropout.uncertainty import evaluate, scoring
from keras_dropout.uncertainty.evaluation import Evaluation
from keras_dropout.uncertainty.judging import without_noise

# At 1 nothing is left, and factors of 1 / (1 - rate) grow without bound before.
_LARGEST = 0.95
_STRENGTHS = ("rate", "stddev", "dropout", "recurrent_dropout")


def tune_rates(
    model: Model,
    x: Any,
    y: Any,
    *,
    layers: Any = None,
    factors: Sequence[float] = (0.25, 0.5, 1, 1.5, 2),
    refine: int = 0,
    samples: int = 50,
    seed: int = 0,
    outputs: Any = "auto",
    batch_size: int | None = None,
) -> RateTable:
    r"""Sets the rates of a trained model to those with the best held-out likelihood.

    It multiplies all rates by each factor in turn, and keeps the factor with the
    smallest held-out `nll` of the mixture of samples. The weights do not change, and
    all settings draw from the same seed. With `refine` each rate is then multiplied
    alone, one after the other, and changes that lower the `nll` are kept. The layers
    before the noise are computed once for all settings. Rates are at most 0.95. For
    plain values the likelihood needs a variance of the data noise. It is estimated from
    the residuals of each setting, as `ResidualNoise` does.

    Rates of our layers are live, so there is no recompile. Keras's layers are first
    replaced by ours, in place, as in `set_rates`. Rates that follow a schedule, and
    learned rates, do not change.

    Args:
        model: A Keras model that has noise.
        x: Arrays that the model was not trained on.
        y: Their labels or values, as `mc_evaluate` takes them.
        layers: Layers whose rates change: `None` for all, or a layer, the name of one,
            a class, a function of a layer, or a list of these.
        factors: Floats above 0, what to multiply the rates by.
        refine: Integer of at least 0, how many times to try all rates one by one.
        samples: Integer of at least 2, samples for each setting.
        seed: Integer in `[0, 2**31)`.
        outputs: What the outputs are, as in `mc_predict`.
        batch_size: As in `mc_predict`.

    Returns:
        A `RateTable` of all settings. The first row is the model without noise.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: There is no rate to tune, or an argument is out of its range. After
            an error the rates are as before.

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
    sweeps = _validation.integer("refine", refine, minimum=0)
    options = {"samples": samples, "seed": seed, "outputs": outputs}
    options["batch_size"] = batch_size
    before = _rates(model, layers)
    search = _Search(model, x, y, options)
    # A source may give other rows each time.
    keeping = contextlib.nullcontext() if inputs.is_source(x) else kept.features()
    try:
        with keeping:
            for factor in factors:
                rates = {path: _scaled(path, r, factor) for path, r in before.items()}
                search.attempt(factor, None, rates)
            for _ in range(sweeps):
                if not search.sweep(factors):
                    break
        set_rates(model, search.best[2])
    except BaseException:
        set_rates(model, before)
        raise
    return search.table(before)


class _Search:
    """Tries settings of the rates, and knows the best so far."""

    def __init__(self, model, x, y, options) -> None:
        self.given = model, x, y, options
        # Factor, path of the one rate that changed or `None`, all rates, `Score`.
        self.found = []
        self.baseline = None

    @property
    def best(self):
        return min(self.found, key=lambda each: each[3].value)

    def attempt(self, factor, changed, rates):
        """Scores one setting."""
        model, *data = self.given
        set_rates(model, rates)
        score, baseline = _scores(model, *data, has_baseline=not self.found)
        self.baseline = self.baseline or baseline
        self.found.append((factor, changed, rates, score))

    def sweep(self, factors):
        """Multiplies each rate alone, from the best setting. Whether one was better."""
        start = self.best
        for path in start[2]:
            rates = self.best[2]
            for factor in factors:
                rate = _scaled(path, rates[path], factor)
                if rate != rates[path]:
                    self.attempt(factor, path, {**rates, path: rate})
        return self.best is not start

    def table(self, before):
        best = self.best
        silent = 0.0, None, dict.fromkeys(before, 0.0), self.baseline
        trials = [_trial(each, best[3]) for each in (silent, *self.found)]
        return RateTable(trials, trials[1 + self.found.index(best)])


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


def _scores(model, x, y, options, *, has_baseline):
    """The likelihood with the noise on, and without it or `None`, as `Score`s."""
    found = _evaluation(model, x, y, options, has_baseline)
    several = [found] if isinstance(found, Evaluation) else _leaves(found)
    if any("nll" not in each for each in several):
        if len(several) > 1:
            raise ValueError(
                "A likelihood needs the noise of the data, which is estimated for "
                "models with one output only. Train the model for "
                "outputs='gaussian', or tune a model with one of its outputs"
            )
        several = [_with_noise(model, x, y, options, has_baseline)]
    score = _summed([each.score("nll") for each in several])
    if not has_baseline:
        return score, None
    return score, _summed([each.baseline.score("nll") for each in several])


def _evaluation(model, x, y, options, has_baseline):
    asked = dict(options)
    batch_size = asked.pop("batch_size")
    samples, seed = asked.pop("samples"), asked.pop("seed")
    sampler = sampler_of(model, samples, seed, batch_size, None, keep=DENSITY, **asked)
    return scored(sampler, x, y, batch_size=batch_size, has_baseline=has_baseline)


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


def _with_noise(model, x, y, options, has_baseline):
    """The evaluation with the noise of the data that the residuals tell."""
    prediction = mc_predict(model, x, verbose=0, return_samples=True, **options)
    noisy = ResidualNoise().fit(prediction, y).transform(prediction)
    if not has_baseline:
        return evaluate(noisy, y)
    quiet = without_noise(model.predict(x, verbose=0), "values", None, prediction.valid)
    return evaluate(noisy, y, baseline=ResidualNoise().fit(quiet, y).transform(quiet))


def _trial(found, best):
    factor, changed, rates, score = found
    return Trial(
        factor=factor,
        changed=changed,
        nll=score.value,
        error=score.error,
        above_best=score.value - best.value,
        above_best_error=scoring.standard_error(score.influence - best.influence),
        rates=rates,
    )
