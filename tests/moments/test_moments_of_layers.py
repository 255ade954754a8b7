"""The moments of each kind of layer, against samples of it."""

import keras
import numpy as np
import pytest

import keras_dropout as kd

K, D = keras.layers, kd.layers
SAMPLES = 1500
# What differs between backends is in `test_goldens.py`.
pytestmark = pytest.mark.once


def dense(units=3, **kwargs):
    return K.Dense(units, bias_initializer="normal", **kwargs)


def dropped(rate=0.3):
    return D.Dropout(rate)


# What is put on the input of each kind, and whether its moments are exact.
VECTORS = {
    "dropout": (lambda x: dropped()(x), True),
    "unscaled": (lambda x: D.Dropout(0.3, scaling="inference")(x), True),
    "twice": (lambda x: dropped()(dropped()(x)), True),
    "keras": (lambda x: K.Dropout(0.3)(x), True),
    "gaussian": (lambda x: D.GaussianDropout(0.3)(x), True),
    "noise": (lambda x: K.GaussianNoise(0.7)(x), True),
    "alpha": (lambda x: D.AlphaDropout(0.3)(x), True),
    "keras_alpha": (lambda x: K.AlphaDropout(0.3)(x), True),
    "variational": (lambda x: D.VariationalDropout(0.3)(x), True),
    "uout": (lambda x: D.UOut(0.5)(x), True),
    "path": (lambda x: dense()(D.DropPath(0.3)(x)), False),
    "masksembles": (lambda x: D.Masksembles(4, 1.5, seed=1)(x), True),
    "last": (lambda x: dense()(dropped()(x)), True),
    "relu_first": (lambda x: dense()(K.ReLU()(dropped()(x))), True),
    "normal_relu": (lambda x: dense(4, activation="relu")(K.GaussianNoise(1)(x)), True),
    "leaky": (lambda x: K.LeakyReLU(0.3)(dense()(K.GaussianNoise(1.0)(x))), True),
    "concrete": (lambda x: D.ConcreteDropout(dense(), 0.3)(x), True),
    "hard": (lambda x: D.ConcreteDropout(dense(), 0.3, hard=True)(x), True),
    "standout": (lambda x: D.Standout(dense(activation="relu"))(x), True),
    "information": (lambda x: D.InformationDropout(dense())(x), True),
    "sparse": (lambda x: D.SparseVariationalDropout(dense(activation="relu"))(x), True),
    "max_norm": (lambda x: D.MaxNormDropout(dense(), 0.3)(x), True),
    "before": (lambda x: D.MaxNormDropout(dense(), 0.3, position="before")(x), True),
    "head": (lambda x: D.MultiSampleDropout(dense(), 0.3)(x), True),
    "einsum": (
        lambda x: K.EinsumDense("bi,io->bo", 3, bias_axes="o")(dropped()(x)),
        True,
    ),
    "sum": (lambda x: K.Add()([dropped()(x), dropped()(x), x]), True),
    "operations": (lambda x: 2.0 * dropped()(x) - x / 4.0 + 1.0, True),
    "product": (lambda x: K.Multiply()([dropped()(x), dropped(0.5)(x)]), True),
    "mean": (lambda x: K.Average()([dropped()(x), dropped()(x)]), True),
    "beside": (lambda x: dense()(K.Concatenate()([dropped()(x), x])), True),
    "stochastic_depth": (lambda x: D.StochasticDepth(0.3)([x, dense(6)(x)]), True),
    "shake": (lambda x: D.ShakeShake()([x, dense(6)(x)]), True),
    "shake_drop": (lambda x: D.ShakeDrop(0.3)(x), True),
    "norm": (
        lambda x: K.BatchNormalization(gamma_initializer="ones")(dropped()(x)),
        True,
    ),
    "rescaled": (lambda x: K.Rescaling(2.0, 1.0)(dropped()(x)), True),
}
SEQUENCES = {
    "spatial": (lambda x: D.SpatialDropout1D(0.3)(x), True),
    "locked": (lambda x: dense()(D.LockedDropout(0.3)(x)), True),
    "mean_locked": (
        lambda x: dense()(K.GlobalAveragePooling1D()(D.LockedDropout(0.3)(x))),
        True,
    ),
    "mean_steps": (lambda x: K.GlobalAveragePooling1D()(dropped()(x)), True),
    "causal": (lambda x: K.Conv1D(3, 2, padding="causal")(dropped()(x)), True),
    "separable": (
        lambda x: K.SeparableConv1D(3, 2, depth_multiplier=2)(dropped()(x)),
        True,
    ),
    "transposed": (lambda x: K.Conv1DTranspose(3, 2, 2)(dropped()(x)), True),
    "permuted": (lambda x: dense()(K.Permute((2, 1))(dropped()(x))), True),
    "flat": (lambda x: dense()(K.Flatten()(dropped()(x))), True),
    "in_time": (lambda x: K.TimeDistributed(dense())(dropped()(x)), True),
    "words": (lambda x: D.FeatureAlphaDropout(0.3)(x), True),
}
IMAGES = {
    "convolution": (
        lambda x: K.Conv2D(3, 2, 2, "same", bias_initializer="normal")(dropped()(x)),
        True,
    ),
    "depthwise": (
        lambda x: K.DepthwiseConv2D(2, depth_multiplier=2)(dropped()(x)),
        True,
    ),
    "pooled": (lambda x: K.AveragePooling2D(2, padding="same")(dropped()(x)), True),
    "pooled_channels": (
        lambda x: K.AveragePooling2D(2)(D.SpatialDropout2D(0.3)(x)),
        True,
    ),
    "largest_of_channels": (
        lambda x: K.MaxPooling2D()(K.SpatialDropout2D(0.3)(x)),
        True,
    ),
    "padded": (
        lambda x: K.Conv2D(2, 3)(K.ZeroPadding2D(1)(K.Cropping2D(1)(dropped()(x)))),
        True,
    ),
    "larger": (lambda x: K.UpSampling2D()(dropped()(x)), True),
    "blocks": (lambda x: D.DropBlock2D(0.3, 2, scale="none")(x), True),
    "cutout": (lambda x: D.Cutout(2, 2, 0.5, probability=0.7)(x), True),
    "drawn": (lambda x: D.StochasticPooling2D()(x), True),
    "pooling_dropout": (lambda x: D.MaxPoolingDropout2D(0.3)(x), True),
}


