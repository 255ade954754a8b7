"""Makes the sampler of a public function, and checks its arguments, once for all."""

from __future__ import annotations

from typing import Any

import keras

from keras_dropout import _validation
from keras_dropout._typing import Models
from keras_dropout.random.seeding import new_seed
from keras_dropout.sampling.sampler import Sampler
from keras_dropout.sampling.settings import Settings


def sampler_of(
    model: Models,
    samples: int,
    seed: int | None,
    batch_size: int | None,
    steps: int | None,
    **options: Any,
) -> Sampler:
    """A `Sampler` for one model or a list of models; arguments as in `mc_predict`."""
    models = list(model) if isinstance(model, (list, tuple)) else [model]
    single = len(models) == 1
    if not models:
        expected = "a Keras model or a list of at least one Keras model"
        raise ValueError(_validation.invalid("model", expected, model))
    for each in models:
        if not isinstance(each, keras.Model):
            expected = "a Keras model or a list of Keras models"
            raise TypeError(_validation.invalid("model", expected, each))
    if batch_size is not None:
        _validation.integer("batch_size", batch_size, minimum=1)
    if steps is not None:
        _validation.integer("steps", steps, minimum=1)
    settings = Settings(
        samples=_validation.integer("samples", samples, minimum=2 if single else 1),
        seed=_seed(seed),
        **options,
    )
    return Sampler(models, settings)


def _seed(seed):
    if seed is None:
        return new_seed()
    if isinstance(seed, keras.random.SeedGenerator):
        raise TypeError(_validation.invalid("seed", "an integer or None", seed))
    return _validation.seed(seed)
