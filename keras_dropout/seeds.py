"""Making a whole model repeatable."""

import keras
import numpy as np

from keras_dropout import validation


def reseed(model, seed):
    """Sets the seed of every noise in a model, so that what it draws repeats.

    Each seed generator of the model, of our layers and of Keras's, starts anew from
    a seed of its own, a hash (NumPy's `SeedSequence`) of `seed` and of the
    generator's place among the model's generators. No two share their noise, and two
    models of one architecture draw the same after `reseed` with the same seed.

    Args:
        model: A Keras model or layer.
        seed: Integer in `[0, 2**31)`.

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is out of range.

    Examples:
        >>> import keras, numpy as np
        >>> import keras_dropout as kd
        >>> x = np.ones((4, 8), "float32")
        >>> model = keras.Sequential([kd.layers.MCDropout(0.5)])
        >>> kd.reseed(model, 1)
        >>> first = model.predict(x, verbose=0)
        >>> kd.reseed(model, 1)
        >>> bool(np.array_equal(first, model.predict(x, verbose=0)))
        True
    """
    if validation.seed(seed) is None or not isinstance(seed, (int, np.integer)):
        raise TypeError(validation.invalid("seed", "an integer in [0, 2**31)", seed))
    for place, generator in enumerate(seed_generators(model)):
        words = np.random.SeedSequence([int(seed), place]).generate_state(1)
        generator.state.assign(np.array([words[0] >> 1, 0], "int32"))
        # Private in Keras: on PyTorch its own Dropout passes over a generator that
        # was built without a seed, and draws from torch's global state instead.
        generator._initial_seed = int(words[0] >> 1)


def seed_generators(model):
    """All seed generators of a model, each once, in the order of its layers."""
    found = {}
    for layer in flatten_layers(model):
        for value in vars(layer).values():
            if isinstance(value, keras.random.SeedGenerator):
                found.setdefault(id(value), value)
    return list(found.values())


def flatten_layers(model):
    """The model itself and all layers within it, wrapped and nested ones too."""
    # Private in Keras, which has no public way to reach layers inside layers
    # (wrapped layers, cells, the dropout within attention).
    return list(model._flatten_layers(include_self=True, recursive=True))