@pytest.fixture(scope="module")
def told():
    """By the name of each branch: moments, samples and what was expected."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    inputs, outputs, expected, x = [], [], {}, []
    for branches, shape in ((VECTORS, (6,)), (SEQUENCES, (4, 3)), (IMAGES, (5, 5, 2))):
        given = keras.Input(shape)
        inputs.append(given)
        x.append(rng.normal(size=(2, *shape)).astype("float32"))
        for name, (branch, is_exact) in branches.items():
            outputs.append(branch(given))
            expected[name] = is_exact
    model = keras.Model(inputs, outputs)
    moments = kd.propagate_moments(model, x)
    kept = kd.mc_predict(model, x, SAMPLES, seed=1, return_samples=True)
    rows = zip(expected, moments, kept, strict=True)
    return {name: (*each, expected[name]) for name, *each in rows}


def within(found, samples):
    """Whether mean and variance are those that samples have, within 5 errors."""
    samples = samples.astype("float64")
    moved = samples - samples.mean(axis=0)
    second, fourth = (np.mean(moved**n, axis=0) for n in (2, 4))
    # And of rounding where nothing varies. That of a variance has two parts: of the
    # squares, and of the mean that they are taken from.
    of_mean = 5 * np.sqrt(second / len(samples)) + 1e-5
    of_squares = 5 * np.sqrt(np.maximum(fourth - second**2, 0) / len(samples))
    of_variance = of_squares + of_mean**2 + 1e-5
    return (
        (np.abs(found.mean - samples.mean(axis=0)) / of_mean).max(),
        (np.abs(found.variance - second) / of_variance).max(),
    )


@pytest.mark.parametrize("name", [*VECTORS, *SEQUENCES, *IMAGES])
def test_moments_of_each_layer_are_those_of_its_samples(told, name):
    moments, drawn, is_exact = told[name]

    of_mean, of_variance = within(moments, drawn.samples)

    assert of_mean < 1
    assert moments.exact == is_exact
    if is_exact:
        assert of_variance < 1
