"""One row for each public layer: how to build it, what it takes, what it promises.

The contract tests run over all rows. What is particular to a layer is tested in a
file of its own.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from keras_dropout import layers


@dataclasses.dataclass(frozen=True)
class Row:
    """One way to build a layer, and what holds for it.

    Attributes:
        name: Name of the class in `keras_dropout.layers`.
        build: Builds the layer from keyword arguments such as `seed` and `dtype`.
        shape: Shape of one batch of inputs.
        live: Name of the live value to change, if there is one.
        identity: Whether inference returns the input itself.
        ones: Whether an input of ones makes the noise visible. Otherwise random
            inputs are used.
        inputs: Makes a batch of inputs from the shape; positive floats by default.
        trains: Whether it can stand in a model of floats trained by `fit`.
        zeroes: Whether dropped units become 0, so that NaN in them must vanish.
    """

    name: str
    build: Callable
    shape: tuple
    live: str | None = "rate"
    identity: bool = True
    ones: bool = True
    inputs: Callable | None = None
    trains: bool = True
    zeroes: bool = False

    def __str__(self):
        return self.name

    def batch(self, dtype="float32"):
        """A batch of inputs."""
        if self.inputs is not None:
            return self.inputs(self.shape)
        if self.ones:
            return np.ones(self.shape, dtype)
        return np.random.default_rng(0).uniform(0.5, 1.5, self.shape).astype(dtype)


def _row(name, shape, *args, **options):
    cls = getattr(layers, name)
    promises = {f.name for f in dataclasses.fields(Row)}
    fixed = {k: options.pop(k) for k in list(options) if k not in promises}

    def build(**kwargs):
        return cls(*args, **{**fixed, **kwargs})

    return Row(name, build, shape, **options)


ROWS = [
    _row("Dropout", (64, 40), 0.4, zeroes=True),
    _row("Dropout", (16, 5, 40), 0.4, noise_shape=(None, 1, None), zeroes=True),
    _row("Dropout", (64, 40), 0.4, scaling="inference", identity=False, zeroes=True),
    _row("MCDropout", (64, 40), 0.4, zeroes=True),
    _row("SpatialDropout1D", (64, 3, 40), 0.4, zeroes=True),
    _row("SpatialDropout2D", (64, 3, 2, 40), 0.4, zeroes=True),
    _row(
        "SpatialDropout2D",
        (64, 40, 3, 2),
        0.4,
        data_format="channels_first",
        zeroes=True,
    ),
    _row("SpatialDropout3D", (64, 3, 2, 2, 40), 0.4, zeroes=True),
    _row("ChannelDropout", (64, 3, 40), 0.4, zeroes=True),
    _row("ChannelDropout", (64, 3, 100), 0.4, shared_batch=True, zeroes=True),
    _row("LockedDropout", (64, 3, 40), 0.4, zeroes=True),
    _row("GaussianDropout", (64, 40), 0.4),
    _row("GaussianNoise", (64, 40), 0.4, live="stddev"),
    _row("AlphaDropout", (64, 40), 0.4, ones=False),
    _row("FeatureAlphaDropout", (64, 3, 40), 0.4, ones=False),
]


def every_layer(test=None, **conditions):
    """Parametrises a test over the rows for which all `conditions` hold."""
    rows = [
        row
        for row in ROWS
        if all(bool(getattr(row, name)) == want for name, want in conditions.items())
    ]
    ids = [f"{row.name}-{ROWS.index(row)}" for row in rows]
    mark = pytest.mark.parametrize("row", rows, ids=ids)
    return mark if test is None else mark(test)
