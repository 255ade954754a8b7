"""One compiled model that is trained again and again, each time from new weights.

Compiling a small network takes longer than training it. Rates and strengths are live,
so one compiled model can be used for all of them.
"""

import keras
import numpy as np

import keras_dropout as kd


class Again:
    """A compiled model that starts again for each seed.

    Args:
        build: Function of nothing to a new model.
        loss: What to compile it with.
        rate: The learning rate of Adam, or a schedule of it.
    """

    def __init__(self, build, loss, rate):
        self.build, self.model = build, build()
        optimizer = keras.optimizers.Adam(rate)
        optimizer.build(self.model.trainable_variables)
        self.model.compile(optimizer, loss)
        self.start = [
            keras.ops.convert_to_numpy(each).copy() for each in optimizer.variables
        ]

    def begin(self, seed):
        """The model with new weights, its optimizer and its noise as at the start."""
        keras.utils.set_random_seed(seed)
        self.model.set_weights(self.build().get_weights())
        kd.reseed(self.model, seed)
        optimizer = self.model.optimizer
        for variable, value in zip(optimizer.variables, self.start, strict=True):
            variable.assign(value)
        return self.model

    def layers(self, cls):
        """The layers of a class, in their order."""
        return [each for each in self.model.layers if isinstance(each, cls)]


def shuffled(rows, count, seed):
    """The numbers of `count` rows out of `rows`, one permutation behind the other."""
    rng = np.random.default_rng(seed)
    passes = -(-count // rows)
    return np.concatenate([rng.permutation(rows) for _ in range(passes)])[:count]
