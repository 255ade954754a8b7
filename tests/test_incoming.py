"""The table of incoming axes: every row held to a projection in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_dropout import constraints, layers
from keras_dropout.constraints.max_norm import rounding

RECURRENT = {"kernel": (0,), "recurrent_kernel": (0,)}
ATTENTION = {"attention_output/kernel": (0, 1)} | dict.fromkeys(
    ("query/kernel", "key/kernel", "value/kernel"), (0,)
)


def to_itself(attention):
    """Attention of a sequence to itself."""
    return lambda x: attention(x, x)


def _rows():
    k = keras.layers
    yield lambda: k.Dense(5), (4,), {"kernel": (0,)}
    yield lambda: k.Dense(5), (3, 4), {"kernel": (0,)}
    yield (
        lambda: k.EinsumDense("abc,cde->abde", (3, 2, 3), bias_axes="de"),
        (3, 4),
        {"kernel": (0,)},
    )
    yield (
        lambda: k.EinsumDense("abcd,cde->abe", (3, 5)),
        (3, 2, 4),
        {"kernel": (0, 1)},
    )
    yield lambda: k.EinsumDense("...x,xy->...y", 5), (3, 4), {"kernel": (0,)}
    for rank, name in ((1, "1D"), (2, "2D"), (3, "3D")):
        space = (4,) * rank
        kernel = tuple(range(rank))
        conv = getattr(k, f"Conv{name}")
        yield lambda c=conv: c(6, 3), (*space, 4), {"kernel": (*kernel, rank)}
        yield lambda c=conv: c(6, 3, groups=2), (*space, 4), {"kernel": (*kernel, rank)}
        transpose = getattr(k, f"Conv{name}Transpose")
        yield lambda c=transpose: c(6, 3), (*space, 4), {"kernel": (*kernel, rank + 1)}
        recurrent = getattr(k, f"ConvLSTM{name}")
        axes = (*kernel, rank)
        yield (
            lambda c=recurrent: c(2, 3),
            (2, *space, 2),
            {"kernel": axes, "recurrent_kernel": axes},
        )
        if rank == 3:
            continue
        depthwise = getattr(k, f"DepthwiseConv{name}")
        yield (
            lambda c=depthwise: c(3, depth_multiplier=2),
            (*space, 4),
            {"kernel": kernel},
        )
        separable = getattr(k, f"SeparableConv{name}")
        yield (
            lambda c=separable: c(6, 3, depth_multiplier=2),
            (*space, 4),
            {"depthwise_kernel": kernel, "pointwise_kernel": (*kernel, rank)},
        )
    first = {"data_format": "channels_first"}
    yield lambda: k.Conv2D(6, 3, **first), (4, 5, 5), {"kernel": (0, 1, 2)}
    yield lambda: k.Conv2DTranspose(6, 3, **first), (4, 5, 5), {"kernel": (0, 1, 3)}
    yield lambda: k.DepthwiseConv2D(3, **first), (4, 5, 5), {"kernel": (0, 1)}
    yield lambda: k.Embedding(7, 4), "words", {"embeddings": (1,)}
    for name in ("SimpleRNN", "LSTM", "GRU"):
        recurrent = getattr(k, name)
        yield lambda c=recurrent: c(3), (5, 4), RECURRENT
        yield lambda c=recurrent: k.Bidirectional(c(3)), (5, 4), RECURRENT
    yield lambda: k.RNN([k.LSTMCell(3), k.GRUCell(3)]), (5, 4), RECURRENT
    yield lambda: to_itself(k.MultiHeadAttention(2, 3)), (5, 4), ATTENTION
    # Queries and outputs have kernels of one shape here.
    yield lambda: to_itself(k.MultiHeadAttention(4, 4)), (5, 4), ATTENTION
    yield lambda: to_itself(k.GroupQueryAttention(3, 4, 2)), (5, 4), ATTENTION
    yield lambda: k.TimeDistributed(k.Conv1D(6, 2)), (3, 4, 2), {"kernel": (0, 1)}
    yield (
        lambda: keras.Sequential([keras.Input((4,)), keras.Sequential([k.Dense(5)])]),
        (4,),
        {"kernel": (0,)},
    )
    yield lambda: layers.MaxNormDropout(k.Dense(5), 0.0), (4,), {"kernel": (0,)}


# All on PyTorch, and a third on the others, which compile each operation.
every_row = pytest.mark.parametrize(
    ("build", "shape", "axes"),
    [
        pytest.param(*row, marks=() if i % 3 == 0 else pytest.mark.backend("torch"))
        for i, row in enumerate(_rows())
    ],
)
# One of each way to keep a constraint: in the layer, in a cell, in a sublayer.
COMPILED = {
    "Dense": (lambda: keras.layers.Dense(5), (4,), {"kernel": (0,)}),
    "SeparableConv2D": (
        lambda: keras.layers.SeparableConv2D(6, 3),
        (4, 4, 4),
        {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2)},
    ),
    "Embedding": (
        lambda: keras.layers.Embedding(7, 4),
        "words",
        {"embeddings": (1,)},
    ),
    "LSTM": (
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(3)),
        (5, 4),
        RECURRENT,
    ),
    "MultiHeadAttention": (
        lambda: to_itself(keras.layers.MultiHeadAttention(2, 3)),
        (5, 4),
        ATTENTION,
    ),
}


def build_model(build, shape):
    keras.utils.set_random_seed(0)
    inputs = (
        keras.Input((5,), dtype="int32") if shape == "words" else keras.Input(shape)
    )
    return keras.Model(inputs, build()(inputs))


def step(model):
    """One large step along random gradients, as `fit` takes it."""
    random = np.random.default_rng(0)
    weights = model.trainable_variables
    gradients = [random.normal(size=each.shape).astype("float32") for each in weights]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply([ops.convert_to_tensor(each) for each in gradients], weights)


def fit(model, shape):
    """Compiled steps with a large learning rate."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4, *shape)) if shape != "words" else np.arange(20) % 7
    y = random.normal(size=(4, *model.output_shape[1:]))
    model.compile(keras.optimizers.SGD(30.0), "mse")
    model.fit(x.reshape(4, -1) if shape == "words" else x, y, epochs=3, verbose=0)


