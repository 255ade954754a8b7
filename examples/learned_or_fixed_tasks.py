"""The data and the networks on which learned rates are compared with fixed ones."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from datasets import bundled_digits, cifar10, uci

import keras_dropout as kd

L = keras.layers
BATCH, STEPS = 50, 25


@dataclasses.dataclass(frozen=True)
class Task:
    """A set of data, and the network for it.

    Attributes:
        load: Function of the arguments to inputs and labels or values.
        body: Function of nothing to the layers, with dropout at rate 0.1.
        rows: How many rows to train on; half as many choose, all others score.
        limit: How many rows to use at most.
        kind: `"classes"` or `"values"`.
        share: The share of the epochs that it is trained for.
    """

    load: Callable
    body: Callable
    rows: int
    limit: int
    kind: str = "classes"
    share: float = 1.0

    @property
    def loss(self):
        if self.kind == "classes":
            return "sparse_categorical_crossentropy"
        return kd.losses.GaussianNLL()

    @property
    def calibration(self):
        return "ece" if self.kind == "classes" else "coverage_90"

    def split(self, args, seed):
        """Three parts, all standardised by the mean and spread of the first."""
        x, y = self.load(args)
        order = np.random.default_rng(seed).permutation(len(x))[: self.limit]
        rows = min(self.rows, len(order) // 2 // BATCH * BATCH)
        x, y = x[order], y[order]
        if self.kind == "values":
            x, y = (standardised(each, rows) for each in (x, y))
        cuts = [rows, rows + rows // 2]
        return list(zip(np.split(x, cuts), np.split(y, cuts), strict=True))


def standardised(values, rows):
    """By the mean and the deviation of the first rows."""
    return (values - values[:rows].mean(axis=0)) / (values[:rows].std(axis=0) + 1e-8)


def digits(args):
    parts = bundled_digits()
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    return (x.reshape(-1, 64) / 255).astype("float32"), y


def photographs(args):
    """Colour photographs, halved to 16 by 16 by means of four."""
    parts = cifar10(args)
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    return x.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4)), y


def regression(name):
    return lambda args: uci(args, name)


def perceptron(units, outputs, activation=None):
    """Two hidden layers, with dropout behind each."""

    def body():
        first = [L.Dense(units, "relu"), drop("hidden")]
        second = [L.Dense(units, "relu"), drop("hidden")]
        return [*first, *second, L.Dense(outputs, activation)]

    return body


def drop(name, spatial=False):
    cls = kd.layers.SpatialDropout2D if spatial else kd.layers.Dropout
    return cls(0.1, name=f"{name}_{keras.backend.get_uid(name)}")


def convolutional():
    return [
        L.Conv2D(16, 3, padding="same", activation="relu"),
        L.MaxPooling2D(),
        drop("channels", spatial=True),
        L.Conv2D(32, 3, padding="same", activation="relu"),
        L.MaxPooling2D(),
        L.Flatten(),
        drop("hidden"),
        L.Dense(64, "relu"),
        drop("hidden"),
        L.Dense(10, "softmax"),
    ]


TASKS = {
    "digits": Task(digits, perceptron(128, 10, "softmax"), 500, 1797),
    "photographs": Task(photographs, convolutional, 1000, 3000, share=0.5),
    "concrete": Task(regression("concrete"), perceptron(50, 2), 500, 1030, "values"),
    "yacht": Task(regression("yacht"), perceptron(50, 2), 150, 308, "values"),
}
