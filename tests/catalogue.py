"""One row for each public layer: how to build it, what it takes, what it promises.

The contract tests run over all rows. What is particular to a layer is tested in a
file of its own.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest

from keras_dropout import layers


def _on_one_tensor(layer, x, **options):
    return layer(x, **options)


def _on_a_pair(layer, x, **options):
    return layer([x, 2 * x], **options)


def _on_query_and_value(layer, x, **options):
    return layer(x, x, **options)


def _ids(shape):
    return np.random.default_rng(0).integers(3, 40, shape).astype("int32")


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
        weights: Whether it has weights.
        integers: Whether it takes and gives integers.
        open: Whether a symbolic call leaves sizes of its output open.
        draws: Whether each call draws new noise, instead of keeping it.
        call: How it is called, if not on one tensor.
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
    weights: bool = False
    integers: bool = False
    open: bool = False
    draws: bool = True
    call: Callable = _on_one_tensor

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


def _around(cls, *args, **options):
    def build(dtype=None, **kwargs):
        layer = cls(*args, dtype=dtype, **options)
        return layers.MaxNormDropout(layer, 0.4, **kwargs)

    return build


def _inside(wrapper, cls, *args, **options):
    """Builds a wrapper of weights or passes around a layer of the asked dtype."""

    def build(dtype=None, **kwargs):
        layer = cls(*args, dtype=dtype, **options)
        return getattr(layers, wrapper)(layer, 0.4, dtype=dtype, **kwargs)

    return build


def _affine(wrapper, **options):
    """Builds a wrapper without a rate of its own around a dense layer."""

    def build(dtype=None, **kwargs):
        initializer = keras.initializers.GlorotUniform(seed=1)
        dense = keras.layers.Dense(40, kernel_initializer=initializer, dtype=dtype)
        return getattr(layers, wrapper)(dense, dtype=dtype, **options, **kwargs)

    return build


def _sparse(dtype=None, **kwargs):
    dense = keras.layers.Dense(40, kernel_initializer="ones", dtype=dtype)
    layer = layers.SparseVariationalDropout(dense, **kwargs)
    layer.build((None, 30))
    # Stronger than at the start, so that half precision shows it.
    layer.log_sigma2.assign(np.zeros((30, 40)))
    return layer


def _mixout(dtype=None, **kwargs):
    dense = keras.layers.Dense(40, kernel_initializer="ones", dtype=dtype)
    dense.build((None, 30))
    layer = layers.Mixout(dense, 0.4, **kwargs)
    # Away from the anchor, where the noise shows.
    dense.kernel.assign(2 * np.ones((30, 40)))
    return layer


# Weights that each build of a recurrent layer starts from.
RECURRENT = {
    "kernel_initializer": keras.initializers.GlorotUniform(seed=1),
    "recurrent_initializer": keras.initializers.GlorotUniform(seed=2),
}
WITHIN = {"ones": False, "identity": False, "weights": True}

POOLED = {1: (16, 8, 10), 2: (16, 4, 6, 5), 3: (8, 4, 4, 6, 3)}

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
    _row("ChannelDropout", (64, 3, 100), 0.4, per="batch", zeroes=True),
    _row("LockedDropout", (64, 3, 40), 0.4, zeroes=True),
    _row("GaussianDropout", (64, 40), 0.4),
    _row("GaussianNoise", (64, 40), 0.4, live="stddev"),
    _row("AlphaDropout", (64, 40), 0.4, ones=False),
    _row("FeatureAlphaDropout", (64, 3, 40), 0.4, ones=False),
    Row("MaxNormDropout", _around(keras.layers.Identity), (64, 40), zeroes=True),
    Row(
        "MaxNormDropout",
        _around(keras.layers.Dense, 40, kernel_initializer="ones"),
        (64, 3),
        identity=False,
        weights=True,
    ),
    _row("UOut", (64, 40), 0.4, live="beta"),
    _row("DropBlock1D", (16, 9, 10), 0.4, 2, zeroes=True),
    _row("DropBlock2D", (8, 6, 5, 10), 0.4, (3, 2), scale="row", zeroes=True),
    _row(
        "DropBlock2D",
        (8, 10, 6, 5),
        0.4,
        2,
        data_format="channels_first",
        zeroes=True,
    ),
    _row("DropBlock3D", (8, 4, 3, 5, 4), 0.4, 2, scale="none", zeroes=True),
    _row("Cutout", (64, 8, 8, 2), 3, live="probability", zeroes=True),
    _row("DropPath", (64, 3, 2), 0.4, zeroes=True),
    _row(
        "StochasticDepth",
        (64, 3),
        0.4,
        per="row",
        identity=False,
        call=_on_a_pair,
    ),
    _row("ShakeShake", (64, 3), live=None, identity=False, call=_on_a_pair),
    _row("ShakeDrop", (64, 3), 0.4, gate_per="row", identity=False),
    _row(
        "TokenDropout",
        (64, 9),
        0.4,
        inputs=_ids,
        identity=False,
        integers=True,
        trains=False,
    ),
    _row(
        "PatchDropout", (64, 9, 2), 0.4, live=None, ones=False, trains=False, open=True
    ),
    _row(
        "EmbeddingDropout",
        (16, 9),
        40,
        3,
        rate=0.4,
        per="row",
        embeddings_initializer="ones",
        inputs=_ids,
        identity=False,
        weights=True,
    ),
    *(
        _row(
            name,
            (64, 4, 6),
            4,
            2,
            rate=0.4,
            kernel_initializer=keras.initializers.GlorotUniform(seed=1),
            ones=False,
            identity=False,
            weights=True,
            call=_on_query_and_value,
        )
        for name in ("DropHead", "DropKey")
    ),
    *(
        _row(f"MaxPoolingDropout{rank}D", shape, 0.4, ones=False, identity=False)
        for rank, shape in POOLED.items()
    ),
    *(
        _row(f"StochasticPooling{rank}D", shape, live=None, ones=False, identity=False)
        for rank, shape in POOLED.items()
    ),
    Row(
        "DropConnect",
        _inside("DropConnect", keras.layers.Dense, 40, kernel_initializer="ones"),
        (64, 30),
        **WITHIN,
    ),
    Row(
        "WeightDrop",
        _inside("WeightDrop", keras.layers.LSTM, 8, **RECURRENT),
        (16, 5, 3),
        **WITHIN,
    ),
    Row("Mixout", _mixout, (64, 30), **WITHIN),
    Row(
        "MultiSampleDropout",
        _inside("MultiSampleDropout", keras.layers.Dense, 3, kernel_initializer="ones"),
        (64, 30),
        **WITHIN,
    ),
    Row(
        "Zoneout",
        _inside("Zoneout", keras.layers.GRUCell, 8, **RECURRENT),
        (16, 5, 3),
        live="zoneout_h",
        **WITHIN,
    ),
    Row(
        "ConcreteDropout",
        _inside("ConcreteDropout", keras.layers.Dense, 8, kernel_initializer="ones"),
        (64, 30),
        **{**WITHIN, "live": None},
    ),
    _row(
        "VariationalDropout",
        (64, 40),
        0.4,
        granularity="unit",
        live=None,
        weights=True,
    ),
    Row("SparseVariationalDropout", _sparse, (64, 30), **{**WITHIN, "live": None}),
    Row(
        "Standout",
        _affine("Standout", alpha=0.01),
        (64, 30),
        **{**WITHIN, "live": None},
    ),
    Row("TargetedDropout", _affine("TargetedDropout"), (64, 30), **WITHIN),
    Row(
        "InformationDropout",
        _affine("InformationDropout"),
        (64, 30),
        **{**WITHIN, "live": None},
    ),
    _row("Masksembles", (64, 40), draws=False, **{**WITHIN, "live": None}),
    _row("RecurrentDropoutLSTM", (16, 5, 3), 8, 0.4, **RECURRENT, **WITHIN),
    _row("RecurrentDropoutGRU", (16, 5, 3), 8, 0.4, **RECURRENT, **WITHIN),
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