def matrices(model, axes):
    """The weights that the axes name, in the order of the model."""
    for weight in model.trainable_variables:
        for name, incoming in axes.items():
            if f"/{weight.path}".endswith(f"/{name}"):
                yield ops.convert_to_numpy(weight), incoming


def norms_of(matrix, incoming):
    squares = np.square(matrix.astype("float64"))
    return np.sqrt(squares.sum(axis=incoming, keepdims=True))


def median_norm(matrix_axes):
    return float(np.median(np.concatenate([norms_of(*m).ravel() for m in matrix_axes])))


@every_row
def test_row_projects_as_numpy_does_after_reload(build, shape, axes, tmp_path):
    model = build_model(build, shape)
    start = model.get_weights()
    step(model)
    free = list(matrices(model, axes))
    limit = median_norm(free)

    constraints.apply_max_norm(model, limit)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    model.set_weights(start)
    step(model)

    assert len(free) >= len(axes)
    for (expected, incoming), (received, _) in zip(
        free, matrices(model, axes), strict=True
    ):
        norms = norms_of(expected, incoming)
        bound = rounding("float32", expected.size // norms.size)
        projected = expected * np.minimum(1, limit / norms)
        np.testing.assert_allclose(received, projected, rtol=bound, atol=0)
        inside = np.broadcast_to(norms <= limit, expected.shape)
        np.testing.assert_array_equal(received[inside], expected[inside])


@pytest.mark.keras
@pytest.mark.parametrize(("build", "shape", "axes"), COMPILED.values(), ids=COMPILED)
def test_obeys_in_compiled_training(build, shape, axes):
    model = build_model(build, shape)
    constraints.apply_max_norm(model, 0.25)

    fit(model, shape)

    reached = []
    for matrix, incoming in matrices(model, axes):
        norms = norms_of(matrix, incoming)
        bound = rounding("float32", matrix.size // norms.size)
        assert norms.max() <= 0.25 * (1 + bound)
        reached.append(norms.max() >= 0.25 * (1 - bound))
    assert len(reached) >= len(axes)
    assert any(reached)
