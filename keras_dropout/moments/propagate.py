"""One pass of mean and variance through a model."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout._typing import Data, Model, Outputs
from keras_dropout._validation import integer, invalid
from keras_dropout.moments.passing import pass_of
from keras_dropout.sampling import inputs
from keras_dropout.sampling import outputs as kinds
from keras_dropout.sampling.weights import held
from keras_dropout.uncertainty.prediction import Prediction

_BATCH = 256


def propagate_moments(
    model: Model,
    x: Data,
    batch_size: int | None = None,
    *,
    outputs: Outputs = "auto",
) -> Prediction | Any:
    r"""Computes mean and variance of a model's outputs under its noise, in one pass.

    Each layer turns the mean and the variance of its inputs into those of its outputs,
    under all of the model's noise. So the model runs once, while `mc_predict` runs it
    `samples` times, and there is no Monte Carlo error.

    It is *exact* if the noise is directly before a linear last layer, and in general if
    no nonlinear function and no second sum follows the noise. Otherwise two things are
    assumed: units are normal before an activation, and independent in a sum. If units
    are correlated, the variance is too small or too large. `Prediction.exact` says
    whether the result is exact. If not, compare it with `mc_predict` once before you
    rely on it.

    Layers before the noise are called as usual, so they may be of any kind. Moments are
    computed in float32 under every dtype policy.

    Args:
        model: A Functional or Sequential model of layers with rules: dense and
            convolutional layers, activations, pooling, normalisation, joins, changes of
            shape, and noise layers. For your own layers see
            `keras_dropout.moments.rule`.
        x: As in `mc_predict`.
        batch_size: Integer, rows of `x` at a time, where `x` is arrays. `None` takes
            256.
        outputs: What the outputs are, as in `mc_predict`: `"logits"` are put through a
            softmax, by log odds, and a single logit through a sigmoid. `"gaussian"`
            means a mean and a log variance, as two outputs or as the halves of the last
            axis. `"auto"` looks at the end of the model, and uses `"values"` if it
            finds nothing.

    Returns:
        A `Prediction`, or a list or dict of them in the structure of the model's
        outputs. It has no samples and no votes.

    Raises:
        TypeError: `model` is not a model, or an argument of the wrong kind.
        ValueError: `model` is not a graph of layers, has no noise, or has a layer
            without a rule. The message names the layer.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dense(8, activation="relu"),
        ...         kd.layers.Dropout(0.5),
        ...         keras.layers.Dense(2),
        ...     ]
        ... )
        >>> prediction = kd.propagate_moments(model, np.ones((5, 4), "float32"))
        >>> prediction.exact, prediction.std.shape
        (True, (5, 2))

    References:
        - Wang and Manning, 2013, [Fast dropout
          training](https://proceedings.mlr.press/v28/wang13a.html)
        - Gast and Roth, 2018, [Lightweight Probabilistic Deep
          Networks](https://arxiv.org/abs/1805.11327)
        - Postels et al., 2019, [Sampling-free Epistemic Uncertainty Estimation Using
          Approximated Variance Propagation](https://arxiv.org/abs/1908.00598)
    """
    model = _model_within(model)
    kinds.check(outputs)
    if not inputs.is_source(x):
        x = inputs.arrays(x)
    size = _BATCH
    if batch_size is not None:
        size = integer("batch_size", batch_size, minimum=1)
    done = []
    for batch, _, _ in inputs.batches(x, size, None, lambda batch: None):
        if not done:
            passing = held([model], pass_of, model, outputs, batch)
        done.append(held([model], passing.batch, batch))
    return passing.predictions(done)


def _model_within(model):
    """The model that a trainer of several passes trains."""
    while getattr(model, "is_trainer", False):
        model = model.model
    if not isinstance(model, keras.Model):
        raise TypeError(invalid("model", "a Keras model", model))
    return model
