"""What a model's outputs are: told, read from how it ends, or seen."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_dropout as kd
from keras_dropout.graph.endings import VALUES, Ending, endings
from keras_dropout.sampling import seen
from keras_dropout.sampling.outputs import heads
from tests.uncertainty import models

L, K = keras.layers, kd.layers
PROBABILITIES, BINARY = Ending("probabilities", -1), Ending("binary", -1)
X = models.x_of(6, 4)


def _softmax_head(**options):
    return L.Dense(3, activation="softmax", **options)


def _chain(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), L.Dropout(0.5), *layers])


def _graph(function):
    inputs = keras.Input((4,))
    return keras.Model(inputs, function(L.Dropout(0.5)(inputs)))


def _over(axis):
    return functools.partial(ops.softmax, axis=axis)


class Subclassed(keras.Model):
    """A model without a graph."""

    def __init__(self, head):
        super().__init__()
        self.drop, self.head = L.Dropout(0.5), head

    def call(self, x, training=None):
        return self.head(self.drop(x, training=training))


class Head(L.Layer):
    """A layer of the user. The package does not know what it computes."""

    def __init__(self, function):
        super().__init__()
        self.dense, self.function = L.Dense(3), function

    def call(self, x):
        return self.function(self.dense(x))


def _built(model):
    model(X)
    return model


STEPS = (L.Dense(12), L.Reshape((4, 3)))
READ = {
    "softmax": (lambda: _chain(_softmax_head()), PROBABILITIES),
    "sigmoid": (lambda: _chain(L.Dense(2, activation="sigmoid")), BINARY),
    "linear": (lambda: _chain(L.Dense(3)), VALUES),
    "relu": (lambda: _chain(L.Dense(3, activation="relu")), VALUES),
    "log softmax": (lambda: _chain(L.Dense(3, activation="log_softmax")), VALUES),
    "one class": (lambda: _chain(L.Dense(1, activation="softmax")), PROBABILITIES),
    "weights": (lambda: _chain(K.DropConnect(_softmax_head())), PROBABILITIES),
    "weights, sigmoid": (
        lambda: _chain(K.DropConnect(L.Dense(2, activation="sigmoid"), rate=0.2)),
        BINARY,
    ),
    "max-norm before": (
        lambda: _chain(K.MaxNormDropout(_softmax_head(), position="before")),
        PROBABILITIES,
    ),
    "max-norm after": (
        lambda: _chain(K.MaxNormDropout(_softmax_head())),
        PROBABILITIES,
    ),
    "masks": (lambda: _chain(K.MultiSampleDropout(_softmax_head())), PROBABILITIES),
    "masks side by side": (
        lambda: _chain(K.MultiSampleDropout(_softmax_head(), reduction="stack")),
        PROBABILITIES,
    ),
    "passes": (lambda: K.RDrop(_chain(_softmax_head())), PROBABILITIES),
    "nested passes": (
        lambda: _graph(K.RDrop(_chain(_softmax_head()))),
        PROBABILITIES,
    ),
    "nested": (lambda: _graph(_chain(_softmax_head())), PROBABILITIES),
    "time": (
        lambda: _chain(*STEPS, L.TimeDistributed(_softmax_head())),
        PROBABILITIES,
    ),
    "operation": (lambda: _graph(lambda h: ops.softmax(L.Dense(3)(h))), PROBABILITIES),
    "sigmoid operation": (lambda: _graph(lambda h: ops.sigmoid(h)), BINARY),
    "function": (lambda: _chain(L.Dense(3, activation=ops.softmax)), PROBABILITIES),
    "lambda": (
        lambda: _chain(L.Dense(3, activation=lambda x: ops.softmax(x))),
        PROBABILITIES,
    ),
    "sigmoid lambda": (
        lambda: _chain(L.Dense(3, activation=lambda x: ops.sigmoid(x))),
        BINARY,
    ),
    "cast": (
        lambda: _graph(lambda h: ops.cast(ops.softmax(L.Dense(3)(h)), "float16")),
        PROBABILITIES,
    ),
    "mixed precision": (
        lambda: _chain(
            _softmax_head(dtype="mixed_float16"),
            L.Activation("linear", dtype="float32"),
        ),
        PROBABILITIES,
    ),
    "identity": (lambda: _chain(_softmax_head(), L.Identity()), PROBABILITIES),
    "dropout": (lambda: _chain(_softmax_head(), L.Dropout(0.1)), PROBABILITIES),
    "our dropout": (lambda: _chain(_softmax_head(), K.Dropout(0.1)), PROBABILITIES),
    "sigmoid dropout": (
        lambda: _chain(L.Dense(3, activation="sigmoid"), K.GaussianDropout(0.1)),
        BINARY,
    ),
    "reshape": (
        lambda: _chain(*STEPS, L.Softmax(), L.Reshape((2, 2, 3), name="spread")),
        PROBABILITIES,
    ),
    "flat labels": (
        lambda: _chain(*STEPS, L.Activation("sigmoid"), L.Flatten()),
        BINARY,
    ),
    "a label a row": (
        lambda: _chain(L.Dense(1, activation="sigmoid"), L.Reshape(())),
        Ending("binary"),
    ),
    "permuted": (
        lambda: _chain(*STEPS, L.Softmax(), L.Permute((2, 1))),
        Ending("probabilities", -2),
    ),
    "transposed": (
        lambda: _graph(
            lambda h: ops.transpose(
                ops.softmax(L.Reshape((4, 3))(L.Dense(12)(h))), (0, 2, 1)
            )
        ),
        Ending("probabilities", -2),
    ),
    "axis of a layer": (
        lambda: _chain(*STEPS, L.Softmax(axis=1)),
        Ending("probabilities", -2),
    ),
    "axis of an operation": (
        lambda: _graph(
            lambda h: ops.softmax(L.Reshape((4, 3))(L.Dense(12)(h)), axis=1)
        ),
        Ending("probabilities", -2),
    ),
    "axis of a lambda": (
        lambda: _chain(L.Conv2D(3, 1, activation=_over(1)), shape=(4, 5, 2)),
        Ending("probabilities", -3),
    ),
    "labels first": (
        lambda: _chain(
            L.Reshape((2, 3, 4)),
            L.Conv2D(2, 1, activation="sigmoid", data_format="channels_first"),
            shape=(24,),
        ),
        Ending("binary", -3),
    ),
    "classes over two axes": (
        lambda: _chain(*STEPS, L.Softmax(axis=(1, 2))),
        VALUES,
    ),
}
# Keras on a processor has no convolution with channels first everywhere.
UNREAD = {
    "classes spread by a reshape": lambda: _chain(*STEPS, L.Softmax(), L.Flatten()),
    "average": lambda: _graph(
        lambda h: L.Average()([_softmax_head()(h), _softmax_head()(h)])
    ),
    "gates": lambda: _chain(*STEPS, L.LSTM(3, activation="sigmoid")),
    "own layer": lambda: _chain(Head(ops.softmax)),
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_from_how_a_model_ends(name):
    if name == "labels first" and keras.backend.backend() != "torch":
        pytest.skip("no convolution with channels first on a processor")
    make, expected = READ[name]

    assert endings(make()) == [expected]


@pytest.mark.parametrize("name", UNREAD)
def test_what_does_not_say_is_left_open(name):
    assert endings(UNREAD[name]()) == [None]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Subclassed(_softmax_head()), PROBABILITIES),
        (lambda: _graph(_built(Subclassed(_softmax_head()))), PROBABILITIES),
        (lambda: K.RDrop(_built(Subclassed(_softmax_head()))), PROBABILITIES),
        (UNREAD["own layer"], PROBABILITIES),
        (UNREAD["average"], PROBABILITIES),
        (lambda: _chain(*STEPS, Head(_over(1))), Ending("probabilities", -2)),
        (
            lambda: Subclassed(_softmax_head(dtype="mixed_bfloat16")),
            PROBABILITIES,
        ),
        (lambda: Subclassed(L.Dense(3, activation="sigmoid")), VALUES),
        (lambda: Subclassed(L.Dense(3, activation="relu")), VALUES),
        (UNREAD["classes spread by a reshape"], VALUES),
    ],
)
def test_what_cannot_be_read_is_seen(make, expected):
    model = _built(make())
    before = models.values(model)

    assert kd.mc_predict(model, models.x_of(12, 4), samples=2).kind == expected.kind
    assert models.unchanged(model, before)


def test_one_batch_of_symbols_is_enough():
    model = _chain(Head(ops.softmax))
    answer = kd.MonteCarlo(model, samples=2)(keras.Input((4,)))
    assert "entropy" in answer


def _vectors(rows, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(4), rows).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_sums_are_held_against_what_values_are_rounded_to(dtype):
    p = ops.convert_to_tensor(_vectors(50))
    rounded = ops.convert_to_numpy(ops.cast(ops.cast(p, dtype), "float32"))
    far = {"float32": 1.0001, "float16": 1.01, "bfloat16": 1.06}[dtype]
    scaled = ops.convert_to_numpy(ops.cast(ops.cast(far * p, dtype), "float32"))

    assert seen.probabilities(rounded) == PROBABILITIES
    assert seen.probabilities(scaled) == VALUES


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (_vectors(1), None),
        (np.repeat(_vectors(1), 9, axis=0), None),
        (np.ones((9, 1)), VALUES),
        (np.random.default_rng(0).random((9, 3)), VALUES),
        (_vectors(9) - 0.2 + 0.2 * np.eye(4)[0] * 4, VALUES),
        (np.concatenate([_vectors(9), 2 * _vectors(1)]), VALUES),
        (np.concatenate([_vectors(9), np.full((1, 4), np.nan)]), PROBABILITIES),
        (np.full((9, 4), np.nan), None),
        (np.random.default_rng(0).random(9), VALUES),
        (np.moveaxis(_vectors((5, 2)), -1, 1), Ending("probabilities", -2)),
    ],
    ids=[
        "one row",
        "one row again",
        "one class",
        "between 0 and 1",
        "negative",
        "all but one",
        "one unknown",
        "all unknown",
        "no axis",
        "another axis",
    ],
)
def test_luck_and_likeness_are_no_probabilities(values, expected):
    assert seen.probabilities(np.asarray(values, "float32")) == expected


def test_more_rows_tell_what_one_did_not():
    model = _built(Subclassed(_softmax_head()))

    few = kd.mc_predict(model, X[:1], samples=2)
    many = kd.mc_predict(model, X, samples=2, seed=0)

    assert (few.kind, many.kind) == ("values", "probabilities")
    assert many.mutual_information.shape == (6,)
    with pytest.raises(ValueError, match="outputs='probabilities', 'logits' or"):
        _ = few.entropy


def test_all_faces_see_the_same():
    model = _built(Subclassed(Head(ops.softmax)))
    server = kd.MonteCarlo(model, samples=2)

    prediction = kd.mc_predict(model, X, samples=2)
    answers = [server(X), server.predict(X, verbose=0)]

    assert prediction.kind == "probabilities"
    assert all("mutual_information" in answer for answer in answers)


def test_classes_are_taken_from_their_axis():
    last = _chain(*STEPS, L.Softmax())
    first = _chain(*STEPS, L.Permute((2, 1)), L.Softmax(axis=1))
    first.set_weights(last.get_weights())

    expected, found = (kd.mc_predict(m, X, samples=8, seed=0) for m in (last, first))
    answer = kd.MonteCarlo(first, samples=8, seed=0).predict(X, verbose=0)

    assert (expected.class_axis, found.class_axis) == (-1, -2)
    np.testing.assert_allclose(found.mean, np.moveaxis(expected.mean, -1, 1), rtol=1e-5)
    for name in ("mutual_information", "entropy", "margin", "disagreement", "label"):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6, err_msg=name)
    assert answer["entropy"].shape == (6, 4)
    np.testing.assert_array_equal(found.most_uncertain(3), expected.most_uncertain(3))


def _kinds(outputs, results, model=None):
    made = heads(model, outputs, results)
    return keras.tree.map_structure(lambda head: head.kind, made)


A = np.ones((2, 4), "float32")


@pytest.mark.parametrize(
    ("outputs", "results", "expected"),
    [
        ("logits", [A, A], ["logits", "logits"]),
        (["values", "binary"], [A, A], ["values", "binary"]),
        (["values", "binary"], (A, A), ("values", "binary")),
        (
            {"b": "binary", "a": "values"},
            {"a": A, "b": A},
            {"a": "values", "b": "binary"},
        ),
        (
            {"z": ["binary", "auto"], "a": {"c": "logits"}},
            {"a": {"c": A}, "z": [A, A]},
            {"a": {"c": "logits"}, "z": ["binary", "values"]},
        ),
        ("logits", [A, A[:, :1]], ["logits", "binary"]),
        ("logits", A[:, 0], "binary"),
        ("gaussian", [A, A], "gaussian"),
        ("gaussian", [A, A, A], ["gaussian"] * 3),
        ("gaussian", {"mean": A, "log_variance": A}, "gaussian"),
        (
            {"y": "gaussian", "c": "binary"},
            {"y": [A, A], "c": A},
            {"y": "gaussian", "c": "binary"},
        ),
    ],
)
def test_a_structure_of_kinds_is_matched_by_keys_and_places(outputs, results, expected):
    assert _kinds(outputs, results) == expected


def test_the_log_variance_is_known_by_its_key():
    results = {"log_variance": np.zeros((2, 1)), "mean": np.ones((2, 1))}

    head = heads(None, "gaussian", results)

    np.testing.assert_array_equal(ops.convert_to_numpy(head.values), 1)
    with pytest.raises(ValueError, match="which is which"):
        heads(None, "gaussian", {"m": A, "s": A})


@pytest.mark.parametrize(
    ("outputs", "results", "text"),
    [
        ({"a": "values"}, {"a": A, "b": A}, r"missing are \['b'\], unknown \[\]"),
        (
            {"a": "values", "c": "binary"},
            {"a": A, "b": A},
            r"missing are \['b'\], unknown \['c'\]",
        ),
        (["values"] * 2, {"a": A, "b": A}, r"a dictionary with \['a', 'b'\]"),
        ({"a": "values"}, [A], "where the model's outputs are one"),
        (["values"] * 3, [A, A], "each of the 2 outputs"),
        ([["values"] * 2], [A], "each of the 1 outputs"),
        ("probabilities", np.ones(3, "float32"), "outputs='binary'"),
        ("probabilities", np.ones((3, 1), "float32"), "outputs='binary'"),
        ("gaussian", np.ones((3, 3), "float32"), "two outputs, mean and log"),
    ],
)
def test_a_structure_that_does_not_fit_is_refused(outputs, results, text):
    with pytest.raises(ValueError, match=text):
        heads(None, outputs, results)


@pytest.mark.parametrize("outputs", [[], {}, None, 3, ["values", "x"]])
def test_what_are_no_kinds_is_refused_at_once(outputs):
    with pytest.raises(ValueError, match="'auto' or 'values'"):
        kd.mc_predict(models.mlp(), models.x_of(2, 6), outputs=outputs)


def test_a_dictionary_takes_the_names_of_the_outputs():
    inputs = keras.Input((4,))
    h = L.Dropout(0.5)(inputs)
    b, a = L.Dense(2, name="b")(h), L.Dense(2, name="a")(h)
    model = keras.Model(inputs, [b, a])

    made = heads(model, {"a": "logits", "b": "values"}, [A, A])

    assert [head.kind for head in made] == ["values", "logits"]
    with pytest.raises(ValueError, match=r"missing are \['b'\]"):
        heads(model, {"a": "logits"}, [A, A])
