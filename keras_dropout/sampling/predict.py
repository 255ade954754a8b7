"""Monte Carlo prediction with any Keras model."""

from __future__ import annotations

from typing import Any, Literal

from keras_dropout._typing import Data, Masks, Models, Outputs, Picks
from keras_dropout.sampling.asked import sampler_of
from keras_dropout.uncertainty.prediction import Prediction


def mc_predict(
    model: Models,
    x: Data,
    samples: int = 50,
    batch_size: int | None = None,
    seed: int | None = None,
    *,
    masks: Masks = "independent",
    layers: Picks = None,
    outputs: Outputs = "auto",
    return_samples: bool = False,
    tol: float | None = None,
    max_rows: int | None = None,
    steps: int | None = None,
    part: int = 0,
    verbose: int | Literal["auto"] = "auto",
) -> Prediction | Any:
    r"""Predicts many times with the model's noise on, and summarises the samples.

    $$\bar y = \frac1T \sum_{t=1}^{T} f(x; m_t)$$

    where $m_t$ is the noise of sample $t$. Only noise is switched on, and only for the
    calling thread. Batch normalisation stays in inference mode, and the model does not
    change. Layers before the noise are computed once.

    Args:
        model: Any Keras model, or a list of models with outputs of one shape, whose
            samples are pooled.
        x: Array, list or dict of arrays (also data frames of pandas and polars, sparse
            matrices of SciPy, columns of a Hugging Face dataset; strings on
            TensorFlow), or a `tf.data.Dataset`, torch `DataLoader`,
            `keras.utils.PyDataset`, or an iterator of batches. From batches `(x, y)`
            only `x` is used.
        samples: Integer of at least 2, the number $T$ of samples. For a list of models,
            the number for each, at least 1.
        batch_size: Integer, rows of `x` at a time, where `x` is arrays. `None` takes 32
            to 256, depending on the width of the model.
        seed: Integer in `[0, 2**31)`, or `None` for a new seed in each call. These new
            seeds repeat after `keras.utils.set_random_seed`.
        masks: `"independent"`, new noise for each row and sample; `"shared"`, the same
            noise for all rows and batches, so that each sample is one function;
            `"antithetic"` (an even number of samples) or `"stratified"`, which give
            means with less variance. A stratified call computes at least ten samples of
            its rows, so batches of wide maps have fewer rows. Your own layers that draw
            their own numbers are independent in the last two, and raise an error with
            `"shared"`.
        layers: Which noise is on: `None` for all, or names, classes, layers, or
            functions from a layer to True or False, or a list of these. Layers with
            `monte_carlo=True` are always on. Layers that augment data never are.
        outputs: What the outputs are. `"auto"` looks at the end of the model: softmax
            means `"probabilities"`, sigmoid `"binary"`. If neither is found, it looks
            at the outputs of the first rows without noise: several numbers that sum to
            one mean `"probabilities"`, anything else `"values"`. `"logits"` are put
            through a softmax; a single logit is put through a sigmoid, and gives a
            prediction of kind `"binary"`. `"gaussian"` means a mean and a log variance,
            as two outputs (with the keys `"mean"` and `"log_variance"` in a dictionary)
            or as the halves of the last axis. For several outputs, a list in their
            order or a dictionary by their names. If you pass a kind, the classes must
            be on the last axis.
        return_samples: Boolean. Whether to keep all samples, for quantiles.
        tol: Float, or `None`. Sampling of a batch stops once the largest standard error
            of its means is below `tol`. Then `samples` is the maximum.
        max_rows: Integer, the largest number of rows times samples to compute in one
            call. `None` takes up to 5120, so that the widest tensor fits into the cache
            of a CPU, or ten times the rows of a batch for stratified masks.
        steps: Integer of at least 1, how many batches to take, or `None` for all.
        part: Integer of at least 0, the number of this part of the data. Calls with the
            same seed and different parts draw different noise. Shared masks are the
            same in all parts.
        verbose: 0 for silence, 1 for a progress bar, `"auto"` for one if it takes long.

    Returns:
        A `Prediction`, or a list or dict of them in the structure of the model's
        outputs.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: `model` is an empty list, or has no noise, or all of its noise has
            rate 0, or its `call` does not use the noise; `layers` fits no layer; `x` is
            empty or does not fit the model; an argument is out of its range.

    With one `seed`, the result repeats for the same number of rows, `batch_size` and
    `max_rows`. Shared masks do not depend on these: sample $t$ is the same function in
    every call.

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
        >>> x = np.ones((5, 4), "float32")
        >>> prediction = kd.mc_predict(model, x, samples=20, seed=0)
        >>> prediction.mean.shape, prediction.active
        ((5, 3), ('dropout',))
        >>> bool((prediction.mutual_information > 0).all())
        True

    References:
        - Gal and Ghahramani, 2016, [Dropout as a Bayesian
          Approximation](https://arxiv.org/abs/1506.02142)
        - Brosse et al., 2020, [On Last-Layer Algorithms for
          Classification](https://arxiv.org/abs/2001.08049), for computing the prefix
          once
    """
    sampler = sampler_of(
        model,
        samples,
        seed,
        batch_size,
        steps,
        masks=masks,
        layers=layers,
        outputs=outputs,
        max_rows=max_rows,
        keep=return_samples,
        tol=tol,
        part=part,
    )
    return sampler.run(x, batch_size, steps, verbose)
