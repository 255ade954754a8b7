"""What `predict` takes, `mc_predict` takes with the same meaning."""

import keras
import numpy as np
import pytest

import keras_dropout as kd
from tests.uncertainty import models

BACKEND = keras.backend.backend()
X = np.maximum(models.x_of(9, 6), 0)


@pytest.fixture(scope="module")
def model():
    return models.mlp(dropout=kd.layers.Dropout)


@pytest.fixture(scope="module")
def expected(model):
    return sampled(model, X)


def sampled(model, x):
    return kd.mc_predict(model, x, samples=2, seed=0, batch_size=4).mean


class Frame:
    """Stands for a frame or a series of pandas."""

    iloc = None

    def __init__(self, values):
        self.values, self.shape, self.ndim = values, values.shape, values.ndim

    def to_numpy(self):
        return self.values


class Column:
    """Stands for a column of a Hugging Face dataset: rows, read when sliced."""

    column_name = "pixels"

    def __len__(self):
        return len(X)

    def __getitem__(self, places):
        return X[places].tolist()


class Single:
    """Stands for a `Dataset` of PyTorch: single rows, by their places."""

    def __len__(self):
        return len(X)

    def __getitem__(self, place):
        return X[place], 0


class Dataset:
    """Stands for a Hugging Face dataset: single rows, by the names of columns."""

    def with_format(self, kind):
        return self

    def __len__(self):
        return len(X)

    def __getitem__(self, places):
        return {"pixels": X[places]}

    def __iter__(self):
        return iter([{"pixels": row} for row in X])


@pytest.mark.parametrize(
    "kind", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array"]
)
def test_sparse_matrices_are_taken(kind, model, expected):
    sparse = pytest.importorskip("scipy.sparse")

    found = sampled(model, getattr(sparse, kind)(X))

    np.testing.assert_array_equal(found, expected)


def test_only_the_rows_of_a_batch_become_dense():
    """As one, this matrix would take 400 GB."""
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.coo_matrix(([1.0], ([0], [0])), shape=(1 << 20, 100_000))
    layers = [keras.Input((100_000,)), kd.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)

    found = kd.mc_predict(model, x, samples=2, batch_size=4, steps=1)

    assert len(found.mean) == 4


@pytest.mark.parametrize(
    "x",
    [X.astype("float64"), X.astype("float16"), Frame(X), Column(), [X], {"x": X}],
    ids=["double", "half", "frame", "column", "list", "dict"],
)
def test_tables_and_columns_are_taken(x, model, expected):
    if isinstance(x, dict):
        x = {model.inputs[0].name: X}

    np.testing.assert_allclose(sampled(model, x), expected, rtol=1e-2, atol=1e-2)


def test_a_series_is_a_column_as_in_keras():
    model = keras.Sequential([keras.Input((1,)), kd.layers.Dropout(0.5)])
    series = Frame(np.arange(4.0))

    assert kd.mc_predict(model, series, samples=2).mean.shape == (4, 1)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([1.0, 2.0], "np.array"),
        (X.tolist(), "np.array"),
        (["a", "b"], "np.array"),
        ("a", "np.array"),
        (None, "np.array"),
        (Dataset(), "with_format"),
        (Single(), "DataLoader"),
        (np.array([{}, {}]), "arrays of numbers"),
    ],
    ids=[
        "numbers",
        "rows",
        "strings",
        "string",
        "none",
        "dataset",
        "single",
        "objects",
    ],
)
def test_what_holds_no_batches_is_refused_with_the_way_out(x, text, model):
    with pytest.raises(TypeError, match=text):
        sampled(model, x)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow has strings")
def test_strings_are_refused_where_there_are_none(model):
    with pytest.raises(TypeError, match="strings on TensorFlow only"):
        sampled(model, np.array([["a"], ["b"]]))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has strings")
@pytest.mark.parametrize("layer", ["StringLookup", "TextVectorization"])
def test_models_of_strings_are_sampled(layer):
    import tensorflow as tf

    text = [["a b"], ["c"], ["d a"], ["a"], ["z"]]
    if layer == "StringLookup":
        reader = keras.layers.StringLookup(vocabulary=["a", "c"])
    else:
        reader = keras.layers.TextVectorization(output_sequence_length=3)
        reader.adapt(["a b", "c d"])
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            reader,
            keras.layers.Embedding(20, 8),
            kd.layers.Dropout(1e-4),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    expected = model.predict(tf.constant(text), verbose=0)
    kinds = [
        np.array(text),
        np.array(text, dtype=object),
        np.array(text).astype("S"),
        tf.constant(text),
        tf.data.Dataset.from_tensor_slices(text).batch(2),
    ]

    for x in kinds:
        np.testing.assert_allclose(sampled(model, x), expected, atol=1e-2)
