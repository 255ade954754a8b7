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
    r"""Carries mean and variance of the noise through a model, in one pass.

    Each layer turns the mean and the variance of its inputs into those of its outputs,
    under all of the model's noise. So a model is asked once where `mc_predict` asks it
    `samples` times, and there is no Monte Carlo error.

    It is *exact* where the noise is dropped just before a last linear layer, and
    wherever no nonlinear function and no second sum follows. Elsewhere two things are
    assumed: units are normal before an activation, and independent wherever they are
    summed up. Correlated units make the variance too small or too large. The result
    says which it is, in `Prediction.exact`. Compare with `mc_predict` once for a model
    before you rely on it.

    What no noise reaches is computed as it is, whatever its layers. Moments are
    computed in float32 under every policy.

    Args:
        model: A Functional or Sequential model, of layers that there are rules for:
            dense and convolutional layers, activations, pooling, normalisation, joins,
            changes of shape, and noise layers. See `keras_dropout.moments.rule` for
            layers of your own.
        x: As in `mc_predict`.
        batch_size: Integer, rows of `x` at a time, where `x` is arrays. `None` takes
            256.
        outputs: What the outputs are, as in `mc_predict`: `"logits"` are put through
            the softmax, by log odds; `"gaussian"` has a mean and a log variance
            as two outputs, or as the halves of the last axis. `"auto"` reads it from
            how the model ends, and takes for values what cannot be read.

    Returns:
        A `Prediction`, or a list or dict of them as the model's outputs are. There are
        no samples and no votes in it.

    Raises:
        TypeError: `model` is not a model, or an argument of the wrong kind.
        ValueError: `model` is not a graph of layers, has no noise, or has a layer
            without a rule, which the message names.

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
