"""Rows one by one, by an uncertainty of each."""

from __future__ import annotations

import random
from typing import Literal

import numpy as np

from keras_dropout import _validation
from keras_dropout.uncertainty import Prediction
from keras_dropout.uncertainty.measures import of_rows

Method = Literal[
    "mutual_information", "entropy", "margin", "variation_ratio", "std", "random"
]
METHODS = (
    "mutual_information",
    "entropy",
    "margin",
    "variation_ratio",
    "std",
    "random",
)


def select(
    prediction: Prediction,
    k: int,
    method: Method = "mutual_information",
    *,
    power: float | None = None,
    seed: int | None = None,
) -> np.ndarray:
    r"""The positions of the `k` rows to label next, the most uncertain first.

    - `"mutual_information"`: information of the noise about the class (*BALD*), in
      nats. It is high if the samples disagree, but not if the classes only overlap.
    - `"entropy"`: of the mean probabilities, in nats.
    - `"margin"`: the largest mean probability less the second, smallest first.
    - `"variation_ratio"`: the fraction of samples that do not vote for the winner.
    - `"std"`: the standard deviation, for values too; over classes and outputs its
      mean.
    - `"random"`: the baseline that the others must beat.

    If a row has several steps, pixels or outputs, their mean is used, without masked
    steps. Of equal rows the first comes first. Rows with NaN come last.

    Similar rows have similar uncertainties, so the `k` best rows may be redundant. With
    `power` $\beta$ the rows are drawn instead, without replacement, with probabilities
    $\propto u_i^\beta$ of their uncertainty $u_i$ (for `"margin"`, one minus the
    margin). They are the largest `k` of $\beta \log u_i + G_i$ with Gumbel noise $G_i$.
    [batch_bald][keras_dropout.acquisition.batch_bald] computes the information of a
    whole batch.

    Args:
        prediction: A `Prediction` of the rows that have no label.
        k: Integer from 1 to the number of rows, how many to choose.
        method: Which uncertainty.
        power: Float above 0, the power $\beta$, or `None` for the best `k`. Start with
            1. Larger powers come closer to the best `k`.
        seed: Integer in `[0, 2**31)` for what is drawn, or `None` for another each
            time, which `keras.utils.set_random_seed` makes repeat.

    Returns:
        Integer array `(k,)`, positions of rows, each once.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `k` exceeds the number of rows, an argument is out of its range, the
            method needs class probabilities, or `power` is given for `"random"`.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((4,)),
        ...         keras.layers.Dropout(0.5),
        ...         keras.layers.Dense(3, activation="softmax"),
        ...     ]
        ... )
        >>> pool = np.array([[0, 0, 0, 0], [1, 2, -1, 3]], "float32")
        >>> prediction = kd.mc_predict(model, pool, samples=20, seed=0)
        >>> kd.acquisition.select(prediction, 1).tolist()
        [1]

    References:
        - Houlsby et al., 2011, [Bayesian Active Learning for Classification and
          Preference Learning](https://arxiv.org/abs/1112.5745)
        - Gal, Islam and Ghahramani, 2017, [Deep Bayesian Active Learning with Image
          Data](https://arxiv.org/abs/1703.02910)
        - Kirsch et al., 2021, [Stochastic Batch Acquisition: A Simple Baseline for Deep
          Active Learning](https://arxiv.org/abs/2106.12059), for `power`
    """
    k = rows_wanted(prediction, k)
    _validation.choice("method", method, METHODS)
    generator = np.random.default_rng(_seed(seed))
    if method == "random":
        if power is not None:
            expected = "None for method='random', which has no uncertainty to weigh"
            raise ValueError(_validation.invalid("power", expected, power))
        return generator.permutation(len(prediction))[:k]
    score = of_rows(prediction, method, "method")
    if power is not None:
        power = _validation.positive("power", power)
        with np.errstate(divide="ignore"):
            score = power * np.log(np.maximum(score, 0))
        score = score + generator.gumbel(size=len(score))
    # Sorting puts what is no number last.
    return np.argsort(-score, kind="stable")[:k]


def rows_wanted(prediction: Prediction, k: int) -> int:
    """`k` as an int, if there are so many rows."""
    if not isinstance(prediction, Prediction):
        expected = "a `Prediction`, as `mc_predict` returns for a model of one output"
        raise TypeError(_validation.invalid("prediction", expected, prediction))
    k = _validation.integer("k", k, minimum=1)
    if k > len(prediction):
        expected = f"at most the {len(prediction)} rows of the prediction"
        raise ValueError(_validation.invalid("k", expected, k))
    return k


def _seed(seed):
    if seed is None:
        # Python's own numbers, which `keras.utils.set_random_seed` seeds.
        return random.randrange(1 << 31)
    expected = "an integer in [0, 2**31) or None"
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise TypeError(_validation.invalid("seed", expected, seed))
    return _validation.seed(seed)
